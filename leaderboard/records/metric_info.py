"""The metrics of a record: names, descriptions, units, and whether higher or lower is better."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from gridbench.metrics.detection import kept_scores

__all__ = [
    "EPOCHS",
    "LAST",
    "LAST_EPOCHS",
    "METRICS",
    "Metric",
    "Unit",
    "family_of",
    "metrics_of",
    "of_scored_weights",
    "shown",
    "unit_of",
]

_SINGLE = ("memorised", "memorised_pixels", "predicted_prevalence", "true_prevalence", "noisy_images")


@dataclass(frozen=True)
class Unit:
    """Unit of a metric, and its conversion for display.

    Attributes:
        recorded: Unit of the values that `load()` returns.
        shown: Unit in every output format.
        symbol: Symbol after the name of the metric in a heading.
        scale: Shown value = recorded value * scale.
        decimals: Decimals in tables for people.
        better: Direction of improvement; empty if there is none.
    """

    recorded: str
    shown: str
    symbol: str
    scale: float
    decimals: int
    better: Literal["higher", "lower", ""]


_PERCENT = ("fraction", "percent", "%", 100.0, 1)
HIGHER, LOWER, NEITHER = Unit(*_PERCENT, "higher"), Unit(*_PERCENT, "lower"), Unit(*_PERCENT, "")

VALIDATION = "validation/"
LAST = "last/"
"""Prefix of the scores of the last epoch, which runs that are scored with their best epoch have beside the others."""
LAST_EPOCHS = "last_epochs/"
"""Prefix of the means over the last epochs, in runs that score several of them."""
EPOCHS = {LAST: "last epoch", LAST_EPOCHS: "mean over the last epochs"}
"""Prefix of scores of other weights than those that a run is scored with -> what they are, in print."""
LABELS, SINGLE, MAPS = "scene labels", "single labels", "label maps"


@dataclass(frozen=True)
class Metric:
    """A metric, or several that differ in a part of their name, which is in capitals.

    Attributes:
        name: Its name for test images.
        of: Measured quantity: retrieval, predictions of a kind of labels, the training labels, or costs.
        words: Description.
        splits: Prefixes of the metric for images other than the test images.
        unit: Its unit, and which direction is better.
        printed: Name in print, without a cut-off; empty for the name itself.
    """

    name: str
    of: str
    words: str
    splits: tuple[str, ...] = ()
    unit: Unit = HIGHER
    printed: str = ""


_BOTH, _VAL = (VALIDATION, "unseen/"), (VALIDATION,)
_RANKED, _NOISE = "retrieval", "training labels"
METRICS = (
    Metric("ndcg@K", _RANKED, "NDCG over shared labels; ndcg alone is that at each run's own k", _BOTH, printed="NDCG"),
    Metric("map@K", _RANKED, "mean average precision; relevant is what shares a label", _BOTH, printed="mAP"),
    Metric("precision@K", _RANKED, "share of relevant images among the first K", _BOTH, printed="P"),
    Metric("recall@K", _RANKED, "share of the relevant images that is among the first K", _BOTH, printed="R"),
    Metric("precision@1", _RANKED, "share of queries whose nearest image is relevant", _BOTH, printed="P"),
    Metric("map@r", _RANKED, "mean average precision over the first R, the number of relevant images", _BOTH,
           printed="mAP"),
    Metric("map_macro", LABELS, "mean over classes of the average precision", _VAL, printed="mAP"),
    Metric("map_micro", LABELS, "average precision over all pairs of image and class", _VAL, printed="micro mAP"),
    Metric("f1_macro", f"{LABELS}, {SINGLE}, {MAPS}", "mean over classes of F1; labels at 0.5", _VAL,
           printed="macro F1"),
    Metric("f1_micro", LABELS, "F1 over all pairs of image and class, at 0.5", _VAL, printed="micro F1"),
    Metric("f1_macro_tuned", LABELS, "f1_macro at thresholds chosen by class on validation",
           printed="macro F1 (tuned thresholds)"),
    Metric("f1_micro_tuned", LABELS, "f1_micro at thresholds chosen by class on validation",
           printed="micro F1 (tuned thresholds)"),
    Metric("hamming", LABELS, "share of pairs of image and class that are wrong, at 0.5", _VAL, LOWER, "Hamming loss"),
    Metric("accuracy", SINGLE, "share of images whose class is right", _VAL, printed="accuracy"),
    Metric("balanced_accuracy", SINGLE, "mean over classes of the recall", _VAL, printed="balanced accuracy"),
    Metric("ece", f"{LABELS}, {SINGLE}", "expected calibration error, 15 bins", _VAL, LOWER, "ECE"),
    Metric("miou", MAPS, "mean over classes of intersection over union", _VAL, printed="mIoU"),
    Metric("pixel_accuracy", MAPS, "share of labelled pixels whose class is right", _VAL, printed="pixel accuracy"),
    Metric("memorised", _NOISE, "wrong labels that the model predicts", unit=LOWER),
    Metric("memorised_pixels", _NOISE, "wrongly labelled pixels whose wrong label the model predicts", unit=LOWER),
    Metric("predicted_prevalence", _NOISE, "share of labels that the model predicts present", unit=NEITHER),
    Metric("true_prevalence", _NOISE, "share of labels that are present", unit=NEITHER),
    Metric("noisy_images", _NOISE, "share of training images with a wrong label", unit=NEITHER),
    Metric("noise/realised", _NOISE, "realised noise rate", unit=Unit("percent", "percent", "%", 1.0, 2, "")),
    Metric("detection/SCORE", _NOISE, "noisy images by the method: precision, recall, f1, auroc; of those kept: "
           "label_precision, label_recall"),
    Metric("loss_detection/SCORE", _NOISE, "noisy images by the loss: the same scores"),
    Metric("sample_detection/LEVEL/DETECTOR/SCORE", _NOISE, "wrong images and labels by the trained model"),
    Metric("seconds/PHASE", "cost", "seconds of a phase, or total", unit=Unit("seconds", "seconds", "s", 1.0, 1, "")),
    Metric("memory/peak", "cost", "largest memory", unit=Unit("bytes", "megabytes", "MB", 1e-6, 0, "")),
    Metric("parameters/PART", "cost", "parameters: total, backbone", unit=Unit("count", "count", "", 1.0, 0, "")),
)  # fmt: skip
"""Every metric of a record, each with all that tables, figures and `gridbench list metrics` show of it."""

_BY_FAMILY = {re.split("[@/]", metric.name)[0]: metric for metric in reversed(METRICS)}
# A share of images is neither good nor bad, whatever it is a share of.
_SHARES = ("/prevalence", "/selected_share")


def of_scored_weights(name: str) -> str:
    """Return the metric's name for the weights that a run is scored with.

    >>> of_scored_weights("last/unseen/map@5"), of_scored_weights("last_epochs/accuracy"), of_scored_weights("miou")
    ('unseen/map@5', 'accuracy', 'miou')
    """
    return next((name.removeprefix(prefix) for prefix in EPOCHS if name.startswith(prefix)), name)


# A file of records asks thousands of times for the same hundred names.
@lru_cache(maxsize=4096)
def family_of(name: str) -> Metric | None:
    """Return the metric of a name, whatever its epoch, images, cut-off or part; None for an unknown name."""
    name = of_scored_weights(name)
    split = next((prefix for prefix in _BOTH if name.startswith(prefix)), "")
    return _BY_FAMILY.get(re.split("[@/]", name.removeprefix(split))[0])


@lru_cache(maxsize=4096)
def unit_of(name: str) -> Unit:
    """Return the unit of a metric's name; an unknown metric is a rate stored as a fraction, the higher the better."""
    metric = family_of(name)
    return NEITHER if name.endswith(_SHARES) else metric.unit if metric else HIGHER


