"""How values and words are written, the same in every format."""

from __future__ import annotations

import math
import unicodedata

from gridbench.leaderboard.records.metric_info import Unit, shown

__all__ = ["clean", "number"]

LONGEST = 60


def number(value: float, unit: Unit) -> str:
    """Return a recorded value with the decimals that tables for people show; nothing for NaN."""
    return "" if math.isnan(value) else f"{shown(value, unit):.{unit.decimals}f}"


def clean(text: str, longest: int = LONGEST) -> str:
    """Return text from a record without control characters and cut to a length that a table bears."""
    plain = "".join(" " if unicodedata.category(char)[0] == "C" else char for char in text[: longest + 1])
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
