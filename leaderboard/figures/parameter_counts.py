"""Trainable parameters: of each kind of reasoning, task by task (Fig. 8), and of each row of a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from gridbench.leaderboard.figures.style import legend_outside, looks_of, new_figure, short, styled
from gridbench.leaderboard.tables.table import Table

__all__ = ["count_bars", "parameter_bars"]


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
    figure, (panel,) = new_figure(width=6.2, height=2.9)
    width = 0.8 / len(kinds)
    largest = max(number for row in counts.values() for number in row.values())
    scale, unit, decimals = (1e6, "millions", 2) if largest >= 1e6 else (1e3, "thousands", 0)
    for at, kind in enumerate(kinds):
        having = [number for number, task in enumerate(tasks) if kind in counts[task]]
        places = [number + (at - (len(kinds) - 1) / 2) * width for number in having]
        heights = [counts[tasks[number]][kind] / scale for number in having]
        look = looks[kind]
        panel.bar(
            places, heights, width, color=look.colour, alpha=0.75, hatch=look.hatch, edgecolor="black",
            linewidth=0.5, label=kind,
        )  # fmt: skip
        for place, height in zip(places, heights, strict=True):
            panel.text(place, height, f"{height:.{decimals}f}", ha="center", va="bottom", fontsize=6.5)
    panel.set_xticks(range(len(tasks)), tasks)
    panel.set_ylabel(f"trainable parameters ({unit})")
    panel.set_ylim(top=1.1 * largest / scale)
    panel.grid(visible=False, axis="x")
    panel.set_title(title, loc="left")
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
        for cell in filter(None, row.cells):
            metrics = next(iter(cell.runs.values())).metrics if cell.runs else {}
            everything, backbone = metrics.get("parameters/total"), metrics.get("parameters/backbone")
            if everything and backbone is not None:
                counted.setdefault(short(row.names), (everything, min(backbone, everything)))
    if not counted:
        return None
    names = list(counted)
    totals, backbones = (np.array([counted[name][part] for name in names]) / 1e6 for part in (0, 1))
    figure, (panel,) = new_figure(height=0.9 + 0.28 * len(names))
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
        panel.text(count / 1e6, y, said, va="center", fontsize=7)
    panel.set_yticks(at, names)
    panel.invert_yaxis()
    panel.set_xlim(right=float(totals.max()) * 1.45)
    panel.set_xlabel("parameters (millions)")
    panel.grid(visible=False, axis="y")
    panel.set_title(f"{table.title}: parameters", loc="left")
    legend_outside(figure, columns=2)
    return figure
