"""Bars: by noise rate for each value of a setting (Fig. 6), and numbers of trainable parameters (Fig. 8)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridbench.leaderboard.figures.sensitivity import varying
from gridbench.leaderboard.figures.style import (
    COLUMN,
    PAGE,
    Look,
    legend_outside,
    looks_of,
    new_figure,
    styled,
    wrapped,
)
from gridbench.leaderboard.records.metric_info import Unit, shown
from gridbench.leaderboard.tables.cells import Cell, count_text, order_of
from gridbench.leaderboard.tables.display_names import as_printed, display_metric, row_label
from gridbench.leaderboard.tables.table import Table

__all__ = ["ablation_panels", "count_bars", "mode_bars", "parameter_bars"]


@styled
def ablation_panels(tables: Sequence[Table], setting: str, order: Sequence[str]) -> Figure | None:
    """Draw bars by noise rate for each value of a setting, a panel for each loss.

    Args:
        tables: What was measured; cells of several tables may share the figure, not a panel.
        setting: Name of the setting that varies, such as "parameters.mode".
        order: Its values in the order of the bars.

    Returns:
        None when no cell has the setting.
    """
    panels_of: dict[str, list[Cell]] = {}
    for table in tables:
        for cell in table.cells:
            if cell.text(setting) in order:
                name = row_label((cell.text("method"), cell.text("loss")))
                title = wrapped(f"{as_printed(table.title)}: {name}", COLUMN)
                panels_of.setdefault(title, []).append(cell)
    if not panels_of:
        return None
    figure, panels = new_figure(len(panels_of), 1, COLUMN, 0.6 + 1.7 * len(panels_of))
    for panel, (title, cells) in zip(panels, panels_of.items(), strict=True):
        _bars(panel, cells, setting, order, tables[0].unit)
        panel.set_title(title, loc="left")
    count = count_text(cell for cells in panels_of.values() for cell in cells)
    panels[-1].set_xlabel(f"SLNIR (%)\nwhiskers: ± one SD over seeds ({count})")
    legend_outside(figure)
    return figure


@styled
def mode_bars(table: Table) -> list[tuple[str, Figure]]:
    """Draw bars by noise rate for every word that varies within one method and loss, such as GRID's mode."""
    figures = []
    for name, title, cells in varying(table, numeric=False):
        what = name.removeprefix("parameters.")
        figure, (panel,) = new_figure()
        _bars(panel, cells, name, sorted({cell.text(name) for cell in cells}), table.unit)
        panel.set_xlabel("SLNIR (%)")
        panel.set_title(wrapped(f"{as_printed(table.title)}: {title} by {what}", COLUMN), loc="left")
        legend_outside(figure)
        figures.append((f"{what} {title}", figure))
    return figures


def _bars(panel: Axes, cells: Sequence[Cell], setting: str, order: Sequence[str], unit: Unit) -> None:
    """Draw a group of bars for each noise rate, a bar for each value of a setting."""
    rates = sorted({cell.text("slnir") for cell in cells}, key=order_of)
    looks = looks_of(order)
    for at, word in enumerate(order):
        own = {rates.index(cell.text("slnir")): cell for cell in cells if cell.text(setting) == word}
        heights = {place: shown(cell.mean, unit) for place, cell in own.items()}
        spreads = [shown(cell.std, unit) if cell.n > 1 else 0.0 for cell in own.values()]
        _beside(panel, heights, (at, len(order)), looks[word], word, spreads)
    lowest = min(shown(cell.mean, unit) for cell in cells)
    panel.set_ylim(bottom=max(0, math.floor(lowest / 5 - 1) * 5))
    panel.set_xticks(range(len(rates)), rates)
    panel.set_ylabel(f"{display_metric(cells[0].metric)} ({unit.symbol or unit.shown})\naxis cut")
    panel.grid(visible=False, axis="x")


