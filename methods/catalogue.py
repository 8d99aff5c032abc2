"""Catalogue of methods for choosing among them: idea, cost, state and paper, without importing the methods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gridbench.methods.losses import BUILT_IN

__all__ = ["CATALOGUE", "Entry", "catalogue_page"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Catalogue entry of a method.

    Attributes:
        labels: Labels that it learns from: several labels, one label, maps, or any of them.
        idea: The idea in about four words.
        cost: Forward and backward passes of a step, such as "1F 1B" for plain training.
        state: State per image or label that it keeps between steps.
        privileged: Privileged information: "may" if it can be given the noise rate, "clean" if it learns from clean
            labels.
        paper: Authors, venue and year.
        equation: Objective or procedure; p are probabilities, y given labels, l losses.
    """

    labels: str
    idea: str
    cost: str
    state: str = ""
    privileged: str = ""
    paper: str
    equation: str = ""


CATALOGUE = {
    "adele": Entry(
        labels="maps",
        idea="correct maps per class",
        cost="3F 3B",
        state="corrected map",
        paper="Liu et al., CVPR 2022",
        equation="a class is corrected once the curve of its IoU with the given labels bends",
    ),
    "aio2": Entry(
        labels="maps",
        idea="add objects labels lack",
        cost="2F 1B",
        state="averaged weights",
        paper="Liu et al., TGRS 2024",
        equation="a map gains the objects that a moving average of the network finds with certainty",
    ),
    "co_teaching": Entry(
        labels="any",
        idea="networks choose each other's samples",
        cost="2F 2B",
        privileged="may",
        paper="Han et al., NeurIPS 2018",
        equation="each network: mean l over the (1 - R) B samples of smallest l of the other network",
    ),
    "disc": Entry(
        labels="one",
        idea="a threshold for each image",
        cost="2F 2B, 2F 2B of some images",
        state="thresholds, last p, label",
        paper="Li et al., CVPR 2023",
        equation="clean: CE, hard: GCE, both and purified: mixup, of two views; y is clean where p > tau in "
        "both views, tau <- m tau + (1 - m) max p",
    ),
    "dividemix": Entry(
        labels="one",
        idea="divide for the other network",
        cost="5F 2B, 2F an epoch",
        state="both networks' losses",
        paper="Li et al., ICLR 2020",
        equation="MixMatch on images of small l of the other network and, without labels, on the rest, "
        "after a warm-up",
    ),
    "elr": Entry(
        labels="several, one",
        idea="stay with early predictions",
        cost="1F 1B",
        state="running mean of p",
        paper="Liu et al., NeurIPS 2020",
        equation="l + lambda mean log(1 - t p), t <- beta t + (1 - beta) p",
    ),
    "elr_plus": Entry(
        labels="one",
        idea="ELR by the other's average",
        cost="4F 2B",
        state="running means of p, averaged weights",
        paper="Liu et al., NeurIPS 2020",
        equation="each network, mixed: l + lambda mean log(1 - t p), t <- beta t + (1 - beta) p of the "
        "other's average",
    ),
    "em_apl": Entry(
        labels="several",
        idea="unknown labels, soft negatives",
        cost="1F 1B, 1F an epoch",
        state="soft label",
        paper="Zhou et al., ECCV 2022",
        equation="y = 1: -log p; y = 0: -alpha H(p), or beta CE(s, p) once it has the soft label s",
    ),
    "gce_truncated": Entry(
        labels="one",
        idea="leave improbable labels out",
        cost="1F 1B, 1F at some epochs",
        state="whether it counts",
        paper="Zhang and Sabuncu, NeurIPS 2018",
        equation="w (GCE - (1 - k^q) / q), w = 1 where the label had p > k",
    ),
    "grid": Entry(
        labels="any",
        idea="noisy samples learn generatively",
        cost="1F 1B",
        privileged="may",
        paper="Sumbul and Demir, arXiv 2022",
        equation="backbone: mean of l_generative over noisy and l_discriminative over clean samples",
    ),
    "grid_auto": Entry(
        labels="several",
        idea="GRID with estimated lambda",
        cost="1F 1B",
        state="mean p of 3 epochs",
        paper="ours",
        equation="as grid; lambda is read off the predictions once",
    ),
    "hlc": Entry(
        labels="several",
        idea="replace sets of labels",
        cost="1F 1B",
        state="current labels",
        paper="Xia et al., ICCV 2023",
        equation="y <- the |y| most probable classes where score(y) <= delta_e score(those)",
    ),
    "jocor": Entry(
        labels="any but graphs",
        idea="two networks must agree",
        cost="2F 2B",
        privileged="may",
        paper="Wei et al., CVPR 2020",
        equation="(1 - lambda)(l1 + l2) + lambda (KL(p1||p2) + KL(p2||p1)) over the smallest",
    ),
    "ll_cp": Entry(
        labels="several",
        idea="correct large losses forever",
        cost="1F 1B",
        state="corrected label",
        paper="Kim et al., CVPR 2022",
        equation="y <- 1 for good for the absent labels of largest l",
    ),
    "ll_ct": Entry(
        labels="several",
        idea="correct large losses once",
        cost="1F 1B",
        paper="Kim et al., CVPR 2022",
        equation="l against 1 - y for the absent labels of largest l, ever more of them",
    ),
    "ll_r": Entry(
        labels="several",
        idea="leave large losses out",
        cost="1F 1B",
        paper="Kim et al., CVPR 2022",
        equation="l = 0 for the absent labels of largest l, ever more of them",
    ),
    "lnc": Entry(
        labels="maps",
        idea="correct certain pixels early",
        cost="1F 1B",
        state="corrected map",
        paper="Dong et al., TGRS 2021",
        equation="y <- argmax p where the normalised entropy is below tau, in a window of epochs",
    ),
    "mean_teacher": Entry(
        labels="any but graphs",
        idea="agree with averaged weights",
        cost="2F 1B",
        state="averaged weights",
        paper="Tarvainen and Valpola, NeurIPS 2017",
        equation="l + kappa mean (p - p_teacher)^2",
    ),
    "mixup": Entry(
        labels="several, one",
        idea="mix pairs of images",
        cost="1F 1B",
        paper="Zhang et al., ICLR 2018",
        equation="m l(y) + (1 - m) l(y') on m x + (1 - m) x', m ~ Beta(alpha, alpha)",
    ),
    "mlt": Entry(
        labels="several",
        idea="weigh by estimated flip rates",
        cost="1F 1B, 1F at 5 epochs",
        state="losses, rates of classes",
        paper="Li et al., NeurIPS 2022",
        equation="p_t / p~_t l, p~ = (1 - p) rho01 + p (1 - rho10), with rates estimated from classes that "
        "come together",
    ),
    "nar": Entry(
        labels="several",
        idea="revise labels each epoch",
        cost="1F 1B",
        state="last p, revised label",
        paper="Burgert et al., 2026",
        equation="l against y flipped, or left out, where the last p contradicts it",
    ),
    "npn": Entry(
        labels="one",
        idea="counted classes, negative labels",
        cost="2F 2B",
        state="counts of predicted classes",
        paper="Sheng et al., AAAI 2024",
        equation="CE(weak, class counted most) - alpha sum log(1 - p) of other classes + beta CE(strong, "
        "argmax weak)",
    ),
    "oracle": Entry(
        labels="any",
        idea="plain on clean labels",
        cost="1F 1B",
        privileged="clean",
        paper="reference",
        equation="l of the clean labels",
    ),
    "prism": Entry(
        labels="one",
        idea="contrast images near their centre",
        cost="1F 1B",
        state="memory of embeddings",
        privileged="may",
        paper="Liu et al., CVPR 2021",
        equation="sum of 1 - s over pairs of one class and of s > 0.5 over others, of images whose p is "
        "above a threshold",
    ),
    "random": Entry(
        labels="any",
        idea="random order",
        cost="none",
        paper="reference",
    ),
    "rcml": Entry(
        labels="several",
        idea="rank labels, exchange images",
        cost="2F 2B",
        paper="Aksoy et al., TNNLS 2022",
        equation="l over images that the other network ranks well + lambda_c MMD(x1, x2) - lambda_d MMD(f1, "
        "f2)",
    ),
    "rnsl": Entry(
        labels="one",
        idea="robust loss on cosines",
        cost="1F 1B",
        paper="Kang et al., TGRS 2021",
        equation="(1 - p^q) / q of the softmax of e P / t, e the embedding and P prototypes, all of length 1",
    ),
    "role": Entry(
        labels="several",
        idea="train label estimates along",
        cost="1F 1B",
        state="estimated label",
        paper="Cole et al., CVPR 2021",
        equation="half of each side's y n(p) + CE(other, p), and ((mean_i sum_c p - k) / C)^2",
    ),
    "sat": Entry(
        labels="several",
        idea="labels drift to predictions",
        cost="1F 1B",
        state="moving target",
        paper="Huang et al., NeurIPS 2020",
        equation="l against t <- m t + (1 - m) p, after a warm-up",
    ),
    "sop": Entry(
        labels="one",
        idea="variables absorb label noise",
        cost="1F 1B",
        state="u, v",
        paper="Liu et al., ICML 2022",
        equation="CE of p + u^2 y - v^2 (1 - y), and the squared error of its hard prediction",
    ),
    "sop_plus": Entry(
        labels="one",
        idea="SOP, views agree, classes balance",
        cost="2F 2B",
        state="u, v",
        paper="Liu et al., ICML 2022",
        equation="sop + lambda_c KL(p_weak || p_strong) + lambda_b CE(1/C, mean(p + u^2 y - v^2 (1 - y)))",
    ),
    "splc": Entry(
        labels="several",
        idea="trust confident absent labels",
        cost="1F 1B",
        paper="Zhang et al., 2021",
        equation="(1 - p_t)^gamma (-log p_t), y <- 1 in this step where y = 0 and p > tau",
    ),
    "t_rnsl": Entry(
        labels="one",
        idea="RNSL without improbable labels",
        cost="1F 1B, 1F at some epochs",
        state="whether it counts",
        paper="Kang et al., TGRS 2021",
        equation="as gce_truncated, with the softmax of rnsl",
    ),
    "untrained": Entry(
        labels="any",
        idea="random weights",
        cost="none",
        paper="reference",
    ),
}
"""Registered name -> entry; plain training is named like its loss and has no entry."""


def catalogue_page() -> str:
    """Return the catalogue as it stands in docs/methods.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "| method | labels | idea | passes a step | keeps | extra information | source |"
    yield "|---|---|---|---|---|---|---|"
    privileged = {"may": "noise rate, on `slnir`", "clean": "clean labels", "": ""}
    for name, entry in CATALOGUE.items():
        yield (
            f"| {name} | {entry.labels} | {entry.idea} | {entry.cost} | {entry.state} | "
            f"{privileged[entry.privileged]} | {entry.paper} |"
        )
    yield ""
    yield "Plain training with a loss is a method of its name, 1F 1B: " + ", ".join(sorted(BUILT_IN)) + "."
    yield ""
    yield "What each does, where l is the loss of an entry or image, p a probability and y a given label:"
    yield ""
    for name, entry in CATALOGUE.items():
        if entry.equation:
            yield f"- {name}: `{entry.equation}`"
