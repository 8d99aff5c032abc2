"""How masks were understood: the decoding, the share of pixels of each value, and what the user should look at."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridbench.datasets.readers.masks.codebook import Codebook, Colour, MaskContent
from gridbench.datasets.readers.masks.contradictions import HOW_TO_SAY
from gridbench.datasets.readers.tables.class_table import NO_CLASS, ClassTable
from gridbench.errors import InputError, counted

__all__ = ["MaskReading", "Share", "describe_masks"]

_MAY_BE_NONE = NO_CLASS | {"void", "unlabeled", "unlabelled", "unknown", "undefined"}
_LISTED = 20
_MOST_LOST = 0.5
"""Share of pixels of unknown values above which masks are refused: such a table belongs to other masks."""
_BLENDS = 8
"""Number of unknown values from which a note says that masks may have been smoothed."""
_TRANSPARENT = "transparent"

Share = tuple[str, int | None, int]
"""A value or colour in words, its class (None for no class), and its number of pixels."""


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


def describe_masks(
    codebook: Codebook,
    heading: str,
    shares: Sequence[Share],
    unknown: set[str],
    content: MaskContent,
    table: ClassTable,
    what: str,
) -> MaskReading:
    """Describe how masks are decoded.

    Args:
        codebook: How they are decoded.
        heading: What was found, in one line.
        shares: Every value and colour in the masks.
        unknown: The values and colours, in words, that no class has.
        content: What all masks hold.
        table: The classes.
        what: The masks, for messages.

    Raises:
        InputError: Most pixels would have no class, or a class without a value may have one of the unknown ones.
    """
    without = (("no data", None, content.missing), (_TRANSPARENT, None, content.transparent))
    shares = [*shares, *(share for share in without if share[2])]
    total = sum(pixels for *_, pixels in shares)
    _refuse_unknown(codebook, shares, total, unknown, table, what)
    lines = [heading, *_share_lines(shares, total, unknown, table)]
    notes = _notes(shares, total, unknown, content, table, what)
    palette = {codebook.values.get(value): next(iter(found)) for value, found in content.palette.items()}
    known = {target: colour for colour, target in table.colours.items()} or palette
    own = {target: colour for target, colour in known.items() if target is not None}
    return MaskReading(codebook, tuple(lines), tuple(notes), own)


def _refuse_unknown(
    codebook: Codebook, shares: Sequence[Share], total: int, unknown: set[str], table: ClassTable, what: str
) -> None:
    """Refuse masks most of whose pixels have no class, and tables that leave classes and values unassigned.

    Raises:
        InputError: With the values.
    """
    pixels = {word: n for word, _, n in shares if word in unknown or word == _TRANSPARENT}
    lost = sum(pixels.values())
    if lost > _MOST_LOST * total:
        words = ", ".join(sorted(pixels, key=lambda word: -pixels[word])[:8])
        raise InputError(
            f"{100 * lost / total:.1f} % of the pixels of the {what} have values that no class has ({words}). The "
            "table of classes does not belong to these masks, or they were saved with loss (JPEG). "
            f"{HOW_TO_SAY}."
        )
    coded = {*codebook.values.values(), *codebook.colours.values()}
    uncoded = [name for c, name in enumerate(table.names) if c not in coded and not codebook.one_hot]
    if unknown and uncoded:
        raise InputError(
            f"The table gives no value and no colour to the class {uncoded[0]!r}, and the {what} hold "
            f"{', '.join(sorted(unknown)[:8])}, which it gives to no class. Add the missing rows, or "
            f"call a value without a class ignore. {HOW_TO_SAY}."
        )


def _share_lines(shares: Sequence[Share], total: int, unknown: set[str], table: ClassTable) -> list[str]:
    """List the share of pixels of each value, and its class."""
    lines = []
    for word, target, n in shares[:_LISTED]:
        name = "no class" if target is None else table.names[target]
        mark = " (not in the table)" if word in unknown else ""
        lines.append(f"  {word:10}  {name + mark:32}  {100 * n / max(total, 1):5.1f} %")
    if len(shares) > _LISTED:
        rest = sum(n for *_, n in shares[_LISTED:])
        lines.append(f"  and {len(shares) - _LISTED} more, {100 * rest / total:.2f} % together")
    return lines


def _notes(
    shares: Sequence[Share], total: int, unknown: set[str], content: MaskContent, table: ClassTable, what: str
) -> list[str]:
    """Return what the user should look at."""
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
    odd = len(unknown) + bool(content.transparent)
    if content.lossy:
        notes.append(
            f"{counted(content.lossy, 'mask')} saved with loss (JPEG or the like), which changes values and colours at "
            "edges; what it made of them has no class (PNG keeps them)"
        )
    elif odd >= _BLENDS:
        notes.append(
            f"the {what} hold {odd} values that no class has: if they were resized with smoothing, or saved "
            "with loss, edges have no class or a wrong one (resize masks by the nearest neighbour)"
        )
    without = sum(n for _, target, n in shares if target is None)
    if without:
        notes.append(f"{_percent(without / total)} of the pixels of the {what} have no class")
    return notes


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "less than 0.1 %"
