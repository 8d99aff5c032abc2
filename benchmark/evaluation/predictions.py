"""Prediction scores of a trained head on validation and test images, against the cleanest labels available."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridbench.evaluation.retrieval import Splits
from gridbench.methods.tasks.task import Task

__all__ = ["HEADLINE", "CleanLabels", "Predictions", "score_predictions"]

Array = np.ndarray[Any, Any]

SCORED: Mapping[str, str] = {"validation/": "val", "": "test"}
"""Prefix of a metric -> split; validation first, since thresholds that are used on test are chosen there."""

HEADLINE: Mapping[str, str] = {"labels": "map_macro", "single": "accuracy", "pixels": "miou"}
"""`Task.predicts` -> the score that stands for how good such predictions are."""

NO_HEAD = "the method trains no head"
NOT_FINITE = "the head's output is not finite"


@dataclass(frozen=True)
class CleanLabels:
    """The cleanest labels available in an archive.

    Attributes:
        scene_labels: (N, C) of all images.
        label_maps: Returns the (n, H, W) maps at n positions, cut as evaluation cuts images.
    """

    scene_labels: Array
    label_maps: Callable[[Array], Array]


@dataclass(frozen=True)
class Predictions:
    """Predictions of the head and their scores.

    Attributes:
        metrics: Name -> score from 0 to 1.
        document: For result.json: scores by class, thresholds, classes without a positive; or the reason for no scores.
        arrays: Split -> scores (N, C) float32 or classes (N, H, W) uint8 of its images, if they were to be kept.
    """

    metrics: Mapping[str, float]
    document: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)


def score_predictions(
    task: Task | None,
    outputs: Callable[[str], Iterator[Tensor]],
    splits: Splits,
    clean: CleanLabels,
    classes: Sequence[str],
    keep: bool = False,
) -> Predictions:
    """Score the head's output on the validation and test images.

    Args:
        task: The task that the head was trained for; None without one.
        outputs: Yields the head's output for the images of a split, batch by batch.
        splits: Which images play which part.
        clean: The labels to compare with.
        classes: Names of the C classes.
        keep: Whether to return the predictions of all three splits, too.

    Returns:
        The scores; without any, the document holds only the reason.
    """
    if task is None:
        return Predictions({}, {"reason": NO_HEAD})
    if task.predicts is None:
        return Predictions({}, {"reason": f"the task {task.name!r} does not say what it predicts"})
    metrics: dict[str, float] = {}
    document: dict[str, Any] = {"of": task.predicts, "classes": list(classes)}
    arrays: dict[str, Array] = {}
    kind, thresholds = KINDS[task.predicts](task, clean), None
    for prefix, split in {**SCORED, "train/": "train"}.items():
        positions, scored = splits[split], prefix in SCORED
        if not len(positions) or not (scored or keep):
            continue
        scores = kind.scores(thresholds, choose=split == "val") if scored else None
        parts, seen = [], 0
        for output in outputs(split):
            if not bool(torch.isfinite(output).all()):
                return Predictions({}, {"reason": NOT_FINITE})
            answer, at = kind.answer(output), positions[seen : seen + len(output)]
            seen += len(output)
            if scores is not None:
                scores.update(answer, torch.from_numpy(kind.target(at)).to(answer.device))
            if keep:
                parts.append(answer.cpu().numpy().astype(kind.kept_as))
        if not seen:
            return Predictions({}, {"reason": NO_HEAD})
        if keep:
            arrays[split] = np.concatenate(parts)
        if scores is None:
            continue
        found = scores.compute()
        thresholds = found.thresholds or thresholds
        metrics |= {f"{prefix}{name}": value for name, value in found.values.items()}
        document[split] = {
            "images": seen,
            "per_class": {name: list(values) for name, values in found.per_class.items()},
            "without_positives": [classes[label] for label in found.without_positives],
            **({"thresholds": list(found.thresholds)} if found.thresholds else {}),
        }
    return Predictions(metrics, document, arrays)


class _Labels:
    """Which classes an image shows."""

    kept_as: type[np.generic] = np.float32

    def __init__(self, task: Task, clean: CleanLabels) -> None:
        self.task, self.clean = task, clean

    def scores(self, thresholds: Sequence[float] | None, choose: bool) -> Any:
        # torchmetrics takes a second or two to import, which runs without a head need not wait for.
        from gridbench.metrics.predictions import LabelScores

        task = self.task
        return LabelScores(
            task.num_classes,
            task.threshold,
            probabilities=task.calibrated,
            thresholds=thresholds,
            choose=choose,
        )

    def answer(self, output: Tensor) -> Tensor:
        answer = self.task.class_scores(output)
        assert answer is not None, "a task that predicts labels has scores of classes"
        return answer

    def target(self, positions: Array) -> Array:
        return self.clean.scene_labels[positions].astype(np.int64)


class _Single(_Labels):
    """Which class an image shows."""

    def scores(self, thresholds: Sequence[float] | None, choose: bool) -> Any:
        from gridbench.metrics.predictions import SingleLabelScores

        return SingleLabelScores(self.task.num_classes)

    def target(self, positions: Array) -> Array:
        found: Array = self.clean.scene_labels[positions].argmax(1)
        return found


class _Pixels(_Labels):
    """Which class each pixel of an image shows."""

    kept_as = np.uint8

    def scores(self, thresholds: Sequence[float] | None, choose: bool) -> Any:
        from gridbench.metrics.predictions import MapScores

        return MapScores(self.task.num_classes)

    def answer(self, output: Tensor) -> Tensor:
        answer = self.task.pixel_classes(output)
        assert answer is not None, "a task that predicts pixels has their classes"
        return answer

    def target(self, positions: Array) -> Array:
        return self.clean.label_maps(positions).astype(np.int64)


KINDS: Mapping[str, type[_Labels]] = {"labels": _Labels, "single": _Single, "pixels": _Pixels}
"""`Task.predicts` -> how such predictions are read and scored."""
