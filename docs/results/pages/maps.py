"""Every method for label maps under the paper's noise: retrieval beside prediction."""

from __future__ import annotations

from matplotlib.figure import Figure
from pages.comparison import MAPS, at_each_rate, averaged, introduction
from pages.evidence import Records, prose
from pages.gains import side_by_side, who_wins


def label_maps(_: Records) -> list[str]:
    """Return the page of the comparison; its records are files of their own, with a recipe of their own."""
    return [
        "# The methods for label maps, side by side on `bluemarble`",
        "",
        *introduction(
            MAPS,
            "An image has a map of its labels, and a noisy image a map in which a class stands for another. NDCG is of "
            "the descriptors; mIoU (mean over classes) and pixel accuracy are of the head of maps against clean test "
            "maps. RRL's head predicts the graph of the classes in an image, not where they are, so it has neither.",
        ),
        *prose(
            "`lnc` is a reconstruction ([methods](../methods.md) says what had to be decided); `aio2` is made for "
            "objects that are missing, of which this noise has none.",
            "![Retrieval and prediction of every method](figures/label-maps.png)",
        ),
        *averaged(MAPS),
        *prose("![Gain of every method at every rate](figures/who-wins-maps.png)"),
        *at_each_rate(MAPS),
    ]


def map_scores(_: Records) -> Figure:
    """Draw retrieval and prediction of every method, in the order of the page."""
    return side_by_side(MAPS)


def map_wins(_: Records) -> Figure:
    """Draw who wins at which rate, in the order of the page."""
    return who_wins(MAPS)
