"""Tables, statistics, figures and pages from run records, without training and without importing torch."""

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
