"""Kinds of reasoning side by side, a panel for each loss (Fig. 6)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gridbench.leaderboard.figures.style import Look, legend_outside, looks_of, new_figure, styled
from gridbench.leaderboard.records.metric_info import shown
from gridbench.leaderboard.tables.cells import Cell, order_of
from gridbench.leaderboard.tables.table import Table

__all__ = ["ablation_panels"]


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
                panels_of.setdefault(
                    f"{table.title}: {cell.text('method')} · {cell.text('loss')}", []
                ).append(cell)
    if not panels_of:
        return None
    unit = tables[0].unit
    figure, panels = new_figure(len(panels_of), 1, 6.4, 0.7 + 2.0 * len(panels_of))
    looks = looks_of(order)
    for panel, (title, cells) in zip(panels, panels_of.items(), strict=True):
        rates = sorted({cell.text("slnir") for cell in cells}, key=order_of)
        for at, word in enumerate(order):
            own = [cell for cell in cells if cell.text(setting) == word]
            _bars(panel, own, rates, at, len(order), looks[word], word, tables[0])
        lowest = min(shown(cell.mean, unit) for cell in cells)
        panel.set_ylim(bottom=max(0, math.floor(lowest / 5 - 1) * 5))
        panel.set_xticks(range(len(rates)), rates)
        panel.set_ylabel(f"{cells[0].metric} ({unit.symbol or unit.shown})\naxis cut")
        panel.set_title(title, loc="left")
        panel.grid(visible=False, axis="x")
    seeds = [cell.n for cells in panels_of.values() for cell in cells]
    low, high = min(seeds), max(seeds)
    count = f"n = {low}" if low == high else f"n = {low} to {high}"
    panels[-1].set_xlabel(f"SLNIR (%)\nwhiskers: ± one standard deviation over seeds ({count})")
    legend_outside(figure, panels[0])
    return figure


def _bars(
    panel: Axes,
    cells: Sequence[Cell],
    rates: Sequence[str],
    at: int,
    many: int,
    look: Look,
    label: str,
    table: Table,
) -> None:
    width = 0.8 / many
    panel.bar(
        [rates.index(cell.text("slnir")) + (at - (many - 1) / 2) * width for cell in cells],
        [shown(cell.mean, table.unit) for cell in cells],
        width,
        yerr=[shown(cell.std, table.unit) if cell.n > 1 else 0.0 for cell in cells],
        color=look.colour,
        alpha=0.75,
        edgecolor="black",
        linewidth=0.5,
        hatch=look.hatch,
        error_kw={"elinewidth": 0.7, "capsize": 1.5},
        label=label,
    )
