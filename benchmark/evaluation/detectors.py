"""Detectors of mislabelled images and labels: the scores that each gives to the training set after training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridbench.evaluation.retrieval import of_each_image
from gridbench.evaluation.training_view import WholeTrainingSet
from gridbench.methods.base import Batch, Method, Objective, mean_of_valid
from gridbench.methods.tasks.task import Task
from gridbench.metrics.confident import confident_learning
from gridbench.metrics.detection import top_count, top_share
from gridbench.metrics.neighbours import nearest_others, neighbour_disagreement, outside_largest_component

__all__ = ["Collected", "Detector", "LabelledSet", "collect", "detectors_of", "softmin_scores"]

Array = np.ndarray[Any, Any]

KNN_NEIGHBOURS = 10
"""Nearest neighbours by the cosine that vote on a label (Zhu et al., ICML 2022, SimiFeat's default)."""

TOPOFILTER_NEIGHBOURS = 4
"""Nearest neighbours by the Euclidean distance that TopoFilter joins (pxiangwu/TopoFilter, k_cc)."""

TEMPERATURE = 0.1
"""Of cleanlab's softmin over the pixels of a map (cleanlab.segmentation.rank)."""

MIN_NORM = 1e-12
"""Descriptors are divided by at least this length."""


@dataclass(frozen=True)
class LabelledSet:
    """The training images in evaluation mode, with the ground truth about their labels.

    Attributes:
        train: The N images with the labels to score.
        scene_labels: (N, C) training labels.
        wrong: (N, C) bool, labels that differ from the cleanest ones available; at pixel level, classes with a wrong
            pixel in the map after the evaluation crop.
        noisy: (N,) bool, images with any wrong label.
        margins: (N, 1) or (N, C) mean margins of the given labels in training; None where there are none.
        descriptors: (N, D) of the trained model; None where none were extracted.
    """

    train: WholeTrainingSet
    scene_labels: Array
    wrong: Array
    noisy: Array
    margins: Array | None = None
    descriptors: Array | None = None


@dataclass
class Collected:
    """Output of a trained model on the training set, by name, each as a list of the (B, ...) arrays of its batches."""

    parts: dict[str, list[Array]] = field(default_factory=dict)

    def add(self, name: str, value: Tensor | None) -> None:
        """Keep the output of one batch; None adds nothing."""
        if value is not None:
            self.parts.setdefault(name, []).append(value.cpu().numpy())

    def get(self, name: str) -> Array | None:
        """Return the (N, ...) output; None where no batch has it."""
        return np.concatenate(self.parts[name]) if name in self.parts else None


@dataclass(frozen=True)
class Detector:
    """Output of one detector: (N,) image scores, (N, C) or (M,) label scores, and (N, C) flagged labels."""

    images: Array | None
    labels: Array | None
    found: Array | None = None

    def found_images(self, percent: Any) -> Array | None:
        """Return (N,) bool: images with a detected label, or else a share of the images with the highest scores."""
        if self.found is not None:
            found: Array = np.any(self.found, axis=1)
            return found
        return None if self.images is None or percent is None else top_share(self.images, percent)

    def found_labels(self, items: Array, count: int) -> Array | None:
        """Return (M,) bool: labels among the items that are found, or else `count` of the highest scores."""
        if self.found is not None:
            return self.found[items]
        scores = self.of_items(items)
        return None if scores is None else top_count(scores, count)

    def of_items(self, items: Array) -> Array | None:
        """Return the (M,) scores of labels."""
        return self.labels[items] if self.labels is not None and self.labels.ndim == 2 else self.labels


def detectors_of(
    method: Method, samples: LabelledSet, seen: Collected, items: Array, exclusive: bool
) -> tuple[dict[str, Detector], dict[str, str]]:
    """Return the output of each detector but `method` and `random`, and the reasons for those that have none.

    Args:
        method: The trained method.
        samples: The training images and the ground truth about their labels.
        seen: Output of its head on them.
        items: (N, C) bool, the labels that are scored.
        exclusive: Whether each image has exactly one label.
    """
    given = samples.scene_labels != 0
    reasons: dict[str, str] = {}
    detectors = {"loss": Detector(seen.get("loss"), seen.get("label/loss"))}
    if samples.margins is None:
        reasons["aum"] = "no margins of the given labels were seen in training"
    else:
        detectors["aum"] = Detector(-samples.margins.mean(1), -np.broadcast_to(samples.margins, given.shape))
    probability = seen.get("probability")
    if probability is None:
        reasons["confident_learning"] = "the predictions are not probabilities of a class in an image"
    else:
        confident = confident_learning(given, probability.astype(np.float64), exclusive)
        detectors["confident_learning"] = Detector(confident.score.max(1), confident.score, confident.found)
    if samples.descriptors is None or len(given) < 2:
        reasons["knn"] = reasons["topofilter"] = "there are no descriptors of the training images to compare"
    else:
        device = next(method.parameters()).device
        votes, outside = _by_neighbours(samples.descriptors, given, exclusive, device)
        detectors["knn"] = Detector(_mean(votes, items), votes)
        detectors["topofilter"] = Detector(_mean(outside, items), outside, outside & items)
    if "softmin" in seen.parts:
        detectors["softmin"] = Detector(seen.get("softmin"), seen.get("label/softmin"))
    return detectors, reasons


def collect(method: Method, objective: Objective, train: WholeTrainingSet) -> Collected:
    """Run the trained model over the whole set and gather what its head says of images and of labels."""
    task, seen = objective.task, Collected()
    for batch in train.batches():
        prediction = of_each_image(method, method.predict, batch.images)
        if prediction is None:
            continue
        prediction = prediction.float()
        seen.add("present", task.present(prediction))
        seen.add("probability", task.probabilities(prediction))
        means, _, labels = train.averages(objective.per_entry(prediction, batch), batch)
        seen.add("loss", means)
        if labels is not None:
            seen.add("label/loss", labels[0])
            seen.add("label/there", labels[1])
        softmin = softmin_scores(task, prediction, batch)
        if softmin is not None:
            seen.add("softmin", softmin[0])
            seen.add("label/softmin", softmin[1])
    return seen


def softmin_scores(task: Task, prediction: Tensor, batch: Batch) -> tuple[Tensor, Tensor] | None:
    """Return 1 - cleanlab's quality of maps (B,) and, likewise over the pixels of a class, of their labels (B, C).

    The quality is the mean of the probabilities s of the pixels' classes, weighted by a softmax of
    (1 - s) / temperature; pixels without a class do not count. None for a task without pixels.
    """
    pixels = task.of_given_pixels(prediction, batch)
    if pixels is None:
        return None
    probability, known = pixels
    weights = torch.exp(-probability / TEMPERATURE)

    def score(average: Callable[[Tensor], Tensor]) -> Tensor:
        whole = average(weights)
        return torch.where(whole > 0, 1 - average(weights * probability) / whole, 0.0)

    def over_label(values: Tensor) -> Tensor:
        of_label = task.per_label(values, known, batch)
        assert of_label is not None, "pixels have labels"
        return of_label[0]

    return score(lambda values: mean_of_valid(values, known)), score(over_label)


def _by_neighbours(
    descriptors: Array, given: Array, exclusive: bool, device: torch.device
) -> tuple[Array, Array]:
    """Return (N, C), the share of neighbours whose label is another, and which labels TopoFilter does not trust.

    Of several labels per image, each class is a problem of two sides, of which both have a largest component.
    """
    last = len(given) - 1
    directions = descriptors / np.maximum(np.linalg.norm(descriptors, axis=1, keepdims=True), MIN_NORM)
    votes = neighbour_disagreement(given, nearest_others(directions, min(KNN_NEIGHBOURS, last), device))
    joined = nearest_others(descriptors, min(TOPOFILTER_NEIGHBOURS, last), device)
    if exclusive:
        outside = outside_largest_component(given.argmax(1), joined)
        return votes, given & outside[:, None]
    sides = given.astype(np.int64).T
    return votes, np.stack([outside_largest_component(side, joined) for side in sides], 1)


def _mean(values: Array, items: Array) -> Array:
    """Return the (N,) means over the items of each row; 0 without any."""
    mean: Array = np.where(items, values, 0).sum(1) / np.maximum(items.sum(1), 1)
    return mean
