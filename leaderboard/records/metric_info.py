"""What the numbers of a record are measured in, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Unit", "shown", "unit_of"]


@dataclass(frozen=True)
class Unit:
    """How a recorded value is shown.

    Attributes:
        recorded: What `load()` returns it in.
        shown: What every output format shows it in.
        symbol: What follows the metric's name in a heading.
        scale: Shown value = recorded value * scale.
        decimals: Decimals in tables for people.
        better: Which way is better; an empty string where neither is.
    """

    recorded: str
    shown: str
    symbol: str
    scale: float
    decimals: int
    better: Literal["higher", "lower", ""]


_FRACTION = Unit("fraction", "percent", "%", 100.0, 1, "higher")
_PREFIXES = {
    "noise/": Unit("percent", "percent", "%", 1.0, 2, ""),
    "seconds/": Unit("seconds", "seconds", "s", 1.0, 1, ""),
    "memory/": Unit("bytes", "megabytes", "MB", 1e-6, 0, ""),
    "parameters/": Unit("count", "count", "", 1.0, 0, ""),
    "memorised": Unit("fraction", "percent", "%", 100.0, 1, "lower"),
    "predicted_prevalence": Unit("fraction", "percent", "%", 100.0, 1, ""),
    "true_prevalence": Unit("fraction", "percent", "%", 100.0, 1, ""),
    "noisy_images": Unit("fraction", "percent", "%", 100.0, 1, ""),
}
_SUFFIXES = {
    "/prevalence": Unit("fraction", "percent", "%", 100.0, 1, ""),
    "/selected_share": Unit("fraction", "percent", "%", 100.0, 1, ""),
}


def unit_of(metric: str) -> Unit:
    """Return the unit of a metric's name; a name of no special form is a rate stored as a fraction."""
    for prefix, unit in _PREFIXES.items():
        if metric.startswith(prefix):
            return unit
    for suffix, unit in _SUFFIXES.items():
        if metric.endswith(suffix):
            return unit
    return _FRACTION


def shown(value: float, unit: Unit) -> float:
    """Return a recorded value as every format gives it: scaled, and rounded to ten-thousandths."""
    return round(value * unit.scale, 4)
