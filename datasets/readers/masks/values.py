"""Assignment of mask values, colours or bands to classes; ambiguous masks are rejected."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridbench.datasets.readers.masks.codebook import Codebook, Colour, MaskContent
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
from gridbench.datasets.readers.tables.class_table import NO_CLASS, ClassTable
from gridbench.errors import InputError, counted

__all__ = ["MaskReading", "interpret_masks"]

_BACKGROUND = {
    "background",
    "other",
    "others",
    "none",
    "unlabeled",
    "unlabelled",
    "clutter",
    "void",
    "no",
    "negative",
}
_MAY_BE_NONE = NO_CLASS | {"void", "unlabeled", "unlabelled", "unknown", "undefined"}
_LISTED = 20
_FEW = 0.5
"""Share of pixels of unknown values above which masks are refused: such a table belongs to other masks."""
_LOSSY = 16
"""Number of unknown values above which masks are not what was drawn: JPEG leaves dozens beside every edge."""
_BLENDS = 8
"""Number of unknown values from which a note says that masks may have been smoothed."""


@dataclass(frozen=True)
class MaskReading:
    """Interpretation of the masks.

    Attributes:
        codebook: How they are decoded.
        lines: The same in words, with the share of pixels of each value.
        notes: What the user should look at.
        colours: Class -> the colour that its pixels have in the files, where they have one.
    """

    codebook: Codebook
    lines: tuple[str, ...]
    notes: tuple[str, ...]
    colours: Mapping[int, Colour]


def interpret_masks(content: MaskContent, table: ClassTable, what: str = "masks") -> MaskReading:
    """Decide what masks mean.

    Args:
        content: What all of them hold.
        table: The classes, with values or colours where the user gave them.
        what: The masks, for messages.

    Raises:
        InputError: Two readings fit, none does, or most pixels would have no class.
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
    if kinds["bands"]:
        if table.colours:
            raise InputError(
                f"The class table gives colours, and the {what} hold {counted(kinds['bands'], 'file')} with bands of "
                "two numbers, as those with a band for each class. Save colours as three bands of 8 bits, or leave "
                "the colours out of the table."
            )
        return _from_bands(content, table, what)
    if kinds["colours"] and not table.colours:
        some = ", ".join(hex_of(colour) for colour, _ in content.colours.most_common(5))
        raise InputError(
            f"The {what} hold colours ({some}), and the class table gives no colours. Add columns r, g, b, "
            "or a column color with #RRGGBB, "
            "to the table of --classes or --mask-values."
        )
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
    lines = [f"{what}: {_counted(kinds)}"]
    shares: list[tuple[str, int | None, int]] = []
    if values:
        codes, reason = _values(values, content, table, what)
        refuse_close_values(codes, content, what)
        lines[0] += f", read by value: {reason}"
        shares += [(str(v), codes.get(v), n) for v, n in sorted(values.items())]
    if colours:
        refuse_swapped_colours(colours, table, what)
        refuse_other_colours(colours, table, what)
        lines[0] += ", read by colour"
        shares += [(hex_of(c), table.colours.get(c), n) for c, n in colours.most_common()]
    unknown = {str(v) for v in values if v not in codes} | {
        hex_of(c) for c in colours if c not in table.colours
    }
    return _finish(Codebook(codes, table.colours), lines, shares, unknown, content, table, what)


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
    return _by_position(set(values), content, table.names, what)


