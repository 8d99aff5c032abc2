"""Streaming scores of the predictions of classifiers and segmentation networks, based on torchmetrics.

Recall and average precision are undefined for a class without positives among the scored images, so such classes are
excluded from macro means; `PredictionScores.without_positives` lists them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    BinaryCalibrationError,
    MulticlassAccuracy,
    MulticlassCalibrationError,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MulticlassRecall,
    MulticlassStatScores,
    MultilabelAveragePrecision,
    MultilabelF1Score,
    MultilabelHammingDistance,
    MultilabelPrecisionRecallCurve,
    MultilabelStatScores,
)

from gridbench.core.labels import IGNORE

__all__ = ["LabelScores", "MapScores", "PredictionScores", "SingleLabelScores"]

BINS = 15
"""Bins of the expected calibration error (Guo et al., 2017)."""


@dataclass(frozen=True)
class PredictionScores:
    """Scores of one set of images.

    Attributes:
        values: Name -> score from 0 to 1; one that is undefined is left out.
        per_class: Name -> C scores, None for a class without a positive.
        without_positives: Indices of those classes.
        thresholds: C thresholds of highest F1 on these images, for `LabelScores(thresholds=...)`; None where they were
            not asked for.
    """

    values: Mapping[str, float]
    per_class: Mapping[str, Sequence[float | None]]
    without_positives: Sequence[int]
    thresholds: Sequence[float] | None = None


class LabelScores:
    """Scores of which classes are present in an image: `map_macro map_micro f1_macro f1_micro hamming ece`.

    Args:
        num_classes: Number of classes C.
        threshold: A class is predicted present above it.
        probabilities: Whether scores are probabilities, so that their calibration means something.
        thresholds: C thresholds from other images; adds `f1_macro_tuned` and `f1_micro_tuned`, for which a class is
            predicted present from its threshold on.
        choose: Whether to look for the thresholds of highest F1.

    Example:
        >>> scores = LabelScores(2)
        >>> scores.update(torch.tensor([[0.9, 0.2], [0.4, 0.1]]), torch.tensor([[1, 0], [1, 0]]))
        >>> scores.compute().values["f1_macro"], scores.compute().without_positives
        (0.6666666865348816, [1])
    """

    def __init__(
        self,
        num_classes: int,
        threshold: float = 0.5,
        *,
        probabilities: bool = True,
        thresholds: Sequence[float] | None = None,
        choose: bool = False,
    ) -> None:
        shape: dict[str, Any] = {"num_labels": num_classes, "validate_args": False}
        at: dict[str, Any] = {"threshold": threshold, **shape}
        self._threshold = threshold
        self._metrics = MetricCollection(
            {
                "counts": MultilabelStatScores(average=None, **at),
                "f1": MultilabelF1Score(average=None, **at),
                "f1_micro": MultilabelF1Score(average="micro", **at),
                "hamming": MultilabelHammingDistance(average="micro", **at),
                "average_precision": MultilabelAveragePrecision(average=None, **shape),
                "map_micro": MultilabelAveragePrecision(average="micro", **shape),
                **({"curve": MultilabelPrecisionRecallCurve(**shape)} if choose else {}),
            }
        )
        self._calibration = (
            BinaryCalibrationError(n_bins=BINS, validate_args=False) if probabilities else None
        )
        self._thresholds = None if thresholds is None else torch.tensor(thresholds)
        self._tuned = MetricCollection(
            {
                "f1_tuned": MultilabelF1Score(average=None, **shape),
                "f1_micro_tuned": MultilabelF1Score(average="micro", **shape),
            }
        )

    def update(self, scores: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            scores: (B, C) from 0 to 1, how probable each class is.
            target: (B, C) of 0 and 1.
        """
        _on(scores, self._metrics)(scores, target)
        if self._calibration is not None:
            _on(scores, self._calibration)(_below_1(scores.flatten()), target.flatten())
        if self._thresholds is not None:
            present = scores >= self._thresholds.to(scores)
            _on(scores, self._tuned)(present.int(), target)

    def compute(self) -> PredictionScores:
        """Return the scores of all batches so far."""
        found = _computed(self._metrics)
        supported = found["counts"][:, -1] > 0
        per_class = {name: found[name] for name in ("average_precision", "f1")}
        values = {
            "map_macro": _mean(found["average_precision"], supported),
            "f1_macro": _mean(found["f1"], supported),
            "f1_micro": float(found["f1_micro"]),
            "hamming": float(found["hamming"]),
        }
        if supported.any():
            values["map_micro"] = float(found["map_micro"])
        if self._calibration is not None:
            values["ece"] = float(self._calibration.compute())
        if self._thresholds is not None:
            tuned = _computed(self._tuned)
            per_class["f1_tuned"] = tuned["f1_tuned"]
            values["f1_macro_tuned"] = _mean(tuned["f1_tuned"], supported)
            values["f1_micro_tuned"] = float(tuned["f1_micro_tuned"])
        chosen = None
        if "curve" in found:
            curves = zip(*found["curve"], supported, strict=True)
            chosen = [
                _best_threshold(precision, recall, thresholds, self._threshold) if there else self._threshold
                for precision, recall, thresholds, there in curves
            ]
        return _scores(values, per_class, supported, chosen)


