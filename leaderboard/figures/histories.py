"""Per-epoch histories of a cell's runs, averaged over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.leaderboard.tables.cells import Cell
from gridbench.records.record import StoredRun

__all__ = ["Band", "band_of", "last_value"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """Mean and sample standard deviation over seeds by epoch; NaN where nothing was recorded.

    Attributes:
        epochs: (E,) from 1.
        mean: (E,).
        std: (E,) with ddof 1, zero with one seed.
    """

    epochs: Array
    mean: Array
    std: Array


def band_of(cell: Cell, *path: str) -> Band | None:
    """Average one entry of the histories over a cell's seeds.

    Args:
        cell: The cell.
        path: Names that lead to the entry, such as "detection", "precision".

    Returns:
        None when no run has it; epochs that not all seeds reached are averaged over those that did.
    """
    series = [_series(run.stored, path) for run in cell.runs.values()]
    series = [one for one in series if np.isfinite(one).any()]
    if not series:
        return None
    length = max(map(len, series))
    table = np.full((len(series), length), np.nan)
    for at, one in enumerate(series):
        table[at, : len(one)] = one
    counts = np.isfinite(table).sum(axis=0)
    mean = np.divide(np.nansum(table, axis=0), counts, out=np.full(length, np.nan), where=counts > 0)
    squares = np.nansum((table - mean) ** 2, axis=0)
    std = np.sqrt(np.divide(squares, counts - 1, out=np.zeros(length), where=counts > 1))
    return Band(np.arange(1, length + 1, dtype=np.float64), mean, std)


def last_value(cell: Cell, *path: str) -> float:
    """Return the mean over seeds of an entry's last recorded value; NaN when no run has it."""
    band = band_of(cell, *path)
    if band is None:
        return math.nan
    return float(band.mean[np.isfinite(band.mean)][-1])


def _series(stored: StoredRun, path: tuple[str, ...]) -> Array:
    values = []
    for row in _history(stored):
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        values.append(float(value) if number else math.nan)
    return np.array(values, dtype=np.float64)


def _history(stored: StoredRun) -> list[dict[str, Any]]:
    try:
        history: Any = stored.history()
    except (OSError, ValueError):
        return []
    return [row for row in history if isinstance(row, dict)] if isinstance(history, list) else []
