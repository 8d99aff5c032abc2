"""What no record may claim: values that no run can have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gridbench.leaderboard.records.metric_info import unit_of

if TYPE_CHECKING:
    from gridbench.leaderboard.records.run import Run

__all__ = ["REFERENCES", "implausible", "is_hash"]

REFERENCES = frozenset({"oracle", "random", "untrained"})
"""The built-in methods that do not learn from corrupted labels; tests compare this with their classes."""

_HASH = re.compile(r"[0-9a-f]{64}")


def is_hash(value: object) -> bool:
    """Tell whether a value is a sha256 in hexadecimal."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def implausible(run: Run) -> Iterator[str]:
    """Yield what cannot be of a record whose files are whole."""
    if not is_hash(run.id) or not is_hash(run.cell):
        yield "its id is no hash"
    rate = float(str(run.settings["slnir"]))
    if not 0 <= rate <= 100:
        yield f"its slnir is {rate:g}; allowed is 0 to 100"
    if run.settings.get("plugin") is None and run.reference != (run.settings["method"] in REFERENCES):
        yield f"it says that {run.settings['method']} is {'a' if run.reference else 'no'} reference row"
    for metric, value in run.metrics.items():
        # Means of rates are rounded.
        if unit_of(metric).recorded == "fraction" and value > 1 + 1e-6:
            yield f"its {metric} is {value:g}, but a share is at most 1"
        if unit_of(metric).recorded == "percent" and value > 100:
            yield f"its {metric} is {value:g} %"
