"""Curves: NDCG over noise rates, detection over epochs (Figs. 2-5), losses over epochs (Fig. 7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gridbench.leaderboard.figures.style import (
    COLUMN,
    GREY,
    PAGE,
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
from gridbench.leaderboard.tables.matching import Counterparts
from gridbench.leaderboard.tables.table import Row, Table
from gridbench.leaderboard.tables.text import with_unit
from gridbench.records.record import StoredRun

__all__ = ["band_of", "detection_curves", "last_value", "loss_curves", "noise_curves"]

_ROOM = 0.3
"""A reference row is drawn as far beyond the methods as this share of their range."""

_DENSE = 40
"""More points than this hide the dashes of a line; its markers still tell it from others."""

_REFERENCE_DASHES: tuple[Any, ...] = (":", (0, (3, 1)), (0, (1, 3)))

_LOSSES = {
    "discriminative_loss": "discriminative head,\nall samples",
    "generative_loss": "generative head,\nall samples",
    "hybrid_loss": "discriminative on clean,\ngenerative on noisy",
}


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
    panel.set_xlabel(f"{as_printed(table.over)}\n{_spread(drawn)}{beyond}")
    panel.set_ylabel(f"{display_metric(table.metric)} ({table.unit.symbol or table.unit.shown})")
    panel.set_xticks(list(positions.values()), table.columns)
    panel.set_title(wrapped(as_printed(table.title), COLUMN), loc="left")
    legend_outside(figure)
    return figure


@styled
def detection_curves(table: Table) -> list[tuple[str, Figure]]:
    """Draw how well noisy samples are found over the epochs, one panel per noise rate (Figs. 2 to 5).

    The paper's "detection accuracy" is the share of truly noisy samples among those flagged as noisy. Beside it
    stand the same share among the samples with the highest loss of the trained plain model, as many as the
    noise rate says, and a random choice.

    Returns:
        One figure for the table, or none when no record has such a history.
    """
    known = Counterparts(table.cells)
    labels = {row.names: row_label(row.names, table.headings) for row in table.rows}
    looks = looks_of(labels.values())
    shown_columns = [
        (column, found)
        for column in table.columns
        if (found := _detecting(table, column)) and order_of(column) > order_of("0")
    ]
    if not shown_columns:
        return []
    across = min(3, len(shown_columns))
    down = math.ceil(len(shown_columns) / across)
    width = PAGE if across > 1 else COLUMN
    figure, panels = new_figure(down, across, width, 1.6 * down + 0.5, share=True)
    for panel, (column, found) in zip(panels, shown_columns, strict=False):
        for row, _, band in found:
            _band(panel, band, looks[labels[row.names]], labels[row.names], 100)
        first = found[0][1]
        plain = known.plain(first)
        _level(
            panel,
            last_value(plain, "loss_detection", "precision") if plain else math.nan,
            "--",
            "top-k by loss of plain training",
        )
        _level(panel, last_value(first, "detection", "prevalence"), ":", "random choice")
        panel.set_title(with_unit(as_printed(table.over), column), loc="left")
    # No share exceeds 100 %, though a band of one standard deviation may.
    panels[0].set_ylim(top=min(panels[0].get_ylim()[1], 101))
    for panel in panels[len(shown_columns) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(shown_columns) - across) : len(shown_columns)]:
        panel.set_xlabel("epoch")
    drawn = [cell for _, found in shown_columns for _, cell, _ in found]
    figure.suptitle(wrapped(f"{as_printed(table.title)}; {_spread(drawn)}", width), x=0.01, ha="left")
    figure.supylabel("precision of detection (%)", fontsize=8)
    legend_outside(figure)
    return [("detection", figure)]


@styled
def loss_curves(table: Table) -> list[tuple[str, Figure]]:
    """Draw the losses of both heads and of their hybrid over the epochs, one line per noise rate (Fig. 7).

    Returns:
        (Name of the row, figure) for the first row of each method and loss whose records have these losses.
    """
    figures: dict[tuple[str, str], tuple[str, Figure]] = {}
    for row in table.rows:
        key = (row.first.text("method"), row.first.text("loss"))
        if key in figures:
            continue
        cells = list(row.cells.items())
        bands = {
            name: [(column, band) for column, cell in cells if (band := band_of(cell, name)) is not None]
            for name in _LOSSES
        }
        if not all(bands.values()):
            continue
        figure, panels = new_figure(1, len(_LOSSES), PAGE, 2.3, share=True)
        looks = _graded([column for column, _ in cells])
        for panel, (name, title) in zip(panels, _LOSSES.items(), strict=True):
            for column, band in bands[name]:
                _band(panel, band, looks[column], with_unit(as_printed(table.over), column), 1)
            panel.set_title(title, loc="left")
            panel.set_xlabel("epoch")
        panels[0].set_ylabel("mean loss")
        spread = _spread([cell for _, cell in cells])
        title = f"{as_printed(table.title)}: {row_label(key)}; {spread}"
        figure.suptitle(wrapped(title, PAGE), x=0.01, ha="left")
        legend_outside(figure)
        figures[key] = (row_label(row.names, table.headings), figure)
    return list(figures.values())


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


def _band(panel: Axes, band: pd.DataFrame, look: Look, label: str, scale: float) -> None:
    panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    mean, std = band["mean"] * scale, band["std"] * scale
    every = max(1, len(mean) // 6)
    panel.plot(
        band.index,
        mean,
        color=look.colour,
        linestyle=look.dash if len(mean) <= _DENSE else "-",
        linewidth=1,
        marker=look.marker,
        markevery=every,
        label=label,
    )
    panel.fill_between(band.index, mean - std, mean + std, color=look.colour, alpha=0.15, linewidth=0)


def _level(panel: Axes, share: float, dash: str, label: str) -> None:
    if math.isfinite(share):
        panel.axhline(100 * share, color=GREY, linestyle=dash, linewidth=1, label=label)


def _detecting(table: Table, column: str) -> list[tuple[Row, Cell, pd.DataFrame]]:
    found = []
    for row in table.rows:
        cell = row.cells.get(column)
        band = band_of(cell, "detection", "precision") if cell else None
        if cell is not None and band is not None:
            found.append((row, cell, band))
    return found


def _graded(names: list[str]) -> dict[str, Look]:
    """Give ordered names colours from dark to light, so that the order can be seen in grey too."""
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(names)))
    looks = looks_of(names)
    return {
        name: Look(mpl.colors.to_hex(colour), looks[name].marker, looks[name].dash, looks[name].hatch)
        for name, colour in zip(names, colours, strict=True)
    }


def _positions(table: Table) -> dict[str, float]:
    """Return column -> place on the axis; nothing where some column is no number."""
    if any(order_of(column)[0] != 1 for column in table.columns):
        return {}
    return {column: float(column) for column in table.columns}


def _spread(cells: Sequence[Cell]) -> str:
    return f"bands: ± one SD over seeds ({count_text(cells)})"


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
        history: Any = stored.epochs()
    except (OSError, ValueError):
        return []
    return [row for row in history if isinstance(row, dict)] if isinstance(history, list) else []
