"""CSV output, in which text that a spreadsheet would evaluate as a formula is escaped."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

__all__ = ["as_written", "csv_text", "harmless"]

# Spreadsheets pass over white space, apostrophes and invisible characters before they look for a formula, and some
# take full-width signs for the plain ones. Tab and carriage return begin a new cell or line in others.
_INVISIBLE = r"[\s'\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
_FORMULA = re.compile(rf"{_INVISIBLE}*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def harmless(text: str) -> str:
    """Return a cell's text, after an apostrophe if a spreadsheet would run it; numbers stay numbers.

    >>> harmless("=1+1"), harmless("-0.5"), harmless("forest")
    ("'=1+1", '-0.5', 'forest')
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def as_written(text: str) -> str:
    """Return the text that `harmless` was given."""
    return text[1:] if text.startswith("'") and harmless(text[1:]) == text else text


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Write rows as CSV with plain line feeds; every cell is harmless, headers too."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()
