"""Run records to tables, statistics, figures and pages; nothing here trains, and nothing imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridbench.leaderboard.records.frame import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from gridbench.leaderboard.records.frame import load

        return load
    raise AttributeError(f"module 'gridbench.leaderboard' has no attribute {name!r}")
