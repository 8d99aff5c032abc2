"""Names of metrics: the available metrics, accepted spellings, and suggestions for unknown names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gridbench.leaderboard.records.run import Run

__all__ = [
    "HEADLINE",
    "METRICS",
    "VALIDATION",
    "Metric",
    "closest",
    "full_name",
    "is_prediction",
    "why_missing",
]

HEADLINE = "ndcg"
"""The metric's name that stands for NDCG at each run's own cut-off k."""

VALIDATION = "validation/"
LABELS, SINGLE, MAPS = "scene labels", "single labels", "label maps"
OF = {"labels": LABELS, "single": SINGLE, "pixels": MAPS}


@dataclass(frozen=True)
class Metric:
    """A metric, or several that differ in a part of their name, which is in capitals.

    Attributes:
        name: Its name for test images.
        of: Measured quantity: retrieval, predictions of a kind of labels, the training labels, or costs.
        words: Description.
        splits: Prefixes of the metric for images other than the test images.
    """

    name: str
    of: str
    words: str
    splits: tuple[str, ...] = ()


BOTH = (VALIDATION, "unseen/")
METRICS = (
    Metric("ndcg@K", "retrieval", "NDCG over shared labels; ndcg alone is that at each run's own k", BOTH),
    Metric("map@K", "retrieval", "mean average precision; relevant is what shares a label", BOTH),
    Metric("precision@K", "retrieval", "share of relevant images among the first K", BOTH),
    Metric("recall@K", "retrieval", "share of the relevant images that is among the first K", BOTH),
    Metric("precision@1", "retrieval", "share of queries whose nearest image is relevant", BOTH),
    Metric("map@r", "retrieval", "mean average precision over the first R, the number of relevant images", BOTH),
    Metric("map_macro", LABELS, "mean over classes of the average precision", (VALIDATION,)),
    Metric("map_micro", LABELS, "average precision over all pairs of image and class", (VALIDATION,)),
    Metric("f1_macro", f"{LABELS}, {SINGLE}, {MAPS}", "mean over classes of F1; labels at 0.5", (VALIDATION,)),
    Metric("f1_micro", LABELS, "F1 over all pairs of image and class, at 0.5", (VALIDATION,)),
    Metric("f1_macro_tuned", LABELS, "f1_macro at thresholds chosen by class on validation"),
    Metric("f1_micro_tuned", LABELS, "f1_micro at thresholds chosen by class on validation"),
    Metric("hamming", LABELS, "share of pairs of image and class that are wrong, at 0.5", (VALIDATION,)),
    Metric("accuracy", SINGLE, "share of images whose class is right", (VALIDATION,)),
    Metric("balanced_accuracy", SINGLE, "mean over classes of the recall", (VALIDATION,)),
    Metric("ece", f"{LABELS}, {SINGLE}", "expected calibration error, 15 bins", (VALIDATION,)),
    Metric("miou", MAPS, "mean over classes of intersection over union", (VALIDATION,)),
    Metric("pixel_accuracy", MAPS, "share of labelled pixels whose class is right", (VALIDATION,)),
    Metric("memorised", "training labels", "wrong labels that the model predicts"),
    Metric("memorised_pixels", "training labels", "wrongly labelled pixels whose wrong label the model predicts"),
    Metric("predicted_prevalence", "training labels", "share of labels that the model predicts present"),
    Metric("true_prevalence", "training labels", "share of labels that are present"),
    Metric("noisy_images", "training labels", "share of training images with a wrong label"),
    Metric("noise/realised", "training labels", "realised noise rate"),
    Metric("detection/SCORE", "training labels", "noisy images by the method: precision, recall, f1, auroc"),
    Metric("loss_detection/SCORE", "training labels", "noisy images by the loss: the same scores"),
    Metric("sample_detection/LEVEL/WAY/SCORE", "training labels", "wrong images and labels by the trained model"),
    Metric("seconds/PHASE", "cost", "seconds of a phase, or total"),
    Metric("memory/peak", "cost", "largest memory"),
    Metric("parameters/PART", "cost", "parameters: total, backbone"),
)  # fmt: skip

_PREDICTIONS = {metric.name: metric.of for metric in METRICS if metric.of[:5] in ("scene", "singl", "label")}


def full_name(typed: str) -> str:
    """Return the recorded spelling of a metric: `val_miou` and `val/miou` are `validation/miou`."""
    return re.sub(r"^val(idation)?[_/]", VALIDATION, typed)


def is_prediction(name: str) -> bool:
    """Return whether a metric scores what a trained head predicts."""
    return name.removeprefix(VALIDATION) in _PREDICTIONS


def closest(typed: str, known: Iterable[str], count: int = 3) -> str:
    """Name the nearest names as the tail of a message, those that begin with or hold what was typed first.

    Returns:
        `" Did you mean 'f1_macro', 'f1_micro' or 'f1_macro_tuned'?"`, or nothing where nothing is close.
    """
    names, typed = sorted(known, key=lambda name: ("/" in name, len(name), name)), typed.lower()
    near = [name for name in names if name.startswith(typed)] + [name for name in names if typed in name]
    near += difflib.get_close_matches(typed, names, n=count, cutoff=0.5)
    few = [repr(name) for name in dict.fromkeys(near)][:count]
    return f" Did you mean {' or '.join(filter(None, (', '.join(few[:-1]), few[-1])))}?" if few else ""


def why_missing(run: Run, name: str) -> str:
    """Return why a run has no value of a prediction metric; empty for other metrics."""
    if not is_prediction(name):
        return ""
    told = run.stored.result.get("predictions")
    if not isinstance(told, dict) or not told:
        return "recorded before predictions were scored; computed again with --force, they have it"
    if "reason" in told:
        return str(told["reason"])
    of, wanted = OF.get(str(told.get("of")), "other labels"), _PREDICTIONS[name.removeprefix(VALIDATION)]
    if of not in wanted:
        return f"they predict {of}, and this is a score of {wanted}"
    return "undefined for want of images or of positives"
