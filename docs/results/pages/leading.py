"""The leading methods for several labels over the noise rates: the table and the picture of the README."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from matplotlib.figure import Figure
from pages.comparison import MAP, SCENE
from pages.evidence import TEST, TUNED, UNSEEN, Records, Where, mean, over_rates, prose, table, told

from gridbench.leaderboard.figures.style import GREY, PAGE, legend_outside, looks_of, new_figure, styled

LEADING: Mapping[str, Where] = {
    name: {"method": name} for name in ("sat", "jocor", "role", "grid", "grid_auto", "bce")
}
CHOSEN = "bce, learning rate 2e-4"
"""Plain training at the learning rate that validation chose among ten, whose records are those of the tries."""
CHOSEN_CELL: Where = {"method": "bce", "learning_rate": "0.0002"}
REFERENCES: Mapping[str, Where] = {name: {"method": name} for name in ("oracle", "untrained")}
EVERY_RATE = (0, 10, 20, 30, 40, 50, 60)
SCORES: Mapping[str, str] = {
    "NDCG@20, training images as queries": TEST,
    "NDCG@20, unseen queries": UNSEEN,
    "mAP": MAP,
}


def leading(_: Records) -> list[str]:
    """Return the table of NDCG@20 and of mAP at every rate."""
    rates = SCENE.rates
    rows = []
    for name, (records, where) in _shown().items():
        cells = [told(records.seeds(metric, rate, **where)) for metric in (TEST, MAP) for rate in rates]
        method, comma, chosen = name.partition(",")
        rows.append([f"`{method}`{comma}{chosen}", *cells])
    heads = [f"{score} at {rate} %" for score in ("NDCG@20", "mAP") for rate in rates]
    return table(["", *heads], rows)


def _shown() -> dict[str, tuple[Records, Where]]:
    """Return name -> records and cell of everything that is shown."""
    home = SCENE.records
    methods, references = (
        {name: (home, where) for name, where in cells.items()} for cells in (LEADING, REFERENCES)
    )
    return {**methods, CHOSEN: (Records(TUNED), CHOSEN_CELL), **references}


def between_rates(records: Records) -> list[str]:
    """Return the section of the leading methods at the rates between those of all methods, too."""
    lines = prose(
        "## Between the rates",
        "The leading methods at the rates between, with three seeds, which resolve nothing; the five seeds of 0, 30 "
        "and 60 are those of the tables below.",
    )
    for title, metric in SCORES.items():
        lines += [f"### {title}", "", *over_rates(records, LEADING, metric, EVERY_RATE)]
    return lines


@styled
def over_noise(_: Records) -> Figure:
    """Draw retrieval on seen and unseen queries and prediction over the noise rates."""
    shown = _shown()
    looks = looks_of([name for name in shown if name not in REFERENCES])
    dashes = dict(zip(REFERENCES, ("--", ":"), strict=True))
    figure, panels = new_figure(1, len(SCORES), PAGE, 2.5)
    for panel, (title, metric) in zip(panels, SCORES.items(), strict=True):
        for name, (records, where) in shown.items():
            found = {rate: records.seeds(metric, rate, **where) for rate in EVERY_RATE}
            values = {rate: each for rate, each in found.items() if each}
            if not values:
                continue  # a reference without a head predicts nothing
            look = looks.get(name)
            panel.errorbar(
                list(values),
                [mean(each) for each in values.values()],
                yerr=[statistics.stdev(each.values()) for each in values.values()],
                color=look.colour if look else GREY,
                marker=look.marker if look else "",
                linestyle=dashes.get(name, "-"),
                markersize=3,
                linewidth=1,
                capsize=2,
                label=name,
            )
        panel.set_xticks(EVERY_RATE)
        panel.set_xlabel("SLNIR (%)")
        panel.set_title(title, loc="left")
    panels[0].set_ylabel("percent")
    figure.suptitle(
        "bluemarble · scene labels, test; mean ± one SD of 5 seeds at 0, 30 and 60, of 3 between them",
        x=0.01,
        ha="left",
    )
    legend_outside(figure)
    return figure
