"""Every method for one level of labels against plain training: its scores, where it wins, and at what cost."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from pages.comparison import ORDERED_AT, Comparison, rates_told
from pages.evidence import TEST, UNSEEN, mean
from pages.scored import NAMES

from gridbench.leaderboard.figures.style import GREY, PAGE, legend_outside, looks_of, new_figure, styled
from gridbench.leaderboard.stats.statistics import Interval

HALO = withStroke(linewidth=1.5, foreground="white")
"""What keeps a name legible on lines and points."""
OTHER_RATE = 30
OTHER_NOISE: Mapping[str, tuple[str, str]] = {
    "missing": ("Missing labels", "A share of all labels is removed, and nothing takes their place."),
    "confusable": ("Confusable classes", "A label becomes the class with which it is easily confused."),
    "instance": (
        "Instance-dependent noise",
        "Difficult labels are flipped more often, and to plausible classes.",
    ),
}
"""Noise model -> heading and what it does."""


def who_wins(comparison: Comparison, noises: Mapping[str, tuple[str, float]] = {}) -> Figure:
    """Draw the gain of every method over plain training under every noise; what is resolved is bold and framed.

    Args:
        comparison: The methods and their records.
        noises: Heading of a column -> its noise model and rate, for noise that is not the paper's.
    """
    names, rates = comparison.others, comparison.rates
    shown = (TEST, comparison.prediction)
    every = list(comparison.paired.values())
    # The verdicts are those of the tables of the pages: one family for each noise, all scores of its table together.
    columns = {f"SLNIR\n{rate}": comparison.family(names, shown, [rate]) for rate in rates}
    if len(rates) > 1:
        columns["mean of\n" + ", ".join(map(str, rates))] = comparison.family(
            comparison.everywhere, every, rates
        )
    for heading, (noise, rate) in noises.items():
        ran = list(comparison.rows(names, rate, noise))
        columns[heading] = comparison.family(ran, every, [rate], noise)
    about = f"{comparison.labels}: points above plain {comparison.plain.upper()}"
    return win_map(names, columns, about, {NAMES[metric]: metric for metric in shown})


@styled
def win_map(
    names: Sequence[str],
    columns: Mapping[str, Mapping[str, Mapping[str, Interval]]],
    about: str,
    shown: Mapping[str, str],
) -> Figure:
    """Draw differences from plain training, a panel for each metric; what is resolved is bold and framed.

    Args:
        names: Methods, from top to bottom.
        columns: Heading -> metric -> method -> difference, from left to right.
        about: What differs from what, for the title.
        shown: Heading of a panel -> its metric, from left to right.
    """
    figure, panels = new_figure(1, len(shown), PAGE, 0.175 * len(names) + 1.2)
    for panel, (heading, metric) in zip(panels, shown.items(), strict=True):
        _map(panel, names, [family[metric] for family in columns.values()])
        panel.set_xticks(range(len(columns)), columns, fontsize=6)
        panel.set_yticks(range(len(names)), names if panel is panels[0] else [""] * len(names))
        panel.set_title(heading, loc="left")
    figure.suptitle(
        f"bluemarble · {about} of the same seed (n = 5); bold and framed: resolved", x=0.01, ha="left"
    )
    return figure


def _map(panel: Axes, names: Sequence[str], columns: Sequence[Mapping[str, Interval]]) -> None:
    cells = np.array(
        [[column[name].difference if name in column else np.nan for column in columns] for name in names]
    )
    reach = float(np.nanmax(np.abs(cells)))
    panel.imshow(cells, aspect="auto", cmap="PuOr_r", vmin=-reach, vmax=reach, alpha=0.8)
    for row, column in np.argwhere(~np.isnan(cells)):
        resolved = columns[column][names[row]].verdict in ("better", "worse")
        value = f"{round(cells[row, column], 1) + 0.0:+.1f}"  # no negative zero
        panel.text(column, row, value, ha="center", va="center", fontsize=6.5,
                   fontweight="bold" if resolved else "normal",
                   color="white" if abs(cells[row, column]) > 0.75 * reach else "black")  # fmt: skip
        if resolved:
            panel.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, linewidth=0.8))
    panel.grid(visible=False)
    panel.tick_params(length=0, labelsize=7)


def _relative_time(comparison: Comparison, name: str) -> float:
    """Return the training time in that of plain training: the median over the rates, each of one machine."""

    def shortest(method: str, rate: int) -> float:
        # Other work on the machine only makes runs longer.
        runs = comparison.records.find(rate, method=method).values()
        return min(run.costs()["seconds/training"] for run in runs)

    return statistics.median(
        shortest(name, rate) / shortest(comparison.plain, rate) for rate in comparison.rates
    )


def _name_extremes(panel: Axes, points: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    """Write names beside the points that lie far from the mean of all, where there is room."""
    measured = np.flatnonzero(~np.isnan(points).any(axis=1))  # a method may lack a score, as RRL lacks mIoU
    points, names = points[measured], [names[int(at)] for at in measured]
    scaled = (points - points.mean(axis=0)) / np.ptp(points, axis=0)
    written: list[npt.NDArray[np.float64]] = []
    for at in np.argsort(-np.hypot(*scaled.T))[:10]:
        if all(abs(scaled[at] - other)[1] > 0.055 or abs(scaled[at] - other)[0] > 0.35 for other in written):
            written.append(scaled[at])
            right = scaled[at][0] > 0.45  # no room at the right edge
            panel.annotate(names[at], points[at], (-3 if right else 3, 2), textcoords="offset points", fontsize=6,
                           ha="right" if right else "left", path_effects=[HALO])  # fmt: skip


@styled
def cost_and_gain(comparison: Comparison) -> Figure:
    """Draw gain against training time, on unseen against seen queries, and in prediction against retrieval."""
    names, rates, plain = comparison.everywhere, comparison.rates, comparison.plain.upper()
    gains = {
        metric: [comparison.gain(name, metric, rates).difference for name in names]
        for metric in comparison.paired.values()
    }
    times = [_relative_time(comparison, name) for name in names]
    figure, panels = new_figure(1, 3, PAGE, 2.6)
    look = looks_of(("",))[""]
    prediction = comparison.prediction
    panes = (
        (times, gains[TEST], f"training time (times {plain}'s)", "NDCG@20, seen queries"),
        (gains[TEST], gains[UNSEEN], "NDCG@20, seen queries", "NDCG@20, unseen queries"),
        (gains[TEST], gains[prediction], "NDCG@20, seen queries", NAMES[prediction]),
    )
    for panel, (across, up, below, beside) in zip(panels, panes, strict=True):
        panel.plot(across, up, linestyle="", marker=look.marker, color=look.colour, markersize=3)
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.axvline(1 if across is times else 0, color=GREY, linewidth=0.8)
        panel.set_xlabel(below)
        panel.set_ylabel(beside)
        panel.grid(visible=False)
        _name_extremes(panel, np.array([across, up]).T, names)
    figure.suptitle(
        f"bluemarble · {comparison.labels}: points above plain {plain}, means over SLNIR {rates_told(rates)} "
        "and 5 seeds",
        x=0.01,
        ha="left",
    )
    return figure


@styled
def side_by_side(comparison: Comparison) -> Figure:
    """Draw retrieval and prediction of every method on test images under noise, in the order of the page."""
    names = comparison.names[::-1]
    shown = (TEST, comparison.prediction)
    figure, panels = new_figure(1, 2, PAGE, 0.13 * len(names) + 1.0)
    look = looks_of(("mean",))["mean"]
    for panel, metric in zip(panels, shown, strict=True):
        values = {name: comparison.seeds(metric, ORDERED_AT, name) for name in names}
        measured = [(at, each) for at, each in enumerate(values.values()) if each]
        panel.errorbar(
            [mean(each) for _, each in measured],
            [at for at, _ in measured],
            xerr=[statistics.stdev(each.values()) if len(each) > 1 else 0.0 for _, each in measured],
            fmt="o",
            markersize=3,
            linewidth=0.8,
            capsize=2,
            color=look.colour,
            label="mean ± one SD",
        )
        for reference, dash in ((comparison.plain, "-"), ("oracle", "--"), ("untrained", ":")):
            seeds = comparison.seeds(metric, ORDERED_AT, reference)
            if seeds:
                panel.axvline(mean(seeds), color=GREY, linestyle=dash, linewidth=1, label=reference)
        panel.set_yticks(range(len(names)), names if panel is panels[0] else [""] * len(names))
        panel.set_ylim(-0.7, len(names) - 0.3)
        panel.set_xlabel(f"test {NAMES[metric]} (%)")
        panel.grid(visible=False, axis="x")
    n = sorted({len(comparison.seeds(TEST, ORDERED_AT, name)) for name in names})
    figure.suptitle(
        f"bluemarble · {comparison.labels}, SLNIR {ORDERED_AT} %; n = {' to '.join(map(str, n))} seeds; "
        "ordered by NDCG@20 on validation",
        x=0.01,
        ha="left",
        fontsize=8,
    )
    legend_outside(figure)
    return figure
