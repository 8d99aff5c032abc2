"""Per-epoch histories of a cell's runs, averaged over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gridbench.leaderboard.tables.cells import Cell
from gridbench.records.record import StoredRun

__all__ = ["band_of", "last_value"]


def band_of(cell: Cell, *path: str) -> pd.DataFrame | None:
    """Average one entry of the histories over a cell's seeds.

    Args:
        cell: The cell.
        path: Names that lead to the entry, such as "detection", "precision".

    Returns:
        By epoch from 1: `mean` (NaN where nothing was recorded) and `std` (ddof 1, zero with one seed) over the seeds
        that reached the epoch; None when no run has the entry.
    """
    series = [_series(run.stored, path) for run in cell.runs.values()]
    table = pd.concat(series, axis=1) if series else pd.DataFrame()
    if not table.notna().any(axis=None):
        return None
    band = pd.DataFrame({"mean": table.mean(axis=1), "std": table.std(axis=1, ddof=1).fillna(0.0)})
    band.index += 1
    return band


def last_value(cell: Cell, *path: str) -> float:
    """Return the mean over seeds of an entry's last recorded value; NaN when no run has it."""
    band = band_of(cell, *path)
    return math.nan if band is None else float(band["mean"].dropna().iloc[-1])


def _series(stored: StoredRun, path: tuple[str, ...]) -> pd.Series[float]:
    values = []
    for row in _history(stored):
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        values.append(float(value) if number else math.nan)
    return pd.Series(values, dtype=np.float64)


def _history(stored: StoredRun) -> list[dict[str, Any]]:
    try:
        history: Any = stored.history()
    except (OSError, ValueError):
        return []
    return [row for row in history if isinstance(row, dict)] if isinstance(history, list) else []
