"""Formatting of values and words, shared by all formats."""

from __future__ import annotations

import math
import re
import unicodedata

from gridbench.core.terminal import escape
from gridbench.leaderboard.records.metric_info import Unit, shown

__all__ = ["clean", "interval_text", "number", "p_text", "signed", "unsigned", "with_unit"]

LONGEST = 60


def number(value: float, unit: Unit) -> str:
    """Return a recorded value with the decimals that tables for people show; nothing for NaN."""
    return "" if math.isnan(value) else f"{shown(value, unit):.{unit.decimals}f}"


def signed(value: float, decimals: int) -> str:
    """Write a difference with its sign; what rounds to zero has none, and NaN gives nothing."""
    if math.isnan(value):
        return ""
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def unsigned(value: float, decimals: int) -> str:
    """Write a number, negative ones with a minus sign; what rounds to zero has none, and NaN gives nothing."""
    return signed(value, decimals).removeprefix("+")


def interval_text(low: float, high: float, decimals: int) -> str:
    """Write the ends of an interval; nothing for NaN."""
    return "" if math.isnan(low) else f"{signed(low, decimals)} to {signed(high, decimals)}"


def p_text(p_value: float) -> str:
    """Write a p-value to three decimals; nothing for NaN."""
    if math.isnan(p_value):
        return ""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def with_unit(headings: str, values: str) -> str:
    """Return values beside what they are of, before their unit; both are joined by dots where there are several.

    >>> with_unit("SLNIR (%)", "30"), with_unit("noise · SLNIR (%)", "swap · 30")
    ('SLNIR 30 %', 'noise swap, SLNIR 30 %')
    """
    pairs = zip(headings.split(" · "), values.split(" · "), strict=False)
    parts = [(re.fullmatch(r"(.*?)(?: \((.*)\))?", heading), value) for heading, value in pairs]
    return ", ".join(f"{part[1]} {value} {part[2] or ''}".rstrip() for part, value in parts if part)


def clean(text: str, longest: int = LONGEST) -> str:
    r"""Return text from a record on one line, with invisible characters escaped, cut to a length that fits a table.

    >>> clean("a\tb\u3164")
    'a b\\u3164'
    """
    blank = "".join(" " if unicodedata.category(char) == "Cc" else char for char in text[: longest + 1])
    plain = escape(blank)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
