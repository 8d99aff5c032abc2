"""Bars by noise rate for each value of a setting, such as kinds of reasoning side by side (Fig. 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridbench.leaderboard.figures.sensitivity import varying
from gridbench.leaderboard.figures.style import legend_outside, looks_of, new_figure, styled
from gridbench.leaderboard.records.metric_info import Unit, shown
from gridbench.leaderboard.tables.cells import Cell, count_text, order_of
from gridbench.leaderboard.tables.table import Table

__all__ = ["ablation_panels", "mode_bars"]


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
                title = f"{table.title}: {cell.text('method')} · {cell.text('loss')}"
                panels_of.setdefault(title, []).append(cell)
    if not panels_of:
        return None
    figure, panels = new_figure(len(panels_of), 1, 6.4, 0.7 + 2.0 * len(panels_of))
    for panel, (title, cells) in zip(panels, panels_of.items(), strict=True):
        _bars(panel, cells, setting, order, tables[0].unit)
        panel.set_title(title, loc="left")
    count = count_text(cell for cells in panels_of.values() for cell in cells)
    panels[-1].set_xlabel(f"SLNIR (%)\nwhiskers: ± one standard deviation over seeds ({count})")
    legend_outside(figure)
    return figure


@styled
def mode_bars(table: Table) -> list[tuple[str, Figure]]:
    """Draw bars by noise rate for every word that varies within one method and loss, such as GRID's mode."""
    figures = []
    for name, title, cells in varying(table, numeric=False):
        what = name.removeprefix("parameters.")
        figure, (panel,) = new_figure(width=6)
        _bars(panel, cells, name, sorted({cell.text(name) for cell in cells}), table.unit)
        panel.set_xlabel("SLNIR (%)")
        panel.set_title(f"{table.title}: {title} by {what}", loc="left")
        legend_outside(figure)
        figures.append((f"{what} {title}", figure))
    return figures


def _bars(panel: Axes, cells: Sequence[Cell], setting: str, order: Sequence[str], unit: Unit) -> None:
    """Draw a group of bars for each noise rate, a bar for each value of a setting."""
    rates = sorted({cell.text("slnir") for cell in cells}, key=order_of)
    looks = looks_of(order)
    width = 0.8 / len(order)
    for at, word in enumerate(order):
        own = [cell for cell in cells if cell.text(setting) == word]
        panel.bar(
            [rates.index(cell.text("slnir")) + (at - (len(order) - 1) / 2) * width for cell in own],
            [shown(cell.mean, unit) for cell in own],
            width,
            yerr=[shown(cell.std, unit) if cell.n > 1 else 0.0 for cell in own],
            color=looks[word].colour,
            alpha=0.75,
            edgecolor="black",
            linewidth=0.5,
            hatch=looks[word].hatch,
            error_kw={"elinewidth": 0.7, "capsize": 1.5},
            label=word,
        )
    lowest = min(shown(cell.mean, unit) for cell in cells)
    panel.set_ylim(bottom=max(0, math.floor(lowest / 5 - 1) * 5))
    panel.set_xticks(range(len(rates)), rates)
    panel.set_ylabel(f"{cells[0].metric} ({unit.symbol or unit.shown})\naxis cut")
    panel.grid(visible=False, axis="x")
