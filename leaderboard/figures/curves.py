"""Curves over noise rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridbench.leaderboard.figures.style import (
    COLUMN,
    GREY,
    Look,
    legend_outside,
    looks_of,
    new_figure,
    styled,
    wrapped,
)
from gridbench.leaderboard.records.metric_info import shown
from gridbench.leaderboard.tables.cells import Cell, count_text, order_of
from gridbench.leaderboard.tables.display_names import as_printed, display_metric, row_label
from gridbench.leaderboard.tables.table import Row, Table

__all__ = ["noise_curves", "spread_text"]

_ROOM = 0.3
"""A reference row is drawn as far beyond the methods as this share of their range."""

_REFERENCE_DASHES: tuple[Any, ...] = (":", (0, (3, 1)), (0, (1, 3)))


@styled
def noise_curves(table: Table) -> Figure | None:
    """Draw each method's mean over the columns, with a band of one standard deviation over seeds.

    The scale is that of the methods; a reference row far from them is named below the axis instead of drawn.

    Returns:
        None when the columns are not at least two numbers.
    """
    positions = _positions(table)
    if len(positions) < 2:
        return None
    figure, (panel,) = new_figure()
    labels = [row_label(row.names, table.headings) for row in table.rows]
    looks = looks_of(labels)
    for row, label in zip(table.rows, labels, strict=True):
        _curve(panel, row, positions, looks[label], table, label)
    beyond = _references(panel, table, positions)
    drawn = [cell for row in table.rows for cell in row.cells.values()]
    panel.set_xlabel(f"{as_printed(table.over)}\n{spread_text(drawn)}{beyond}")
    panel.set_ylabel(f"{display_metric(table.metric)} ({table.unit.symbol or table.unit.shown})")
    panel.set_xticks(list(positions.values()), table.columns)
    panel.set_title(wrapped(as_printed(table.title), COLUMN), loc="left")
    legend_outside(figure)
    return figure


def _references(panel: Axes, table: Table, positions: Mapping[str, float]) -> str:
    """Draw the reference rows near the scale of the methods; name the others with their values."""
    low, high = panel.dataLim.intervaly
    room = _ROOM * (high - low)
    dashes = iter(_REFERENCE_DASHES * len(table.references))
    beyond = []
    for row in table.references:
        heights = [shown(cell.mean, table.unit) for cell in row.cells.values()]
        label = row_label(row.names, table.headings)
        if low - room <= min(heights) and max(heights) <= high + room:
            places = [positions[column] for column in row.cells]
            marker = "_" if len(places) == 1 else ""
            panel.plot(
                places, heights, color=GREY, linestyle=next(dashes), linewidth=1, marker=marker, label=label
            )
        else:
            ends = dict.fromkeys(f"{y:.{table.unit.decimals}f}" for y in (min(heights), max(heights)))
            beyond.append(f"{label} {' to '.join(ends)}")
    return f"\noff the scale: {', '.join(beyond)}" if beyond else ""


def _curve(
    panel: Axes, row: Row, positions: Mapping[str, float], look: Look, table: Table, label: str
) -> None:
    # A column without a run must not cut the line between its neighbours: markers say where something was measured.
    cells = row.cells.values()
    x = np.array([positions[column] for column in row.cells])
    mean = np.array([shown(cell.mean, table.unit) for cell in cells])
    std = np.array([shown(cell.std, table.unit) if cell.n > 1 else 0.0 for cell in cells])
    panel.plot(x, mean, color=look.colour, marker=look.marker, linestyle=look.dash, label=label)
    panel.fill_between(x, mean - std, mean + std, color=look.colour, alpha=0.15, linewidth=0)


def _positions(table: Table) -> dict[str, float]:
    """Return column -> place on the axis; nothing where some column is not a number."""
    if any(order_of(column)[0] != 1 for column in table.columns):
        return {}
    return {column: float(column) for column in table.columns}


def spread_text(cells: Sequence[Cell]) -> str:
    """Return what the bands of a figure are, with the number of seeds."""
    return f"bands: ± one SD over seeds ({count_text(cells)})"
