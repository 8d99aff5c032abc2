"""How values and words are written, the same in every format."""

from __future__ import annotations

import math
import unicodedata

from gridbench.leaderboard.table import Entry
from gridbench.leaderboard.units import Unit, shown

__all__ = ["clean", "mean_text", "missing_text", "number", "seeds_text", "spread_text"]

LONGEST = 60


def number(value: float, unit: Unit) -> str:
    """Return a recorded value with the decimals that tables for people show; nothing for NaN."""
    return "" if math.isnan(value) else f"{shown(value, unit):.{unit.decimals}f}"


def mean_text(entry: Entry, unit: Unit) -> str:
    """Return the mean of an entry."""
    return number(entry.cell.mean, unit) if entry.cell else ""


def spread_text(entry: Entry, unit: Unit) -> str:
    """Return the spread of an entry, or nothing with a single seed."""
    return number(entry.cell.std, unit) if entry.cell else ""


def seeds_text(entry: Entry) -> str:
    """Return "(2/3)" where seeds are missing."""
    return f"({entry.cell.n}/{entry.expected})" if entry.cell and entry.cell.n < entry.expected else ""


def missing_text(entry: Entry) -> str:
    """Return what stands where nothing was measured."""
    return f"—(0/{entry.expected})"


def clean(text: str, longest: int = LONGEST) -> str:
    """Return text from a record without control characters and cut to a length that a table bears."""
    plain = "".join(" " if unicodedata.category(char)[0] == "C" else char for char in text[: longest + 1])
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
