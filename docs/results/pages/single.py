"""Every method for one label per image, under the paper's noise and under that of CIFAR-10N's worst labels."""

from __future__ import annotations

from matplotlib.figure import Figure
from pages.comparison import REFERENCES, SINGLE, at_each_rate, averaged, introduction
from pages.evidence import TEST, Records, prose
from pages.gains import side_by_side, who_wins
from pages.scored import minus_plain, orders, scores

WORST, WORST_RATE = "class_dependent", 37.72
"""Noise model, and the rate that its table `cifar10n_worst` has by itself on the ten most frequent classes."""


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
    """Return the section on the noise of CIFAR-10N's worst labels."""
    records = SINGLE.records
    rows, references = (SINGLE.rows(names, WORST_RATE, WORST) for names in (SINGLE.names, REFERENCES))
    (machine,) = {run.machine for run in records.runs if run.settings["noise"] == WORST}
    return [
        *prose(
            "## CIFAR-10N's worst labels",
            "`cifar10n_worst` draws by the confusions of CIFAR-10N's worst labels, laid over the ten most frequent "
            f"classes ([noise](../noise.md)); at {WORST_RATE} % it is the table itself. Computed on {machine}.",
        ),
        *scores(records, rows | references, SINGLE.scores, WORST_RATE, WORST),
        f"### Minus `{SINGLE.plain}` of the same seed, CIFAR-10N's worst labels",
        "",
        *minus_plain(records, rows, SINGLE.plain, SINGLE.paired, WORST_RATE, WORST),
        *orders(records, rows, (TEST, SINGLE.prediction), WORST_RATE, WORST),
    ]


def single_scores(_: Records) -> Figure:
    """Draw retrieval and prediction of every method, in the order of the page."""
    return side_by_side(SINGLE)


def single_wins(_: Records) -> Figure:
    """Draw who wins at which rate, in the order of the page."""
    return who_wins(SINGLE, {"CIFAR-10N\nworst": (WORST, WORST_RATE)})