def _beside(
    panel: Axes,
    heights: Mapping[int, float],
    which: tuple[int, int],
    look: Look,
    label: str,
    spreads: Sequence[float] | None = None,
) -> list[float]:
    """Draw one bar in each group, the `which[0]`-th of `which[1]` that stand side by side; return where they stand."""
    at, count = which
    width = 0.8 / count
    places = [group + (at - (count - 1) / 2) * width for group in heights]
    panel.bar(
        places, list(heights.values()), width, yerr=spreads, color=look.colour, alpha=0.75, edgecolor="black",
        linewidth=0.5, hatch=look.hatch, error_kw={"elinewidth": 0.7, "capsize": 1.5}, label=label,
    )  # fmt: skip
    return places


@styled
def count_bars(title: str, counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw bars of parameter counts, a group for each task.

    Args:
        title: What network it is.
        counts: Task -> kind of reasoning -> number of trainable parameters.
    """
    tasks = list(counts)
    kinds = list(dict.fromkeys(kind for row in counts.values() for kind in row))
    looks = looks_of(kinds)
    figure, (panel,) = new_figure(width=PAGE, height=2.6)
    largest = max(number for row in counts.values() for number in row.values())
    scale, unit, decimals = (1e6, "millions", 2) if largest >= 1e6 else (1e3, "thousands", 0)
    for number, kind in enumerate(kinds):
        heights = {at: counts[task][kind] / scale for at, task in enumerate(tasks) if kind in counts[task]}
        places = _beside(panel, heights, (number, len(kinds)), looks[kind], kind)
        for place, height in zip(places, heights.values(), strict=True):
            panel.text(place, height, f"{height:.{decimals}f}", ha="center", va="bottom", fontsize=6.5)
    panel.set_xticks(range(len(tasks)), tasks)
    panel.set_ylabel(f"trainable parameters ({unit})")
    panel.set_ylim(top=1.1 * largest / scale)
    panel.grid(visible=False, axis="x")
    panel.set_title(wrapped(as_printed(title), PAGE), loc="left")
    legend_outside(figure)
    return figure


@styled
def parameter_bars(table: Table) -> Figure | None:
    """Draw the number of trainable parameters of each row: the backbone's and the rest.

    Returns:
        None when no record counts them.
    """
    counted: dict[str, tuple[float, float]] = {}
    for row in (*table.rows, *table.references):
        for cell in row.cells.values():
            metrics = next(iter(cell.runs.values())).metrics if cell.runs else {}
            everything, backbone = metrics.get("parameters/total"), metrics.get("parameters/backbone")
            if everything and backbone is not None:
                counted.setdefault(
                    row_label(row.names, table.headings), (everything, min(backbone, everything))
                )
    if not counted:
        return None
    names = list(counted)
    totals, backbones = (np.array([counted[name][part] for name in names]) / 1e6 for part in (0, 1))
    figure, (panel,) = new_figure(height=0.8 + 0.22 * len(names))
    looks = looks_of(["backbone", "heads and the rest"])
    at = np.arange(len(names))
    for label, width, left in (
        ("backbone", backbones, np.zeros_like(totals)),
        ("heads and the rest", totals - backbones, backbones),
    ):
        look = looks[label]
        panel.barh(
            at, width, 0.65, left, color=look.colour, alpha=0.75, hatch=look.hatch, edgecolor="black",
            linewidth=0.5, label=label,
        )  # fmt: skip
    for y, (count, part) in enumerate(counted.values()):
        said = f" {count:,.0f} ({100 * part / count:.0f} % backbone)"
        panel.text(count / 1e6, y, said, va="center", fontsize=6.5)
    panel.set_yticks(at, names)
    panel.invert_yaxis()
    panel.set_xlim(right=float(totals.max()) * 1.9)
    panel.set_xlabel("parameters (millions)")
    panel.grid(visible=False, axis="y")
    panel.set_title(wrapped(f"{as_printed(table.title)}: parameters", COLUMN), loc="left")
    legend_outside(figure)
    return figure
