"""Curves over epochs: scores, detection of noisy samples (Figs. 2-5), losses (Fig. 7)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gridbench.leaderboard.figures.curves import spread_text
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
from gridbench.leaderboard.records.metric_info import of_scored_weights
from gridbench.leaderboard.tables.cells import Cell, order_of
from gridbench.leaderboard.tables.display_names import as_printed, display_metric, row_label
from gridbench.leaderboard.tables.matching import Counterparts
from gridbench.leaderboard.tables.table import Row, Table
from gridbench.leaderboard.tables.text import with_unit
from gridbench.records.record import StoredRun

__all__ = ["band_of", "detection_curves", "last_value", "loss_curves", "score_curves"]

_DENSE = 40
"""More points than this hide the dashes of a line; its markers still tell it from others."""

_LOSSES = {
    "discriminative_loss": "discriminative head,\nall samples",
    "generative_loss": "generative head,\nall samples",
    "hybrid_loss": "discriminative on clean,\ngenerative on noisy",
}


_Found = list[tuple[Row, Cell, pd.DataFrame]]


@styled
def score_curves(table: Table) -> list[tuple[str, Figure]]:
    """Draw the table's score over the epochs that were scored (`--last-epochs`), one panel per column.

    Returns:
        One figure for the table, or none when no record has scores of epochs.
    """
    metric = of_scored_weights(table.metric)
    found = [
        (column, rows)
        for column in table.columns
        if (rows := _found(table, column, "scores", metric))
        and any(band["mean"].count() > 1 for _, _, band in rows)
    ]
    if not found:
        return []
    figure, _ = _panels(table, found, table.unit.scale)
    figure.supylabel(f"{display_metric(metric)} ({table.unit.symbol or table.unit.shown})", fontsize=8)
    legend_outside(figure)
    return [("over epochs", figure)]


@styled
def detection_curves(table: Table) -> list[tuple[str, Figure]]:
    """Draw how well noisy samples are found over the epochs, one panel per noise rate (Figs. 2 to 5).

    The paper's "detection accuracy" is the share of truly noisy samples among those flagged as noisy. Beside it
    stand the same share among the samples with the highest loss of the trained plain model, as many as the
    noise rate says, and a random choice.

    Returns:
        One figure for the table, or none when no record has such a history.
    """
    found = [
        (column, rows)
        for column in table.columns
        if (rows := _found(table, column, "detection", "precision")) and order_of(column) > order_of("0")
    ]
    if not found:
        return []
    figure, panels = _panels(table, found, 100)
    known = Counterparts(table.cells)
    for panel, (_, rows) in zip(panels, found, strict=False):
        first = rows[0][1]
        plain = known.plain(first)
        _level(
            panel,
            last_value(plain, "loss_detection", "precision") if plain else math.nan,
            "--",
            "top-k by loss of plain training",
        )
        _level(panel, last_value(first, "detection", "prevalence"), ":", "random choice")
    # No share exceeds 100 %, though a band of one standard deviation may.
    panels[0].set_ylim(top=min(panels[0].get_ylim()[1], 101))
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
        spread = spread_text([cell for _, cell in cells])
        title = f"{as_printed(table.title)}: {row_label(key)}; {spread}"
        figure.suptitle(wrapped(title, PAGE), x=0.01, ha="left")
        legend_outside(figure)
        figures[key] = (row_label(row.names, table.headings), figure)
    return list(figures.values())


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


def _panels(table: Table, found: list[tuple[str, _Found]], scale: float) -> tuple[Figure, list[Axes]]:
    """Draw the bands of each column into a panel of its own, three side by side."""
    labels = {row.names: row_label(row.names, table.headings) for row in table.rows}
    looks = looks_of(labels.values())
    across = min(3, len(found))
    down = math.ceil(len(found) / across)
    width = PAGE if across > 1 else COLUMN
    figure, panels = new_figure(down, across, width, 1.6 * down + 0.5, share=True)
    for panel, (column, rows) in zip(panels, found, strict=False):
        for row, _, band in rows:
            _band(panel, band, looks[labels[row.names]], labels[row.names], scale)
        panel.set_title(with_unit(as_printed(table.over), column), loc="left")
    for panel in panels[len(found) :]:
        panel.set_axis_off()
    for panel in panels[max(0, len(found) - across) : len(found)]:
        panel.set_xlabel("epoch")
    drawn = [cell for _, rows in found for _, cell, _ in rows]
    figure.suptitle(wrapped(f"{as_printed(table.title)}; {spread_text(drawn)}", width), x=0.01, ha="left")
    return figure, list(panels)


def _found(table: Table, column: str, *path: str) -> _Found:
    """Return the rows of a column whose histories have an entry, with their cells and bands."""
    found = []
    for row in table.rows:
        cell = row.cells.get(column)
        band = band_of(cell, *path) if cell else None
        if cell is not None and band is not None:
            found.append((row, cell, band))
    return found


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
    # What is never negative, such as a share, has no band below zero.
    low = (mean - std).clip(lower=0) if (mean.dropna() >= 0).all() else mean - std
    panel.fill_between(band.index, low, mean + std, color=look.colour, alpha=0.15, linewidth=0)


def _level(panel: Axes, share: float, dash: str, label: str) -> None:
    if math.isfinite(share):
        panel.axhline(100 * share, color=GREY, linestyle=dash, linewidth=1, label=label)


def _graded(names: list[str]) -> dict[str, Look]:
    """Give ordered names colours from dark to light, so that the order can be seen in grey too."""
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(names)))
    looks = looks_of(names)
    return {
        name: Look(mpl.colors.to_hex(colour), looks[name].marker, looks[name].dash, looks[name].hatch)
        for name, colour in zip(names, colours, strict=True)
    }


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
