"""All methods for one level of labels under the paper's noise: what the pages of the three levels have in common."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pages.evidence import (
    AGAIN,
    BASELINES,
    LABEL_MAPS,
    PREDICTIONS,
    RESOLVED,
    SEVERAL,
    SINGLE_LABELS,
    TEST,
    TUNED,
    UNSEEN,
    VALIDATION,
    Records,
    Where,
    differences_told,
    mean,
    prose,
    table,
)
from pages.scored import NAMES, Scores, described, minus_plain, orders, scores

from gridbench.leaderboard.records.run import COSTS
from gridbench.leaderboard.records.runs import Run
from gridbench.leaderboard.stats.statistics import Interval, holm_corrected, paired_interval

RATES = (0, 30, 60)
ORDERED_AT = 30
REFERENCES = ("oracle", "untrained", "random")


@dataclass(frozen=True)
class Comparison:
    """The records of every method for one level of labels, and how they are told.

    Attributes:
        labels: The level of labels, such as "scene labels".
        files: Files of compact records, in which each noise is of one machine.
        again: Files that have records of some of the same runs, of another machine.
        plain: Method that trains plainly.
        prediction: Metric of the predictions that verdicts are about, beside retrieval.
        scores: Columns of the tables.
    """

    labels: str
    files: tuple[Path, ...]
    again: tuple[Path, ...]
    plain: str
    prediction: str
    scores: Scores

    @cached_property
    def records(self) -> Records:
        """The records, in which runs of several machines stand under different noise alone."""
        return Records(*self.files, per_noise=True)

    @cached_property
    def names(self) -> list[str]:
        """The trained methods, the best on validation NDCG first."""
        names = {str(run.settings["method"]) for run in self.records.runs} - set(REFERENCES)
        return sorted(names, key=lambda name: (-mean(self.seeds(VALIDATION, ORDERED_AT, name)), name))

    @cached_property
    def others(self) -> list[str]:
        """The trained methods apart from the plain one."""
        return [name for name in self.names if name != self.plain]

    @cached_property
    def rates(self) -> list[int]:
        """The noise rates that all methods were run at, or nearly all."""
        return [rate for rate in RATES if self.records.find(rate, method=self.plain)]

    @cached_property
    def everywhere(self) -> list[str]:
        """Those of the other methods that ran with every seed of the plain one at every rate."""
        seeds = {rate: self.records.find(rate, method=self.plain).keys() for rate in self.rates}
        return [
            name
            for name in self.others
            if all(seeds[rate] <= self.records.find(rate, method=name).keys() for rate in self.rates)
        ]

    @property
    def paired(self) -> dict[str, str]:
        """Heading -> metric of the scores that verdicts are about."""
        heading = NAMES[self.prediction]
        return {"NDCG@20": TEST, "NDCG@20, unseen queries": UNSEEN, heading: self.prediction}

    def seeds(self, metric: str, rate: float, name: str, noise: str = "swap") -> dict[int, float]:
        """Return seed -> value of a method."""
        return self.records.seeds(metric, rate, noise, method=name)

    def rows(self, names: Iterable[str], rate: float, noise: str = "swap") -> dict[str, Where]:
        """Return name -> cell of the methods that were run under this noise."""
        return {name: {"method": name} for name in names if self.records.find(rate, noise, method=name)}

    def gain(self, name: str, metric: str, rates: Sequence[float], noise: str = "swap") -> Interval:
        """Return the difference from plain training, averaged over rates within each seed."""
        one, other = (
            {str(rate): self.seeds(metric, rate, each, noise) for rate in rates}
            for each in (name, self.plain)
        )
        return paired_interval(one, other)

    def family(
        self, names: Sequence[str], metrics: Sequence[str], rates: Sequence[float], noise: str = "swap"
    ) -> dict[str, dict[str, Interval]]:
        """Return metric -> method -> difference from plain training, all of them corrected as one family."""
        found = [self.gain(name, metric, rates, noise) for name in names for metric in metrics]
        corrected = holm_corrected(found)
        return {
            metric: dict(zip(names, corrected[at :: len(metrics)], strict=True))
            for at, metric in enumerate(metrics)
        }


ACCURACY = "accuracy"
MAP = "map_macro"
MIOU = "miou"
RETRIEVED: Mapping[str, str] = {"NDCG@20": TEST, "NDCG@20, unseen queries": UNSEEN}
SCENE = Comparison(
    labels="scene labels",
    files=SEVERAL,
    again=(AGAIN, TUNED),
    plain="bce",
    prediction=MAP,
    scores={
        **RETRIEVED,
        "mAP": MAP,
        "macro F1": "f1_macro",
        "ECE": "ece",
        "remembered": "memorised",
    },
)
SINGLE = Comparison(
    labels="single labels",
    files=SINGLE_LABELS,
    again=(BASELINES,),
    plain="ce",
    prediction=ACCURACY,
    scores={
        **RETRIEVED,
        "accuracy": ACCURACY,
        "ECE": "ece",
        "remembered": "memorised",
        "found by the loss": "sample_detection/image/loss/auroc",
        "by the method": "sample_detection/image/method/auroc",
    },
)
MAPS = Comparison(
    labels="label maps",
    files=LABEL_MAPS,
    again=(PREDICTIONS,),
    plain="pce",
    prediction=MIOU,
    scores={
        **RETRIEVED,
        "mIoU": MIOU,
        "pixel accuracy": "pixel_accuracy",
        "remembered pixels": "memorised_pixels",
    },
)


def introduction(comparison: Comparison, *explained: str) -> list[str]:
    """Return the paragraphs that say what the numbers of the page are; `explained`: what is the level's own."""
    return prose(
        "Percent, mean ± sample standard deviation over n seeds; every method at its documented defaults with the loss "
        f"that it comes with, the default recipe for {comparison.labels} ([recipes](../recipes.md)) with the images in "
        "memory as channels last and the fused kernel of Adam (`--memory-format channels_last --fused`), the paper's "
        f"noise. {' '.join(explained)} `remembered` is the share of injected labels that the trained network predicts; "
        "`passes` are the forward (F) and backward (B) passes of a training step. No method is given the noise rate or "
        "sees a clean label, but `oracle`, which trains on the clean labels. Rows are ordered by NDCG@20 on "
        f"**validation** at SLNIR {ORDERED_AT}.",
        computed_on(comparison),
        RESOLVED,
    )


