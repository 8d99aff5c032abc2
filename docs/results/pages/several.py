"""Every method for several labels per image under one noise: retrieval beside prediction."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from matplotlib.figure import Figure
from pages.evidence import (
    AGAIN,
    RESOLVED,
    SEVERAL,
    TEST,
    UNSEEN,
    VALIDATION,
    Records,
    mean,
    prose,
)
from pages.gains import MAP, cost_and_gain, over_all_rates, rates_of, rates_told, who_wins
from pages.leading import between_rates
from pages.scored import described, minus_plain, orders, scores

from gridbench.leaderboard.figures.style import GREY, PAGE, legend_outside, looks_of, new_figure, styled
from gridbench.leaderboard.records.run import COSTS

REFERENCES = ("oracle", "untrained", "random")
SCORES: Mapping[str, str] = {
    "NDCG@20": TEST,
    "NDCG@20, unseen queries": UNSEEN,
    "mAP": MAP,
    "macro F1": "f1_macro",
    "ECE": "ece",
    "remembered": "memorised",
}


def methods_of(records: Records) -> list[str]:
    """Return the names of the trained methods, the best on validation NDCG at SLNIR 30 first."""
    names = {str(run.settings["method"]) for run in records.runs} - set(REFERENCES)
    return sorted(names, key=lambda name: (-mean(records.seeds(VALIDATION, 30, method=name)), name))


def several(_: Records) -> list[str]:
    """Return the page of the comparison; its records are a file of their own, with a recipe of their own."""
    records = Records(*SEVERAL, per_noise=True)
    names = methods_of(records)
    lines = prose(
        "# The methods for several labels per image, side by side on `bluemarble`",
        "Percent, mean ± sample standard deviation over n seeds; every method at its documented defaults with the loss "
        "that it comes with, the default recipe for scene labels with the images in memory as channels last and the "
        "fused kernel of Adam (`--memory-format channels_last --fused`), the paper's noise. "
        f"{computed_on(records)} NDCG is of the descriptors, mAP (mean over classes), F1 (at 0.5) and ECE are of "
        "the head of labels against clean labels; `remembered` is the share of injected labels that the trained "
        "network predicts; `passes` are the forward (F) and backward (B) passes of a training step. No method is given "
        "the noise rate or sees a clean label, but `oracle`, which trains on the clean labels. Rows are ordered by "
        "NDCG@20 on "
        "**validation** at SLNIR 30. `mlt`, `hlc` and `nar` are reconstructions in part ([methods](../methods.md) says "
        "what had to be decided). The leading ones under other noise and on another archive: "
        "[other conditions](other-conditions.md).",
        "![Retrieval and prediction of every method](figures/several-labels.png)",
        RESOLVED,
    )
    rows = {name: {"method": name} for name in names}
    every = (*names, *REFERENCES)
    about = described(every)
    lines += over_all_rates(records, names)
    lines += prose(
        "![Gain of every method at every rate](figures/who-wins.png)",
        "![Gain against cost, on unseen queries, and of predictions](figures/gains.png)",
    )
    lines += between_rates(records)
    for rate in rates_of(records):
        ran = {name: where for name, where in rows.items() if records.find(rate, **where)}
        references = {name: {"method": name} for name in REFERENCES if records.find(rate, method=name)}
        lines += [f"## SLNIR {rate}", "", *scores(records, ran | references, SCORES, rate, about=about)]
        differences = minus_plain(records, ran, "bce", {"NDCG@20": TEST, "mAP": MAP}, rate)
        lines += [f"### Minus `bce` of the same seed, SLNIR {rate}", "", *differences]
        lines += orders(records, ran, (TEST, MAP), rate)
    return lines


def computed_on(records: Records) -> str:
    """Say which noise rates which machine computed, and how far another machine agrees."""
    parts = []
    for machine, runs in records.machines().items():
        rates = sorted({float(str(run.settings["slnir"])) for run in runs if run.settings["noise"] == "swap"})
        if rates:
            parts.append(
                f"SLNIR {rates_told(rates)} {'was' if len(rates) == 1 else 'were'} computed on {machine}"
            )
    earlier, equal = {run.id: run for run in Records(AGAIN).runs}, 0
    (other,) = {run.machine for run in earlier.values()}
    both = [run for run in records.runs if run.id in earlier]
    for run in both:
        mine, theirs = (
            {name: value for name, value in each.metrics.items() if not name.startswith(COSTS)}
            for each in (run, earlier[run.id])
        )
        equal += mine == theirs
    return (
        f"{'; '.join(parts)}. Differences are taken within a machine. {len(both)} of these runs were computed on a "
        f"second machine, too ({other}): {'all' if equal == len(both) else equal} of them have the same scores to the "
        "last bit there."
    )


def wins(_: Records) -> Figure:
    """Draw who wins at which rate, in the order of the page."""
    return who_wins(methods_of(Records(*SEVERAL, per_noise=True)))


def gains(_: Records) -> Figure:
    """Draw what the gains cost, on which queries they are, and of what, in the order of the page."""
    return cost_and_gain(methods_of(Records(*SEVERAL, per_noise=True)))


@styled
def side_by_side(_: Records) -> Figure:
    """Draw test NDCG and test mAP of every method at SLNIR 30, in the order of the page."""
    records = Records(*SEVERAL, per_noise=True)
    names = methods_of(records)[::-1]
    figure, panels = new_figure(1, 2, PAGE, 4.6)
    look = looks_of(("mean",))["mean"]
    for panel, title in zip(panels, ("NDCG@20", "mAP"), strict=True):
        values = [records.seeds(SCORES[title], 30, method=name) for name in names]
        panel.errorbar(
            [mean(each) for each in values],
            range(len(names)),
            xerr=[statistics.stdev(each.values()) if len(each) > 1 else 0.0 for each in values],
            fmt="o",
            markersize=3,
            linewidth=0.8,
            capsize=2,
            color=look.colour,
            label="mean ± one SD",
        )
        for reference, dash in (("bce", "-"), ("oracle", "--"), ("untrained", ":")):
            seeds = records.seeds(SCORES[title], 30, method=reference)
            if seeds:
                panel.axvline(mean(seeds), color=GREY, linestyle=dash, linewidth=1, label=reference)
        panel.set_yticks(range(len(names)), names if panel is panels[0] else [""] * len(names))
        panel.set_xlabel(f"test {title} (%)")
        panel.grid(visible=False, axis="x")
    n = sorted({len(records.seeds(TEST, 30, method=name)) for name in names})
    figure.suptitle(
        f"bluemarble · scene labels, SLNIR 30 %; n = {' to '.join(map(str, n))} seeds; "
        "ordered by NDCG@20 on validation",
        x=0.01,
        ha="left",
        fontsize=8,
    )
    legend_outside(figure)
    return figure