def shown(value: float, unit: Unit) -> float:
    """Return a recorded value as every format gives it: scaled, and rounded to ten-thousandths."""
    return round(value * unit.scale, 4)


def metrics_of(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a record's result by name, without those that are missing or unknown.

    Raises:
        ValueError: One is not a number, not finite or negative.
    """
    values: dict[str, Any] = dict(result["metrics"])
    values |= {name: result.get(name) for name in _SINGLE}
    for group in ("detection", "loss_detection", "parameters", "seconds"):
        values |= {f"{group}/{name}": value for name, value in (result.get(group) or {}).items()}
    of_samples = result.get("sample_detection") or {}
    for level in ("image", "label"):
        for way, scores in (of_samples.get(level) or {}).items():
            values |= {
                f"sample_detection/{level}/{way}/{name}": value for name, value in (scores or {}).items()
            }
    noise = result.get("noise") or {}
    values["noise/realised"] = noise.get("realised")
    unknown = _unknown(values)
    values = {name: value for name, value in values.items() if name not in unknown}
    metrics = {}
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"its {name} is {value!r:.40}, not a number")
        if not math.isfinite(value):
            raise ValueError(f"its {name} is {value}")
        if value < 0:
            raise ValueError(f"its {name} is negative ({value})")
        metrics[name] = float(value)
    return metrics | _of_kept(metrics)


def _of_kept(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the scores of the images kept as clean, which follow from those of the flagged ones."""
    found: dict[str, float] = {}
    for group in ("detection/", "loss_detection/"):
        scores = {name.removeprefix(group): metrics[name] for name in metrics if name.startswith(group)}
        found |= {f"{group}{name}": score for name, score in kept_scores(scores).items() if score is not None}
    return found


def _unknown(values: Mapping[str, Any]) -> set[str]:
    """Name the values that depend on which labels are wrong, where no label is known to be.

    Without injected noise and without a clean table beside the given one, the given labels may still be wrong: a share
    of zero, or a precision of zero, would say that they are right.
    """
    found = {"noisy_images"} if values.get("noisy_images") == 0 else set[str]()
    groups = [
        name.removesuffix("prevalence")
        for name, value in values.items()
        if value == 0 and name.endswith("/prevalence")
    ]
    return found | {
        name for name in values if name.startswith(tuple(groups)) and not name.endswith("/selected_share")
    }
