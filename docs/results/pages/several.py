"""Every method for several labels per image under the paper's noise: retrieval beside prediction."""

from __future__ import annotations

from matplotlib.figure import Figure
from pages.comparison import SCENE, at_each_rate, averaged, introduction
from pages.evidence import Records, prose
from pages.gains import OTHER_NOISE, OTHER_RATE, cost_and_gain, side_by_side, who_wins
from pages.leading import between_rates


def several(_: Records) -> list[str]:
    """Return the page of the comparison; its records are files of their own, with a recipe of their own."""
    return [
        "# The methods for several labels per image, side by side on `bluemarble`",
        "",
        *introduction(
            SCENE,
            "NDCG is of the descriptors; mAP (mean over classes), F1 (at 0.5) and ECE are of the head of labels "
            "against clean labels.",
        ),
        *prose(
            "`mlt`, `hlc` and `nar` are reconstructions in part ([methods](../methods.md) says what had to be "
            "decided). The leading ones under other noise and on another archive: [other "
            "conditions](other-conditions.md). Single labels and label maps: [single labels](single-labels.md), "
            "[label maps](label-maps.md).",
            "![Retrieval and prediction of every method](figures/several-labels.png)",
        ),
        *averaged(SCENE),
        *prose(
            "![Gain of every method at every rate](figures/who-wins.png)",
            "![Gain against cost, on unseen queries, and of predictions](figures/gains.png)",
        ),
        *between_rates(SCENE.records),
        *at_each_rate(SCENE),
    ]


def wins(_: Records) -> Figure:
    """Draw who wins at which rate and under which noise, in the order of the page."""
    return who_wins(SCENE, {f"{noise}\n{OTHER_RATE}": (noise, OTHER_RATE) for noise in OTHER_NOISE})


def gains(_: Records) -> Figure:
    """Draw what the gains cost, on which queries they are, and of what."""
    return cost_and_gain(SCENE)


def scene_scores(_: Records) -> Figure:
    """Draw retrieval and prediction of every method, in the order of the page."""
    return side_by_side(SCENE)