def computed_on(comparison: Comparison) -> str:
    """Say which noise rates which machine computed, and how far another machine agrees."""
    parts = []
    records = comparison.records
    for machine, runs in records.machines().items():
        rates = sorted({float(str(run.settings["slnir"])) for run in runs if run.settings["noise"] == "swap"})
        if rates:
            were = "was" if len(rates) == 1 else "were"
            parts.append(f"SLNIR {rates_told(rates)} {were} computed on {machine}")
    return f"{'; '.join(parts)}. Differences are taken within a machine. {_again(comparison)}"


def _again(comparison: Comparison) -> str:
    """Say how many of the runs that another machine computed, too, have the same scores there."""
    here = {run.id: run for run in comparison.records.runs}
    both = [
        (here[other.id], other)
        for file in comparison.again
        for other in Records(file).runs
        if other.id in here and other.machine != here[other.id].machine
    ]
    if not both:
        return ""
    others = sorted({other.machine for _, other in both})
    changed = [(one, other) for one, other in both if _scores(one) != _scores(other)]
    text = (
        f"{len(both)} of these runs were computed on another machine, too ({' or '.join(others)}): "
        f"{'all' if not changed else len(both) - len(changed)} of them have the same scores to the last bit there, "
        "ECE apart."
    )
    if changed:
        moved = [100 * (one.metrics[TEST] - other.metrics[TEST]) for one, other in changed]
        names = sorted({str(one.settings["method"]) for one, _ in changed})
        text += (
            f" The other {len(changed)}, of {', '.join(f'`{name}`' for name in names)}, differ by "
            f"{math.sqrt(statistics.mean(each**2 for each in moved)):.1f} points of NDCG@20 (root mean square)."
        )
    return text


def _scores(run: Run) -> dict[str, float | None]:
    """Return what two machines are compared by.

    ECE is left out: since some of the older records were made, a confidence of exactly 1 has moved to the last bin,
    which changes its seventh digit on any machine.
    """
    return {
        name: value
        for name, value in run.metrics.items()
        if not name.startswith(COSTS) and name.rpartition("/")[2] != "ece"
    }


def averaged(comparison: Comparison) -> list[str]:
    """Return the section of the differences from plain training, averaged over the rates of each seed."""
    rates, names, plain = comparison.rates, comparison.everywhere, comparison.plain
    family = comparison.family(names, list(comparison.paired.values()), rates)
    texts = [differences_told(column.values()) for column in family.values()]
    return [
        f"## Minus `{plain}` of the same seed, averaged over SLNIR {rates_told(rates)}",
        "",
        *prose(
            "The differences of one seed are averaged over the rates, so that there is one test for each score of each "
            f"method{'' if names == comparison.others else ' that ran at every rate'}."
        ),
        *table(
            ["", *comparison.paired],
            [[f"{name} - {plain}", *row] for name, row in zip(names, zip(*texts, strict=True), strict=True)],
        ),
        *_prices(comparison),
    ]


def _prices(comparison: Comparison) -> list[str]:
    """Say which methods lose least, and most, from the lowest to the highest rate."""
    lowest, highest = comparison.rates[0], comparison.rates[-1]
    lost = {
        name: mean(comparison.seeds(TEST, lowest, name)) - mean(comparison.seeds(TEST, highest, name))
        for name in (*comparison.everywhere, comparison.plain)
    }
    order = sorted(lost, key=lambda name: (lost[name], name))
    shown = min(5, len(order) // 2)

    def told(part: Sequence[str]) -> str:
        return ", ".join(f"`{name}` {lost[name]:.1f}" for name in part)

    return prose(
        f"From SLNIR {lowest} to {highest} `{comparison.plain}` loses {lost[comparison.plain]:.1f} points of NDCG@20; "
        f"least is lost by {told(order[:shown])}, most by {told(order[-shown:])}."
    )


def at_each_rate(comparison: Comparison) -> list[str]:
    """Return the sections of each noise rate: scores, differences from plain training, and what orders alike."""
    records, plain = comparison.records, comparison.plain
    about = described((*comparison.names, *REFERENCES))
    lines: list[str] = []
    for rate in comparison.rates:
        rows = comparison.rows(comparison.names, rate)
        references = comparison.rows(REFERENCES, rate)
        two = {heading: metric for heading, metric in comparison.paired.items() if metric != UNSEEN}
        lines += [f"## SLNIR {rate}", ""]
        lines += scores(records, rows | references, comparison.scores, rate, about=about)
        lines += [f"### Minus `{plain}` of the same seed, SLNIR {rate}", ""]
        lines += minus_plain(records, rows, plain, two, rate)
        lines += orders(records, rows, (TEST, comparison.prediction), rate)
    return lines


def rates_told(rates: Sequence[float]) -> str:
    """Return rates as in "0, 30 and 60"."""
    texts = [f"{rate:g}" for rate in rates]
    return f"{', '.join(texts[:-1])} and {texts[-1]}" if len(texts) > 1 else texts[0]
