"""Every method for one label per image under the paper's noise, and some under that of CIFAR-10N's worst labels."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from pages.comparison import ACCURACY, SINGLE, at_each_rate, averaged, introduction
from pages.evidence import TEST, UNSEEN, WORST, Records, Where, prose
from pages.gains import side_by_side, who_wins
from pages.scored import minus_plain, orders, scores

CIFAR = ("class_dependent", 37.72)
"""Noise model, and the rate that its table `cifar10n_worst` has by itself on the ten most frequent classes."""
WORST_ROWS: Mapping[str, Where] = {
    name: {"method": name} for name in ("ce", "gce", "sce", "nce_rce", "elr", "jocor", "grid")
}
WORST_REFERENCES: Mapping[str, Where] = {name: {"method": name} for name in ("oracle", "untrained")}
WORST_SCORES: Mapping[str, str] = {
    "NDCG@20": TEST,
    "NDCG@20, unseen queries": UNSEEN,
    "accuracy": ACCURACY,
    "ECE": "ece",
    "remembered": "memorised",
}


def single(_: Records) -> list[str]:
    """Return the page of the comparison; its records are files of their own, with a recipe of their own."""
    return [
        "# The methods for one label per image, side by side on `bluemarble`",
        "",
        *introduction(
            SINGLE,
            "The label of a tile is the class that covers most of it; a noisy image gets another one, drawn uniformly. "
            "NDCG is of the descriptors; accuracy and ECE are of the head of labels against clean labels. `found by "
            "the loss` is the AUROC with which the loss at the end of training tells noisy training images, `by the "
            "method` that of what the method itself goes by, where it goes by something.",
        ),
        *prose(
            "![Retrieval and prediction of every method](figures/single-labels.png)",
        ),
        *averaged(SINGLE),
        *prose("![Gain of every method at every rate](figures/who-wins-single.png)"),
        *at_each_rate(SINGLE),
        *_worst(),
    ]


def _worst() -> list[str]:
    """Return the section on the noise of CIFAR-10N's worst labels, whose runs are of another machine."""
    records = Records(WORST)
    (machine,) = records.machines()
    noise, rate = CIFAR
    paired = {title: metric for title, metric in WORST_SCORES.items() if metric in (ACCURACY, TEST)}
    return [
        *prose(
            "## CIFAR-10N's worst labels",
            "`cifar10n_worst` draws by the confusions of CIFAR-10N's worst labels, laid over the ten most frequent "
            f"classes ([noise](../noise.md)); at {rate} % it is the table itself. Computed on {machine}, and paired "
            "among themselves alone.",
        ),
        *scores(records, {**WORST_ROWS, **WORST_REFERENCES}, WORST_SCORES, rate, noise),
        "### Minus `ce` of the same seed, CIFAR-10N's worst labels",
        "",
        *minus_plain(records, WORST_ROWS, "ce", paired, rate, noise),
        *orders(records, WORST_ROWS, (TEST, ACCURACY), rate, noise),
    ]


def single_scores(_: Records) -> Figure:
    """Draw retrieval and prediction of every method, in the order of the page."""
    return side_by_side(SINGLE)


def single_wins(_: Records) -> Figure:
    """Draw who wins at which rate, in the order of the page."""
    return who_wins(SINGLE)
