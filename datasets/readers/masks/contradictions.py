"""Refusal of masks and tables of classes that contradict each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from gridbench.datasets.readers.masks.codebook import Colour, MaskContent
from gridbench.datasets.readers.tables.class_table import ClassTable
from gridbench.errors import InputError, counted

__all__ = [
    "HOW_TO_SAY",
    "hex_of",
    "listing",
    "refuse_close_values",
    "refuse_different_palettes",
    "refuse_disagreement",
    "refuse_other_colours",
    "refuse_other_count",
    "refuse_swapped_colours",
]

HOW_TO_SAY = "Say what the values stand for in a table with the columns value and name: --mask-values FILE"
_OFTEN = 0.01
"""Share of the pixels from which a colour is none that smoothing or loss left at edges."""
_JPEG_CHANGE = 32
"""Distance of two classes' values below which what JPEG and its like change at edges may turn one into the other."""


def refuse_other_count(seen: set[int], content: MaskContent, table: ClassTable, what: str) -> None:
    """Refuse a table whose values may be counted from another number than those of the masks, or scaled."""
    codes = set(table.require_values())
    known = seen & codes
    unknown = seen - codes - content.nodata
    absent = {value for value, target in table.values.items() if target is not None} - seen
    if not unknown:
        return
    found = (
        f"The {what} hold {listing(sorted(seen))}, and the table gives the values {listing(sorted(codes))}"
    )
    decide = f"{HOW_TO_SAY}, in which a value without a class is called ignore."
    rest = seen - content.nodata - {255}
    if not rest <= codes and any({value + step for value in rest} <= codes for step in (-1, 1)):
        raise InputError(f"{found}: one may count the classes from 0 and the other from 1. {decide}")
    if absent and 0 < len(known) <= len(unknown):
        raise InputError(
            f"{found}: {listing(sorted(unknown))} may be what the table calls {listing(sorted(absent))}. {decide}"
        )


def refuse_close_values(codes: Mapping[int, int | None], content: MaskContent, what: str) -> None:
    """Refuse masks that were saved with loss and whose classes are numbers near each other."""
    numbers = sorted(value for value, target in codes.items() if target is not None)
    close = [(one, other) for one, other in itertools.pairwise(numbers) if other - one < _JPEG_CHANGE]
    if content.lossy and close:
        are = "is" if content.lossy == 1 else "are"
        raise InputError(
            f"{counted(content.lossy, 'file')} of the {what} {are} saved with loss (JPEG or the like), which changes "
            f"numbers at edges, and {close[0][0]} and {close[0][1]} are two classes: one may have become the other. "
            "Take the masks as PNG or TIFF from where they were drawn."
        )


def refuse_swapped_colours(colours: Mapping[Colour, int], table: ClassTable, what: str) -> None:
    """Refuse masks whose colours are those of the table with red and blue exchanged."""
    odd = sorted(set(colours) - set(table.colours))
    if odd and all(colour[::-1] in table.colours for colour in colours):
        raise InputError(
            f"The {what} hold the colour {hex_of(odd[0])}, and the table {hex_of(odd[0][::-1])}, that is with red and "
            "blue exchanged, as OpenCV writes them. Exchange them in the table."
        )


def refuse_other_colours(colours: Mapping[Colour, int], table: ClassTable, what: str) -> None:
    """Refuse masks in which a class of the table never occurs, and a colour without a class often does."""
    wanted = sorted(
        colour for colour, target in table.colours.items() if target is not None and colour not in colours
    )
    total = sum(colours.values())
    often = [
        colour
        for colour, pixels in colours.items()
        if colour not in table.colours and pixels >= _OFTEN * total
    ]
    if wanted and often:
        raise InputError(
            f"No pixel of the {what} has the colour {hex_of(wanted[0])} of the table, and "
            f"{100 * colours[often[0]] / total:.1f} % have {hex_of(often[0])}, which no class has: one may be the "
            "other. Correct the table, or give that colour a row called ignore: --mask-values FILE with the columns "
            "name and color."
        )


def refuse_disagreement(content: MaskContent, table: ClassTable, what: str) -> None:
    """Refuse a table whose values and colours are different classes in the palettes of the files."""
    for index, found in sorted(content.palette.items()):
        by_value = table.values.get(index)
        for colour in found:
            by_colour = table.colours.get(colour)
            if by_value is not None and by_colour is not None and by_value != by_colour:
                raise InputError(
                    f"The index {index} of the palettes of the {what} is {table.names[by_value]!r} by its value "
                    f"in the table, and {table.names[by_colour]!r} by its colour, {hex_of(colour)}. Leave out "
                    "the column that is not about these files."
                )


def refuse_different_palettes(content: MaskContent, what: str) -> None:
    """Refuse palettes that give one index several colours."""
    odd = sorted(value for value, colours in content.palette.items() if len(colours) > 1)
    if odd:
        colours = " and ".join(hex_of(colour) for colour in sorted(content.palette[odd[0]])[:2])
        raise InputError(
            f"The palettes of the {what} differ: the index {odd[0]} is {colours} in different files, so an "
            "index means nothing. Give the "
            "classes' colours: --mask-values FILE with the columns name and color."
        )


def listing(values: Sequence[int]) -> str:
    """Return sorted values in words."""
    if len(values) > 3 and list(values) == list(range(values[0], values[-1] + 1)):
        return f"{values[0]} to {values[-1]}"
    shown = ", ".join(map(str, values[:12]))
    return shown + (f" and {len(values) - 12} more" if len(values) > 12 else "")


def hex_of(colour: Colour) -> str:
    """Return a colour as #RRGGBB."""
    return "#{:02X}{:02X}{:02X}".format(*colour)
