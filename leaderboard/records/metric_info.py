"""The metrics of a record: names, units, and whether higher or lower is better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Unit", "metrics_of", "shown", "unit_of"]

_SINGLE = ("memorised", "memorised_pixels", "predicted_prevalence", "true_prevalence", "noisy_images")


@dataclass(frozen=True)
class Unit:
    """Unit of a metric, and its conversion for display.

    Attributes:
        recorded: Unit of the values that `load()` returns.
        shown: Unit in every output format.
        symbol: Symbol after the name of the metric in a heading.
        scale: Shown value = recorded value * scale.
        decimals: Decimals in tables for people.
        better: Direction of improvement; empty if there is none.
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
    "hamming": Unit("fraction", "percent", "%", 100.0, 1, "lower"),
    "ece": Unit("fraction", "percent", "%", 100.0, 1, "lower"),
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
    metric = metric.removeprefix("validation/")
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


def metrics_of(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a record's result by name, without those that are missing or unknown.

    Raises:
        ValueError: One is no number, not finite or negative.
    """
    values: dict[str, Any] = dict(result["metrics"])
    values |= {name: result.get(name) for name in _SINGLE}
    for group in ("detection", "loss_detection", "parameters", "seconds"):
        values |= {f"{group}/{name}": value for name, value in (result.get(group) or {}).items()}
    of_samples = result.get("sample_detection") or {}
    for level in ("image", "label"):
        for way, scores in (of_samples.get(level) or {}).items():
            values |= {
                f"sample_detection/{level}/{way}/{name}": value for name, value in (scores or {}).items()
            }
    noise = result.get("noise") or {}
    values["noise/realised"] = noise.get("realised")
    unknown = _unknown(values)
    values = {name: value for name, value in values.items() if name not in unknown}
    metrics = {}
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"its {name} is {value!r:.40}, not a number")
        if not math.isfinite(value):
            raise ValueError(f"its {name} is {value}")
        if value < 0:
            raise ValueError(f"its {name} is negative ({value})")
        metrics[name] = float(value)
    return metrics


def _unknown(values: Mapping[str, Any]) -> set[str]:
    """Name the values that depend on which labels are wrong, where no label is known to be.

    Without injected noise and without a clean table beside the given one, the given labels may still be wrong: a share
    of zero, or a precision of zero, would say that they are right.
    """
    found = {"noisy_images"} if values.get("noisy_images") == 0 else set[str]()
    groups = [
        name.removesuffix("prevalence")
        for name, value in values.items()
        if value == 0 and name.endswith("/prevalence")
    ]
    return found | {
        name for name in values if name.startswith(tuple(groups)) and not name.endswith("/selected_share")
    }
