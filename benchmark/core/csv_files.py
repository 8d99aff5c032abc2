"""CSV output, in which text that a spreadsheet would evaluate as a formula is escaped."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

from gridbench.core.terminal import INVISIBLE

__all__ = ["as_written", "csv_text", "harmless"]

# Spreadsheets pass over white space, apostrophes and invisible characters before they look for a formula, and some
# take full-width signs for the plain ones. Tab and carriage return begin a new cell or line in others.
_INVISIBLE = rf"[\s'\x00-\x1f\x7f-\x9f{INVISIBLE}]"
_SIGN = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(rf"{_INVISIBLE}*{_SIGN}|'*[\t\r]")
# Where semicolons or tabs divide the cells, quotes inside a cell do not hold it together.
_LATER = re.compile(
    rf"([;\t\r\n|])(?![+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:[;\t\r\n|]|$))(?={_INVISIBLE}*{_SIGN})"
)
_ESCAPED = re.compile(rf"([;\t\r\n|])'(?={_INVISIBLE}*{_SIGN})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def harmless(text: str) -> str:
    """Return a cell's text with an apostrophe before all that a spreadsheet would run; numbers stay numbers.

    >>> harmless("=1+1"), harmless("-0.5"), harmless("a;=1+1")
    ("'=1+1", '-0.5', "a;'=1+1")
    """
    inside = _LATER.sub(r"\1'", text)
    return f"'{inside}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else inside


def as_written(text: str) -> str:
    """Return the text that `harmless` was given."""
    if "'" not in text:
        return text
    inside = _ESCAPED.sub(r"\1", text)
    found = (inside[1:] if begun else inside for begun in (text.startswith("'"), False))
    return next((one for one in found if harmless(one) == text), text)


def csv_text(rows: Iterable[Iterable[object]], end: str = "\n") -> str:
    """Write rows as CSV with plain line feeds, or another end of lines; every cell is harmless, headers too."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end)
    for row in rows:
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()
