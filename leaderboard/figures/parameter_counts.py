"""Trainable parameters of each kind of reasoning, task by task (Fig. 8)."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from gridbench.leaderboard.figures.style import legend_outside, looks_of, new_figure, styled

__all__ = ["count_bars"]


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
    legend_outside(figure, panel)
    return figure
