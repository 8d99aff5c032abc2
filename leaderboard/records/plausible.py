"""What a record of somebody else's must not claim: values that no run can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gridbench.leaderboard.bundles.checks import is_hash
from gridbench.leaderboard.records.metric_info import unit_of

if TYPE_CHECKING:
    from gridbench.leaderboard.records.runs import Run

__all__ = ["implausible"]


def implausible(run: Run) -> Iterator[str]:
    """Yield what cannot be of a record whose files are whole."""
    name = run.stored.folder.name
    if not is_hash(run.id) or not is_hash(run.cell):
        yield f"{name}: its id is no hash"
    for metric, value in run.metrics.items():
        if unit_of(metric).recorded == "fraction" and value > 1:
            yield f"{name}: its {metric} is {value}, but a share is at most 1"
        if unit_of(metric).recorded == "percent" and value > 100:
            yield f"{name}: its {metric} is {value} %"
