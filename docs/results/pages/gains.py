"""Every method for several labels against plain training, over the noise rates: where it wins, and at what cost."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pages.evidence import SEVERAL, TEST, UNSEEN, Records, Where, differences_told, mean, prose, table

from gridbench.leaderboard.figures.style import GREY, PAGE, looks_of, new_figure, styled
from gridbench.leaderboard.stats.statistics import Interval, holm_corrected, paired_interval

MAP = "map_macro"
PLAIN: Where = {"method": "bce", "loss": "bce"}
RATES = (0, 30, 60)
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
HEADINGS = {TEST: "NDCG@20", UNSEEN: "NDCG@20, unseen queries", MAP: "mAP"}


def rates_of(records: Records) -> list[int]:
    """Return the noise rates at which there is plain training."""
    return [rate for rate in RATES if records.find(rate, **PLAIN)]


def complete(records: Records, names: Sequence[str]) -> list[int]:
    """Return the noise rates at which every method ran."""
    return [rate for rate in rates_of(records) if all(records.find(rate, method=name) for name in names)]


def over_all_rates(records: Records, names: Sequence[str]) -> list[str]:
    """Return the section of the differences from plain training, averaged over the rates of each seed."""
    rates = complete(records, names)
    others = [name for name in names if name != PLAIN["method"]]
    found = [[_gain(records, name, metric, rates) for metric in HEADINGS] for name in others]
    texts = iter(differences_told(holm_corrected([each for row in found for each in row])))
    rows = [[f"{name} - bce", *(next(texts) for _ in HEADINGS)] for name in others]
    return [
        f"## Minus `bce` of the same seed, averaged over SLNIR {rates_told(rates)}",
        "",
        *prose(
            "The differences of one seed are averaged over the rates, so that there is one test for each method and "
            "score."
        ),
        *table(["", *HEADINGS.values()], rows),
        *_prices(records, names, rates),
    ]


def _prices(records: Records, names: Sequence[str], rates: Sequence[int]) -> list[str]:
    """Say which methods lose least, and most, from the lowest to the highest rate."""
    lowest, highest = rates[0], rates[-1]
    lost = {
        name: mean(records.seeds(TEST, lowest, method=name)) - mean(records.seeds(TEST, highest, method=name))
        for name in names
    }
    order = sorted(lost, key=lambda name: (lost[name], name))

    def told(part: Sequence[str]) -> str:
        return ", ".join(f"`{name}` {lost[name]:.1f}" for name in part)

    return prose(
        f"From SLNIR {lowest} to {highest} `bce` loses {lost['bce']:.1f} points of NDCG@20; the five that lose least: "
        f"{told(order[:5])}; most: {told(order[-5:])}."
    )


def _gain(records: Records, name: str, metric: str, rates: Sequence[int], noise: str = "swap") -> Interval:
    one, other = (
        {str(rate): records.seeds(metric, rate, noise, **where) for rate in rates}
        for where in ({"method": name}, PLAIN)
    )
    return paired_interval(one, other)


def rates_told(rates: Sequence[float]) -> str:
    """Return rates as in "0, 30 and 60"."""
    texts = [f"{rate:g}" for rate in rates]
    return f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else texts[0]


@styled
def who_wins(names: Sequence[str]) -> Figure:
    """Draw the gain of every method over plain training under every noise; what is resolved is bold and framed."""
    records = Records(*SEVERAL, per_noise=True)
    rates = rates_of(records)
    others = [name for name in names if name != PLAIN["method"]]
    # The verdicts are those of the tables of the pages: one family for each noise, all scores of its table together.
    columns = {f"SLNIR\n{rate}": _family(records, others, (TEST, MAP), [rate]) for rate in rates}
    every = complete(records, names)
    columns["mean of\n" + ", ".join(map(str, every))] = _family(records, others, HEADINGS, every)
    for noise in OTHER_NOISE:
        columns[f"{noise}\n{OTHER_RATE}"] = _family(records, others, HEADINGS, [OTHER_RATE], noise)
    figure, panels = new_figure(1, 2, PAGE, 0.175 * len(others) + 1.2)
    for panel, metric in zip(panels, (TEST, MAP), strict=True):
        _map(panel, [family[metric] for family in columns.values()])
        panel.set_xticks(range(len(columns)), columns, fontsize=6)
        panel.set_yticks(range(len(others)), others if panel is panels[0] else [""] * len(others))
        panel.set_title(HEADINGS[metric], loc="left")
    figure.suptitle(
        "bluemarble · scene labels: points above plain BCE of the same seed (n = 5); bold and framed: resolved",
        x=0.01,
        ha="left",
    )
    return figure


def _family(
    records: Records, names: Sequence[str], metrics: Iterable[str], rates: Sequence[int], noise: str = "swap"
) -> dict[str, list[Interval]]:
    """Return metric -> the differences of all methods from plain training, corrected as one family."""
    metrics = list(metrics)
    found = [_gain(records, name, metric, rates, noise) for name in names for metric in metrics]
    corrected = holm_corrected(found)
    return {metric: corrected[at :: len(metrics)] for at, metric in enumerate(metrics)}


def _map(panel: Axes, columns: Sequence[Sequence[Interval]]) -> None:
    cells = np.array([[each.difference for each in column] for column in columns]).T
    reach = float(np.nanmax(np.abs(cells)))
    panel.imshow(cells, aspect="auto", cmap="PuOr_r", vmin=-reach, vmax=reach, alpha=0.8)
    for row, column in np.argwhere(~np.isnan(cells)):
        resolved = columns[column][row].verdict in ("better", "worse")
        value = f"{round(cells[row, column], 1) + 0.0:+.1f}"  # no negative zero
        panel.text(column, row, value, ha="center", va="center", fontsize=6.5,
                   fontweight="bold" if resolved else "normal",
                   color="white" if abs(cells[row, column]) > 0.75 * reach else "black")  # fmt: skip
        if resolved:
            panel.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, linewidth=0.8))
    panel.grid(visible=False)
    panel.tick_params(length=0, labelsize=7)


def _relative_time(records: Records, name: str, rates: Sequence[int]) -> float:
    """Return the training time in that of plain training: the median over the rates, each of one machine."""

    def shortest(where: Where, rate: int) -> float:
        # Other work on the machine only makes runs longer.
        return min(run.costs()["seconds/training"] for run in records.find(rate, **where).values())

    return statistics.median(shortest({"method": name}, rate) / shortest(PLAIN, rate) for rate in rates)


def _name_extremes(panel: Axes, points: npt.NDArray[np.float64], names: Sequence[str]) -> None:
    """Write names beside the points that lie far from the mean of all, where there is room."""
    scaled = (points - points.mean(axis=0)) / np.ptp(points, axis=0)
    written: list[npt.NDArray[np.float64]] = []
    for at in np.argsort(-np.hypot(*scaled.T))[:10]:
        if all(abs(scaled[at] - other)[1] > 0.055 or abs(scaled[at] - other)[0] > 0.35 for other in written):
            written.append(scaled[at])
            right = scaled[at][0] > 0.45  # no room at the right edge
            panel.annotate(names[at], points[at], (-3 if right else 3, 2), textcoords="offset points", fontsize=6,
                           ha="right" if right else "left")  # fmt: skip


@styled
def cost_and_gain(names: Sequence[str]) -> Figure:
    """Draw gain against training time, on unseen against seen queries, and in prediction against retrieval."""
    records = Records(*SEVERAL, per_noise=True)
    rates = complete(records, names)
    others = [name for name in names if name != PLAIN["method"]]
    gains = {
        metric: [_gain(records, name, metric, rates).difference for name in others] for metric in HEADINGS
    }
    times = [_relative_time(records, name, rates) for name in others]
    figure, panels = new_figure(1, 3, PAGE, 2.6)
    look = looks_of(("",))[""]
    panes = (
        (times, gains[TEST], "training time (times BCE's)", "NDCG@20, seen queries"),
        (gains[TEST], gains[UNSEEN], "NDCG@20, seen queries", "NDCG@20, unseen queries"),
        (gains[TEST], gains[MAP], "NDCG@20, seen queries", "mAP"),
    )
    for panel, (across, up, below, beside) in zip(panels, panes, strict=True):
        panel.plot(across, up, linestyle="", marker=look.marker, color=look.colour, markersize=3)
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.axvline(1 if across is times else 0, color=GREY, linewidth=0.8)
        panel.set_xlabel(below)
        panel.set_ylabel(beside)
        panel.grid(visible=False)
        _name_extremes(panel, np.array([across, up]).T, others)
    figure.suptitle(
        f"bluemarble · scene labels: points above plain BCE, means over SLNIR {rates_told(rates)} and 5 seeds",
        x=0.01,
        ha="left",
    )
    return figure