class SingleLabelScores:
    """Scores of which class an image shows: `accuracy balanced_accuracy f1_macro ece`.

    Args:
        num_classes: Number of classes C.

    Example:
        >>> scores = SingleLabelScores(2)
        >>> scores.update(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), torch.tensor([0, 0]))
        >>> scores.compute().values["accuracy"]
        0.5
    """

    def __init__(self, num_classes: int) -> None:
        shape: dict[str, Any] = {"num_classes": num_classes, "validate_args": False}
        self._metrics = MetricCollection(
            {
                "counts": MulticlassStatScores(average=None, **shape),
                "recall": MulticlassRecall(average=None, **shape),
                "f1": MulticlassF1Score(average=None, **shape),
                "accuracy": MulticlassAccuracy(average="micro", **shape),
            }
        )
        self._calibration = MulticlassCalibrationError(n_bins=BINS, **shape)

    def update(self, probabilities: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            probabilities: (B, C), rows that sum to 1.
            target: (B,) classes.
        """
        _on(probabilities, self._metrics)(probabilities, target)
        _on(probabilities, self._calibration)(_below_1(probabilities), target)

    def compute(self) -> PredictionScores:
        """Return the scores of all batches so far."""
        found = _computed(self._metrics)
        supported = found["counts"][:, -1] > 0
        values = {
            "accuracy": float(found["accuracy"]),
            "balanced_accuracy": _mean(found["recall"], supported),
            "f1_macro": _mean(found["f1"], supported),
            "ece": float(self._calibration.compute()),
        }
        return _scores(values, {name: found[name] for name in ("recall", "f1")}, supported)


class MapScores:
    """Scores of which class each pixel shows: `miou pixel_accuracy f1_macro`; unlabelled pixels (255) count nowhere.

    Args:
        num_classes: Number of classes C.

    Example:
        >>> scores = MapScores(2)
        >>> scores.update(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 255]]]))
        >>> scores.compute().values["miou"]
        1.0
    """

    def __init__(self, num_classes: int) -> None:
        shape: dict[str, Any] = {
            "num_classes": num_classes,
            "ignore_index": IGNORE,
            "validate_args": False,
        }
        self._metrics = MetricCollection(
            {
                "counts": MulticlassStatScores(average=None, **shape),
                "f1": MulticlassF1Score(average=None, **shape),
                "iou": MulticlassJaccardIndex(average=None, **shape),
                "pixel_accuracy": MulticlassAccuracy(average="micro", **shape),
            }
        )

    def update(self, classes: Tensor, target: Tensor) -> None:
        """Add a batch.

        Args:
            classes: (B, H, W) predicted classes.
            target: (B, H, W) classes, 255 = unlabelled.
        """
        _on(classes, self._metrics)(classes, target)

    def compute(self) -> PredictionScores:
        """Return the scores of all batches so far."""
        found = _computed(self._metrics)
        supported = found["counts"][:, -1] > 0
        values = {"miou": _mean(found["iou"], supported), "f1_macro": _mean(found["f1"], supported)}
        if supported.any():
            values["pixel_accuracy"] = float(found["pixel_accuracy"])
        return _scores(values, {name: found[name] for name in ("iou", "f1")}, supported)


def _on(there: Tensor, metrics: nn.Module) -> Any:
    """Return the update of metrics that count where a tensor is."""
    return metrics.to(there.device).update


def _below_1(probabilities: Tensor) -> Tensor:
    # torchmetrics gives probabilities of exactly 1, to which those near it are rounded, a bin of their own.
    return probabilities.clamp_max(1 - torch.finfo(probabilities.dtype).eps / 2)


def _computed(metrics: MetricCollection) -> dict[str, Any]:
    with warnings.catch_warnings():
        # torchmetrics warns of classes without a positive, which the result names.
        warnings.simplefilter("ignore")
        found: dict[str, Any] = metrics.compute()
    return found


def _mean(per_class: Tensor, supported: Tensor) -> float:
    return float(_of_classes(per_class)[supported].double().mean())


def _of_classes(values: Tensor) -> Tensor:
    return values.reshape(-1)  # torchmetrics returns a scalar for one class


def _scores(
    values: Mapping[str, float],
    per_class: Mapping[str, Tensor],
    supported: Tensor,
    thresholds: Sequence[float] | None = None,
) -> PredictionScores:
    there = supported.tolist()
    return PredictionScores(
        {name: value for name, value in values.items() if value == value},
        {
            name: [
                float(value) if counts else None
                for value, counts in zip(_of_classes(found), there, strict=True)
            ]
            for name, found in per_class.items()
        },
        [label for label, counts in enumerate(there) if not counts],
        thresholds,
    )


def _best_threshold(precision: Tensor, recall: Tensor, thresholds: Tensor, usual: float) -> float:
    """Return the threshold of highest F1; of equal ones that nearest the usual one."""
    # The last point of a curve, recall 0, belongs to no threshold.
    precision, recall, thresholds = precision[:-1], recall[:-1], thresholds.reshape(-1)
    f1 = torch.nan_to_num(2 * precision * recall / (precision + recall))
    best = thresholds[f1 == f1.max()]
    return float(best[(best - usual).abs().argmin()])