def _by_position(
    seen: set[int], content: MaskContent, names: Sequence[str], what: str
) -> tuple[dict[int, int | None], str]:
    """Find the first class number in masks whose classes are given only by their order."""
    count = len(names)
    declared = {int(n) for n in content.nodata if float(n).is_integer()} & seen - {255}
    if declared:
        return _beside_declared(seen, declared, count, what)
    if seen == {0, 255} and count == 2:
        if names[1].casefold() in _BACKGROUND and names[0].casefold() not in _BACKGROUND:
            raise InputError(
                f"The {what} hold 0 and 255, and of the classes {names[0]!r} and {names[1]!r} either may "
                f"be 0. {HOW_TO_SAY}."
            )
        reason = f"0 is {names[0]} and 255 is {names[1]}, as there are two classes and two values"
        return {0: 0, 255: 1}, reason
    if 255 in seen and len(seen) <= 2 and count <= 2:
        raise InputError(
            f"The {what} hold {listing(sorted(seen))} and there "
            f"{'is one class' if count == 1 else 'are two classes'}: 255 may be a class "
            f"or no data. {HOW_TO_SAY}."
        )
    inside = seen - {255}
    if count == 2 and inside == {0, 1} and 255 in seen and 1 not in content.beside_255:
        raise InputError(
            f"Some of the {what} hold 1 and others 255, none of them both, and there are two classes: 255 may be "
            f"{names[1]!r} or no data. {HOW_TO_SAY}."
        )
    if count == 1 and len(inside) > 1:
        raise InputError(
            f"The {what} hold {listing(sorted(inside))} and there is one class: name the class of the other pixels "
            f"too. {HOW_TO_SAY}."
        )
    if count in inside:
        if 0 not in inside and max(inside) == count:
            return _in_order(
                count, 1
            ), f"1 to {count} are the classes in order: 0 never occurs and {count} does"
        if 0 in inside and max(inside) == count:
            raise InputError(
                f"The {what} hold {listing(sorted(inside))}, that is {len(inside)} values for {count} "
                "classes: 0 may be no data and "
                f"1 to {count} the classes, or 0 to {count - 1} the classes and {count} no data. {HOW_TO_SAY}."
            )
    if inside and 0 not in inside and max(inside) < count:
        raise InputError(
            f"The {what} hold {listing(sorted(inside))}, never 0 and never {count}, so they may count the "
            f"{count} classes from 0 "
            f"or from 1. {HOW_TO_SAY}."
        )
    absent = set(range(count)) - seen
    if 255 in seen and count > 2 and absent == {count - 1} and inside == set(range(count - 1)):
        raise InputError(
            f"The {what} hold {listing(sorted(seen))}, as many values as there are classes: 255 may be "
            f"{names[-1]!r} or no "
            f"data. {HOW_TO_SAY}."
        )
    unknown = sorted(value for value in inside if value >= count or value < 0)
    if unknown and (absent or count in inside or len(unknown) > _LOSSY):
        why = (
            f"and never {listing(sorted(absent))}"
            if absent
            else "which looks like a mask that was saved with loss"
            if len(unknown) > _LOSSY
            else f"beside all of 0 to {count - 1}"
        )
        raise InputError(
            f"The {what} hold {listing(unknown)}, which none of the {count} classes has when they count "
            f"from 0, {why}. {HOW_TO_SAY}."
        )
    return _in_order(count, 0), f"0 to {count - 1} are the classes in order"


def _in_order(count: int, first: int) -> dict[int, int | None]:
    """Return the codes of classes that are numbered in their order from `first` on; 255 is no class."""
    return {255: None, **{first + c: c for c in range(count)}}


def _beside_declared(
    seen: set[int], declared: set[int], count: int, what: str
) -> tuple[dict[int, int | None], str]:
    """Find the first class number in masks whose files declare a number that they hold as no data."""
    if len(declared) > 1:
        raise InputError(
            f"The {what} declare several numbers that they hold as no data: {listing(sorted(declared))}. {HOW_TO_SAY}."
        )
    (value,) = declared
    rest = seen - {value, 255}
    if value == 0 and count in rest and max(rest) == count:
        reason = f"1 to {count} are the classes in order, and the files declare 0 as no data"
        return {**_in_order(count, 1), 0: None}, reason
    if not 0 <= value < count and rest <= set(range(count)) and 0 in rest:
        reason = f"0 to {count - 1} are the classes in order, and the files declare {value} as no data"
        return {**_in_order(count, 0), value: None}, reason
    raise InputError(
        f"The {what} declare {value} as no data and hold {listing(sorted(rest))} beside it; there are "
        f"{count} classes. {HOW_TO_SAY}."
    )


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
    lines = [f"{what}: {_counted(content.files)}, one band per class, in order"]
    shares = [(f"band {band + 1}", band if band >= 0 else None, n) for band, n in sorted(content.on.items())]
    shares = [("no band on" if target is None else word, target, n) for word, target, n in shares]
    return _finish(Codebook({}, {}, one_hot=True), lines, shares, set(), content, table, what)


