"""Finds titles and comments above the header of a table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gridbench.datasets.readers.tables.column_words import INDEX_NAMES, KEY_NAMES, LIST_NAMES
from gridbench.errors import InputError

__all__ = ["LOOKED_AT", "refuse_title", "shown_row"]

LOOKED_AT = 50
"""Rows at the beginning of a table that show whether its first one is the header."""
_MOST_ABOVE = 10
_HEADER_WORDS = {*KEY_NAMES, *LIST_NAMES, *INDEX_NAMES, "value", "color", "colour"} - {""}


def refuse_title(path: object, rows: Sequence[Sequence[str]]) -> None:
    """Refuse a table whose first row is a title or a comment, as programs and people write above the header.

    Args:
        path: The table, for messages.
        rows: Its first rows, the blank ones left out.

    Raises:
        InputError: With the row that looks like the header.
    """
    if _has_row_names(rows[:LOOKED_AT]):
        raise InputError(
            f"{path}: every row begins with its number, for which the header has no name, as R writes tables. Write it "
            "without: write.csv(table, 'labels.csv', row.names = FALSE)"
        )
    at = _header_below([[cell.strip() for cell in row] for row in rows[:LOOKED_AT]])
    if at is not None:
        raise InputError(
            f"{path} begins with {shown_row(rows[0])!r}, which looks like a title or a comment; the header may be "
            f"{shown_row(rows[at])!r}. Take out what is above the header: the first row must name the columns."
        )


def _has_row_names(rows: Sequence[Sequence[str]]) -> bool:
    """Whether every row but the first has one cell more than it, which counts the rows."""
    below = rows[1:]
    numbers = [row[0].strip() for row in below if len(row) == len(rows[0]) + 1]
    return len(below) > 1 and numbers == [str(n) for n in range(1, len(below) + 1)]


def _header_below(rows: Sequence[Sequence[str]]) -> int | None:
    """Return the row that may be the header in place of the first; None where the first is."""
    first, below = rows[0], range(1, min(len(rows), _MOST_ABOVE))
    words = [word.strip().lower() for cell in first for word in re.split(r"[,;|\t]", cell)]
    if len(words) > 1 and not _HEADER_WORDS.isdisjoint(words):
        return None
    named = next((at for at in below if _names_columns(rows[at])), None)
    if named is not None:
        return named
    if words[0] not in KEY_NAMES and not any(words[1:]):
        return next((at for at in below if any(rows[at][1:])), None)
    return next((at for at in below if _fits_others(rows, at)), None)


def _names_columns(row: Sequence[str]) -> bool:
    """Whether a row begins as headers do, and could be one."""
    return (
        row[0].lower() in _HEADER_WORDS
        and len(row) > 1
        and len({*row, ""}) == len(row) + 1
        and not any(cell.replace(".", "", 1).isdecimal() for cell in row)
    )


def _fits_others(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Whether all rows from one on are equally long, and the first one is not."""
    width = len(rows[at])
    return (
        width > 1
        and len(rows) > at + 1
        and len(rows[0]) != width
        and {len(row) for row in rows[at:]} == {width}
    )


def shown_row(row: Sequence[str]) -> str:
    """Return the cells of a row for a message, cut where they are long."""
    text = ", ".join(row).rstrip(", ")
    return text if len(text) <= 80 else text[:77] + "..."
