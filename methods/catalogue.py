"""Catalogue of methods for choosing among them: idea, cost, state and paper, without importing the methods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gridbench.methods.losses import BUILT_IN

__all__ = ["CATALOGUE", "Entry", "catalogue_page"]


@dataclass(frozen=True)
class Entry:
    """Catalogue entry of a method.

    Attributes:
        labels: Labels that it learns from: several labels, one label, maps, or any of them.
        idea: The idea in about four words.
        cost: Forward and backward passes of a step, such as "1F 1B"; plain training is that.
        keeps: State per image or label that it keeps between steps; empty for none.
        told: Privileged information: "may" if it can be given the noise rate, "clean" if it learns from clean labels;
            empty for none.
        paper: Authors, venue and year.
        equation: Objective or procedure; p are probabilities, y given labels, l losses.
    """

    labels: str
    idea: str
    cost: str
    keeps: str
    told: str
    paper: str
    equation: str


CATALOGUE = {
    "adele": Entry(
        "maps",
        "correct maps per class",
        "3F 3B",
        "corrected map",
        "",
        "Liu et al., CVPR 2022",
        "a class is corrected once the curve of its IoU with the given labels bends",
    ),
    "aio2": Entry(
        "maps",
        "add objects labels lack",
        "2F 1B",
        "averaged weights",
        "",
        "Liu et al., TGRS 2024",
        "a map gains the objects that a moving average of the network finds with certainty",
    ),
    "co_teaching": Entry(
        "any",
        "networks choose each other's samples",
        "2F 2B",
        "",
        "may",
        "Han et al., NeurIPS 2018",
        "each network: mean l over the (1 - R) B samples of smallest l of the other network",
    ),
    "disc": Entry(
        "one",
        "a threshold for each image",
        "2F 2B, 2F 2B of some images",
        "thresholds, last p, label",
        "",
        "Li et al., CVPR 2023",
        "clean: CE, hard: GCE, both and purified: mixup, of two views; y is clean where p > tau in both views, "
        "tau <- m tau + (1 - m) max p",
    ),
    "dividemix": Entry(
        "one",
        "divide for the other network",
        "5F 2B, 2F an epoch",
        "both networks' losses",
        "",
        "Li et al., ICLR 2020",
        "MixMatch on images of small l of the other network and, without labels, on the rest, after a warm-up",
    ),
    "elr": Entry(
        "several, one",
        "stay with early predictions",
        "1F 1B",
        "running mean of p",
        "",
        "Liu et al., NeurIPS 2020",
        "l + lambda mean log(1 - t p), t <- beta t + (1 - beta) p",
    ),
    "elr_plus": Entry(
        "one",
        "ELR by the other's average",
        "4F 2B",
        "running means of p, averaged weights",
        "",
        "Liu et al., NeurIPS 2020",
        "each network, mixed: l + lambda mean log(1 - t p), t <- beta t + (1 - beta) p of the other's average",
    ),
    "em_apl": Entry(
        "several",
        "unknown labels, soft negatives",
        "1F 1B, 1F an epoch",
        "soft label",
        "",
        "Zhou et al., ECCV 2022",
        "y = 1: -log p; y = 0: -alpha H(p), or beta CE(s, p) once it has the soft label s",
    ),
    "gce_truncated": Entry(
        "one",
        "leave improbable labels out",
        "1F 1B, 1F at some epochs",
        "whether it counts",
        "",
        "Zhang and Sabuncu, NeurIPS 2018",
        "w (GCE - (1 - k^q) / q), w = 1 where the label had p > k",
    ),
    "grid": Entry(
        "any",
        "noisy samples learn generatively",
        "1F 1B",
        "",
        "may",
        "Sumbul and Demir, arXiv 2022",
        "backbone: mean of l_generative over noisy and l_discriminative over clean samples",
    ),
    "grid_auto": Entry(
        "several",
        "GRID with estimated lambda",
        "1F 1B",
        "mean p of 3 epochs",
        "",
        "ours",
        "as grid; lambda is read off the predictions once",
    ),
    "hlc": Entry(
        "several",
        "replace sets of labels",
        "1F 1B",
        "current labels",
        "",
        "Xia et al., ICCV 2023",
        "y <- the |y| most probable classes where score(y) <= delta_e score(those)",
    ),
    "jocor": Entry(
        "any but graphs",
        "two networks must agree",
        "2F 2B",
        "",
        "may",
        "Wei et al., CVPR 2020",
        "(1 - lambda)(l1 + l2) + lambda (KL(p1||p2) + KL(p2||p1)) over the smallest",
    ),
    "ll_cp": Entry(
        "several",
        "correct large losses forever",
        "1F 1B",
        "corrected label",
        "",
        "Kim et al., CVPR 2022",
        "y <- 1 for good for the absent labels of largest l",
    ),
    "ll_ct": Entry(
        "several",
        "correct large losses once",
        "1F 1B",
        "",
        "",
        "Kim et al., CVPR 2022",
        "l against 1 - y for the absent labels of largest l, ever more of them",
    ),
    "ll_r": Entry(
        "several",
        "leave large losses out",
        "1F 1B",
        "",
        "",
        "Kim et al., CVPR 2022",
        "l = 0 for the absent labels of largest l, ever more of them",
    ),
    "lnc": Entry(
        "maps",
        "correct certain pixels early",
        "1F 1B",
        "corrected map",
        "",
        "Dong et al., TGRS 2021",
        "y <- argmax p where the normalised entropy is below tau, in a window of epochs",
    ),
    "mean_teacher": Entry(
        "any but graphs",
        "agree with averaged weights",
        "2F 1B",
        "averaged weights",
        "",
        "Tarvainen and Valpola, NeurIPS 2017",
        "l + kappa mean (p - p_teacher)^2",
    ),
    "mixup": Entry(
        "several, one",
        "mix pairs of images",
        "1F 1B",
        "",
        "",
        "Zhang et al., ICLR 2018",
        "m l(y) + (1 - m) l(y') on m x + (1 - m) x', m ~ Beta(alpha, alpha)",
    ),
    "mlt": Entry(
        "several",
        "weigh by estimated flip rates",
        "1F 1B, 1F at 5 epochs",
        "losses, rates of classes",
        "",
        "Li et al., NeurIPS 2022",
        "p_t / p~_t l, p~ = (1 - p) rho01 + p (1 - rho10), with rates estimated from classes that come together",
    ),
    "nar": Entry(
        "several",
        "revise labels each epoch",
        "1F 1B",
        "last p, revised label",
        "",
        "Burgert et al., 2026",
        "l against y flipped, or left out, where the last p contradicts it",
    ),
    "npn": Entry(
        "one",
        "counted classes, negative labels",
        "2F 2B",
        "counts of predicted classes",
        "",
        "Sheng et al., AAAI 2024",
        "CE(weak, class counted most) - alpha sum log(1 - p) of other classes + beta CE(strong, argmax weak)",
    ),
    "oracle": Entry(
        "any", "plain on clean labels", "1F 1B", "", "clean", "reference", "l of the clean labels"
    ),
    "prism": Entry(
        "one",
        "contrast images near their centre",
        "1F 1B",
        "memory of embeddings",
        "may",
        "Liu et al., CVPR 2021",
        "sum of 1 - s over pairs of one class and of s > 0.5 over others, of images whose p is above a threshold",
    ),
    "random": Entry("any", "random order", "none", "", "", "reference", "none"),
    "rcml": Entry(
        "several",
        "rank labels, exchange images",
        "2F 2B",
        "",
        "",
        "Aksoy et al., TNNLS 2022",
        "l over images that the other network ranks well + lambda_c MMD(x1, x2) - lambda_d MMD(f1, f2)",
    ),
    "rnsl": Entry(
        "one",
        "robust loss on cosines",
        "1F 1B",
        "",
        "",
        "Kang et al., TGRS 2021",
        "(1 - p^q) / q of the softmax of e P / t, e the embedding and P prototypes, all of length 1",
    ),
    "role": Entry(
        "several",
        "train label estimates along",
        "1F 1B",
        "estimated label",
        "",
        "Cole et al., CVPR 2021",
        "half of each side's y n(p) + CE(other, p), and ((mean_i sum_c p - k) / C)^2",
    ),
    "sat": Entry(
        "several",
        "labels drift to predictions",
        "1F 1B",
        "moving target",
        "",
        "Huang et al., NeurIPS 2020",
        "l against t <- m t + (1 - m) p, after a warm-up",
    ),
    "sop": Entry(
        "one",
        "variables absorb label noise",
        "1F 1B",
        "u, v",
        "",
        "Liu et al., ICML 2022",
        "CE of p + u^2 y - v^2 (1 - y), and the squared error of its hard prediction",
    ),
    "sop_plus": Entry(
        "one",
        "SOP, views agree, classes balance",
        "2F 2B",
        "u, v",
        "",
        "Liu et al., ICML 2022",
        "sop + lambda_c KL(p_weak || p_strong) + lambda_b CE(1/C, mean(p + u^2 y - v^2 (1 - y)))",
    ),
    "splc": Entry(
        "several",
        "trust confident absent labels",
        "1F 1B",
        "",
        "",
        "Zhang et al., 2021",
        "(1 - p_t)^gamma (-log p_t), y <- 1 in this step where y = 0 and p > tau",
    ),
    "t_rnsl": Entry(
        "one",
        "RNSL without improbable labels",
        "1F 1B, 1F at some epochs",
        "whether it counts",
        "",
        "Kang et al., TGRS 2021",
        "as gce_truncated, with the softmax of rnsl",
    ),
    "untrained": Entry("any", "random weights", "none", "", "", "reference", "none"),
}
"""Registered name -> entry; plain training is named like its loss and has no entry."""


def catalogue_page() -> str:
    """Return the catalogue as it stands in docs/methods.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "| method | labels | idea | passes a step | keeps | extra information | source |"
    yield "|---|---|---|---|---|---|---|"
    told = {"may": "noise rate, on `slnir`", "clean": "clean labels", "": ""}
    for name, entry in CATALOGUE.items():
        yield (
            f"| {name} | {entry.labels} | {entry.idea} | {entry.cost} | {entry.keeps} | {told[entry.told]} | "
            f"{entry.paper} |"
        )
    yield ""
    yield "Plain training with a loss is a method of its name, 1F 1B: " + ", ".join(sorted(BUILT_IN)) + "."
    yield ""
    yield "What each does, where l is the loss of an entry or image, p a probability and y a given label:"
    yield ""
    for name, entry in CATALOGUE.items():
        if entry.equation != "none":
            yield f"- {name}: `{entry.equation}`"