def _finish(
    codebook: Codebook,
    lines: list[str],
    shares: list[tuple[str, int | None, int]],
    unknown: set[str],
    content: MaskContent,
    table: ClassTable,
    what: str,
) -> MaskReading:
    total = sum(n for _, _, n in shares) + content.missing + content.transparent
    for word, pixels in (("no data", content.missing), ("transparent", content.transparent)):
        if pixels:
            shares.append((word, None, pixels))
    if content.transparent:
        unknown = {*unknown, "transparent"}
    lost = sum(n for word, _, n in shares if word in unknown)
    if lost > _FEW * total:
        words = ", ".join(sorted(unknown, key=lambda w: -next(n for word, _, n in shares if word == w))[:8])
        raise InputError(
            f"{100 * lost / total:.1f} % of the pixels of the {what} have values that no class has "
            f"({words}). The table of classes does not "
            f"belong to these masks, or they were saved with loss (JPEG). {HOW_TO_SAY}."
        )
    coded = {*codebook.values.values(), *codebook.colours.values()}
    uncoded = [name for c, name in enumerate(table.names) if c not in coded and not codebook.one_hot]
    if unknown - {"transparent"} and uncoded:
        raise InputError(
            f"The table gives no value and no colour to the class {uncoded[0]!r}, and the {what} hold "
            f"{', '.join(sorted(unknown - {'transparent'})[:8])}, which it gives to no class. Add the missing rows, or "
            f"call a value without a class ignore. {HOW_TO_SAY}."
        )
    for word, target, n in shares[:_LISTED]:
        name = "no class" if target is None else table.names[target]
        mark = " (not in the table)" if word in unknown and word != "transparent" else ""
        lines.append(f"  {word:10}  {name + mark:32}  {100 * n / max(total, 1):5.1f} %")
    if len(shares) > _LISTED:
        rest = sum(n for _, _, n in shares[_LISTED:])
        lines.append(f"  and {len(shares) - _LISTED} more, {100 * rest / total:.2f} % together")
    present = {target for _, target, _ in shares}
    notes = [
        f"the class {name!r} occurs in none of the {what}"
        for c, name in enumerate(table.names)
        if c not in present
    ]
    notes += [
        f"{name!r} is a class as any other; --ignore-class {shlex.quote(name)} makes it none"
        for name in table.names
        if name.casefold() in _MAY_BE_NONE
    ]
    if content.lossy:
        notes.append(
            f"{counted(content.lossy, 'mask')} saved with loss (JPEG or the like), which changes values and colours at "
            "edges; what it made of them has no class (PNG keeps them)"
        )
    elif len(unknown) >= _BLENDS:
        notes.append(
            f"the {what} hold {len(unknown)} values that no class has: if they were resized with smoothing, or saved "
            "with loss, edges have no class or a wrong one (resize masks by the nearest neighbour)"
        )
    without = sum(n for _, target, n in shares if target is None)
    if without:
        notes.append(f"{_percent(without / total)} of the pixels of the {what} have no class")
    palette = {codebook.values.get(value): next(iter(found)) for value, found in content.palette.items()}
    known = {target: colour for colour, target in table.colours.items()} or palette
    own = {target: colour for target, colour in known.items() if target is not None}
    return MaskReading(codebook, tuple(lines), tuple(notes), own)


def _counted(kinds: Mapping[str, int]) -> str:
    words = {
        "values": "of one band",
        "greys": "of three equal bands",
        "palette": "with a palette",
        "colours": "in colours",
        "bands": "with a band for each class",
    }
    return ", ".join(f"{counted(n, 'file')} {words[kind]}" for kind, n in kinds.items() if n)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "less than 0.1 %"
