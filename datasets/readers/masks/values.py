"""Assignment of mask values, colours or bands to classes; ambiguous masks are rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from gridbench.datasets.readers.masks.class_numbers import class_numbers
from gridbench.datasets.readers.masks.codebook import Codebook, MaskContent
from gridbench.datasets.readers.masks.contradictions import (
    HOW_TO_SAY,
    hex_of,
    listing,
    refuse_close_values,
    refuse_different_palettes,
    refuse_disagreement,
    refuse_other_colours,
    refuse_other_count,
    refuse_swapped_colours,
)
from gridbench.datasets.readers.masks.mask_reading import MaskReading, Share, describe_masks
from gridbench.datasets.readers.tables.class_table import ClassTable
from gridbench.errors import InputError, counted

__all__ = ["interpret_masks"]


def interpret_masks(content: MaskContent, table: ClassTable, what: str = "masks") -> MaskReading:
    """Decide what masks mean.

    Args:
        content: What all of them hold.
        table: The classes, with values or colours where the user gave them.
        what: The masks, for messages.

    Raises:
        InputError: Two readings fit, none does, or most pixels would have no class.
    """
    _require_readable(content, table, what)
    if content.files["bands"]:
        return _from_bands(content, table, what)
    # Grey values saved as colours and palette indices are colours when the table has any, and values otherwise.
    values, colours = Counter(content.values), Counter(content.colours)
    if table.colours:
        refuse_disagreement(content, table, what)
        colours.update({(v, v, v): n for v, n in content.greys.items()})
    else:
        colours.clear()
        values.update(content.greys)
        values.update(content.indices)
        refuse_different_palettes(content, what)
    codes: dict[int, int | None] = {}
    heading = f"{what}: {_counted(content.files)}"
    shares: list[Share] = []
    if values:
        codes, reason = _values(values, content, table, what)
        refuse_close_values(codes, content, what)
        heading += f", read by value: {reason}"
        shares += [(str(v), codes.get(v), n) for v, n in sorted(values.items())]
    if colours:
        refuse_swapped_colours(colours, table, what)
        refuse_other_colours(colours, table, what)
        heading += ", read by colour"
        shares += [(hex_of(c), table.colours.get(c), n) for c, n in colours.most_common()]
    unknown = {str(v) for v in values if v not in codes} | {
        hex_of(c) for c in colours if c not in table.colours
    }
    return describe_masks(Codebook(codes, table.colours), heading, shares, unknown, content, table, what)


def _require_readable(content: MaskContent, table: ClassTable, what: str) -> None:
    """Refuse masks that are mostly unreadable, or whose colours the table does not explain.

    Raises:
        InputError: With the reason and what to do.
    """
    kinds = content.files
    if not kinds:
        first = content.unreadable[0] if content.unreadable else "there is none"
        raise InputError(f"None of the {what} can be read; the first: {first}")
    if len(content.unreadable) > kinds.total():
        raise InputError(
            f"{len(content.unreadable)} of {len(content.unreadable) + kinds.total()} {what} cannot be read; the first: "
            f"{content.unreadable[0]}"
        )
    if kinds["bands"] and table.colours:
        raise InputError(
            f"The class table gives colours, and the {what} hold {counted(kinds['bands'], 'file')} with bands of "
            "two numbers, as those with a band for each class. Save colours as three bands of 8 bits, or leave "
            "the colours out of the table."
        )
    if kinds["colours"] and not kinds["bands"] and not table.colours:
        some = ", ".join(hex_of(colour) for colour, _ in content.colours.most_common(5))
        raise InputError(
            f"The {what} hold colours ({some}), and the class table gives no colours. Add columns r, g, b, "
            "or a column color with #RRGGBB, to the table of --classes or --mask-values."
        )


def _values(
    values: Mapping[int, int], content: MaskContent, table: ClassTable, what: str
) -> tuple[dict[int, int | None], str]:
    if table.values:
        refuse_other_count(set(values), content, table, what)
        return {255: None, **table.require_values()}, "as the table says"
    hidden = sorted(content.hidden - content.nodata)
    if hidden:
        raise InputError(
            f"The palettes of the {what} make the index {listing(hidden)} transparent: it may be a class or no data. "
            f"{HOW_TO_SAY}."
        )
    table.refuse_other_numbers(set(values) - content.nodata - {255})
    if table.colours:
        grey = {c[0]: target for c, target in table.colours.items() if c[0] == c[1] == c[2]}
        if not set(values) <= set(grey):
            odd = sorted(set(values) - set(grey))
            raise InputError(
                f"The class table gives colours, and the {what} hold grey values ({listing(odd)}) that are "
                f"none of them. {HOW_TO_SAY}."
            )
        return grey, "grey values are the colours (v, v, v)"
    return class_numbers(set(values), content, table.names, what)


def _from_bands(content: MaskContent, table: ClassTable, what: str) -> MaskReading:
    count = len(table.names)
    if len(content.files) > 1 or len(content.bands) > 1 or set(content.bands) != {count}:
        kinds = _counted(content.files)
        bands = ", ".join(
            f"{counted(n, 'band')} ({counted(files, 'file')})" for n, files in content.bands.items()
        )
        raise InputError(
            f"The {what} have a band for each class ({bands}; {kinds}), and there are {count} classes. "
            "Give as many bands as "
            "classes, in their order."
        )
    heading = f"{what}: {_counted(content.files)}, one band per class, in order"
    shares: list[Share] = [
        (f"band {band + 1}", band, n) if band >= 0 else ("no band on", None, n)
        for band, n in sorted(content.on.items())
    ]
    return describe_masks(Codebook({}, {}, one_hot=True), heading, shares, set(), content, table, what)


def _counted(kinds: Mapping[str, int]) -> str:
    words = {
        "values": "of one band",
        "greys": "of three equal bands",
        "palette": "with a palette",
        "colours": "in colours",
        "bands": "with a band for each class",
    }
    return ", ".join(f"{counted(n, 'file')} {words[kind]}" for kind, n in kinds.items() if n)
