"""Detection of mislabelled images and labels by a trained model, evaluated once on the whole training set.

During an epoch the weights change from step to step, and scores are normalised per mini-batch. Here the trained model
sees the centre crop of every training image once, in evaluation mode and with the labels that it was trained on;
scores are normalised and thresholded over the whole set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridbench.core.labels import wrong_pixels
from gridbench.core.streams import numpy_stream
from gridbench.evaluation.retrieval import of_each_image
from gridbench.evaluation.training_view import WholeTrainingSet, evaluating
from gridbench.methods.base import Batch, Method, Objective, mean_of_valid
from gridbench.methods.hooks import check_scores
from gridbench.methods.tasks.task import Task
from gridbench.metrics.confident import confident_learning
from gridbench.metrics.detection import detection_scores, top_count, top_share
from gridbench.metrics.neighbours import nearest_others, neighbour_disagreement, outside_largest_component

__all__ = [
    "DetectionResult",
    "LabelledSet",
    "centre_of",
    "evaluate_detectors",
    "softmin_scores",
    "wrong_classes",
]

Array = np.ndarray[Any, Any]
WAYS = ("method", "loss", "aum", "confident_learning", "knn", "topofilter", "softmin", "random")

VOTERS = 10
"""Nearest neighbours by the cosine that vote on a label (Zhu et al., ICML 2022, SimiFeat's default)."""

JOINED = 4
"""Nearest neighbours by the Euclidean distance that TopoFilter joins (pxiangwu/TopoFilter, k_cc)."""

TEMPERATURE = 0.1
"""Of cleanlab's softmin over the pixels of a map (cleanlab.segmentation.rank)."""

SHORTEST = 1e-12
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


@dataclass(frozen=True)
class DetectionResult:
    """Predictions and detection scores of the trained model on its training set.

    Attributes:
        present: (N, C) bool, the classes that it predicts present; None without a head.
        document: For result.json: level -> way -> scores or None, and the reasons for what is None.
        arrays: For detection.npz: what the scores were computed from, `level.way` and `level.way.selected`.
    """

    present: Array | None
    document: dict[str, Any]
    arrays: dict[str, Array]


@dataclass
class _Collected:
    """Parts of the set, joined over batches by `_join`; lists of (B, ...) arrays by name."""

    parts: dict[str, list[Array]] = field(default_factory=dict)

    def add(self, name: str, value: Tensor | None) -> None:
        if value is not None:
            self.parts.setdefault(name, []).append(value.cpu().numpy())

    def get(self, name: str) -> Array | None:
        return np.concatenate(self.parts[name]) if name in self.parts else None


@dataclass(frozen=True)
class _Way:
    """Output of one detector: (N,) image scores, (N, C) or (M,) label scores, and (N, C) flagged labels."""

    images: Array | None
    labels: Array | None
    found: Array | None = None

    def found_images(self, percent: Any) -> Array | None:
        """Return (N,) bool: images with a label that is found, or else the highest scores, as many as a share."""
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


def evaluate_detectors(
    method: Method, objective: Objective, samples: LabelledSet, slnir: Any, seed: int
) -> DetectionResult:
    """Score the whole training set once with every detector of label noise, and evaluate the detectors.

    The detectors are:

    - `method`: the noise score of the method itself.
    - `loss`: the loss of its head, highest first.
    - `aum`: the mean margin of the given labels during training, lowest first, aggregated per image over its labels.
    - `confident_learning`: on the probabilities of its head, which was trained on the labels that are scored.
    - `knn`: the share of nearest neighbours in descriptor space with a different label, aggregated per image.
    - `topofilter`: whether an image lies outside the largest connected component of the images with its label.
    - `softmin`: the label quality score of cleanlab over the pixels of a map.
    - `random`: a random score.

    At image level, `method` flags the share that it reports, `confident_learning` and `topofilter` flag their own
    selection, and the others flag as many images as the noise rate implies. At label level, all detectors except
    `confident_learning` and `topofilter` flag exactly as many labels as are wrong, so precision, recall and F1 are
    equal.

    Args:
        method: The trained method.
        objective: Its task and loss.
        samples: The training images and the ground truth about their labels.
        slnir: Noise rate in percent.
        seed: Seed of the random detector.

    Returns:
        The evaluation of the detectors, with the scores on which it is based.
    """
    with evaluating(method):
        seen = _collect(method, objective, samples.train)
        opinion = method.score_samples(samples.train) if "loss" in seen.parts else None
    check_scores(opinion, samples.train.num_samples, method.name)
    present = seen.get("present")
    own = {} if opinion is None else {"images": opinion.images, "labels": opinion.labels}
    ours = {name: None if each is None else each.float().cpu().numpy() for name, each in own.items()}
    parts = {"the trained model's losses": [part for each in seen.parts.values() for part in each]}
    parts["the method's own scores"] = [each for each in ours.values() if each is not None]
    unusable = [what for what, found in parts.items() if not all(np.isfinite(each).all() for each in found)]
    if unusable:
        reason = f"{unusable[0]} are not all finite in evaluation mode"
        return DetectionResult(present, {"image": None, "label": None, "reasons": {"image": reason}}, {})
    losses, there = seen.get("label/loss"), seen.get("label/there")
    items = np.ones(samples.scene_labels.shape, dtype=bool) if there is None else there
    ways, reasons = _ways(method, samples, seen, items, objective.task.predicts == "single")
    ways["method"] = _Way(ours.get("images"), ours.get("labels"))
    rng = numpy_stream(seed, "detection")
    ways["random"] = _Way(rng.random(len(items)), rng.random(int(items.sum())))
    if ways["method"].images is None:
        reasons["method"] = "it has no opinion of its own about samples"
    arrays: dict[str, Array] = {}
    percents = dict.fromkeys(WAYS, slnir) | {"method": opinion and opinion.noisy_percent}
    chosen = {way: each.found_images(percents[way]) for way, each in ways.items()}
    scores = {way: each.images for way, each in ways.items()}
    document: dict[str, Any] = {"image": _scored("image", samples.noisy, scores, chosen, arrays)}
    document["label"] = None
    if losses is None or losses.shape != samples.wrong.shape:
        reasons["label"] = objective.task.no_labels
    else:
        wrong = samples.wrong[items]
        chosen = {way: each.found_labels(items, int(wrong.sum())) for way, each in ways.items()}
        scores = {way: each.of_items(items) for way, each in ways.items()}
        arrays["label.items"] = items
        document["label"] = _scored("label", wrong, scores, chosen, arrays)
    return DetectionResult(present, {**document, "reasons": reasons}, arrays)


def _ways(
    method: Method, samples: LabelledSet, seen: _Collected, items: Array, exclusive: bool
) -> tuple[dict[str, _Way], dict[str, str]]:
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
    ways = {"loss": _Way(seen.get("loss"), seen.get("label/loss"))}
    if samples.margins is None:
        reasons["aum"] = "no margins of the given labels were seen in training"
    else:
        ways["aum"] = _Way(-samples.margins.mean(1), -np.broadcast_to(samples.margins, given.shape))
    probability = seen.get("probability")
    if probability is None:
        reasons["confident_learning"] = "the predictions are no probabilities of a class in an image"
    else:
        confident = confident_learning(given, probability.astype(np.float64), exclusive)
        ways["confident_learning"] = _Way(confident.score.max(1), confident.score, confident.found)
    if samples.descriptors is None or len(given) < 2:
        reasons["knn"] = reasons["topofilter"] = "there are no descriptors of the training images to compare"
    else:
        device = next(method.parameters()).device
        votes, outside = _by_neighbours(samples.descriptors, given, exclusive, device)
        ways["knn"] = _Way(_mean(votes, items), votes)
        ways["topofilter"] = _Way(_mean(outside, items), outside, outside & items)
    if "softmin" in seen.parts:
        ways["softmin"] = _Way(seen.get("softmin"), seen.get("label/softmin"))
    return ways, reasons


def centre_of(maps: Array, crop: int) -> Array:
    """Return the (N, crop, crop) centres of maps (N, H, W), as images are cut in evaluation."""
    height, width = maps.shape[1:]
    top, left = (height - crop) // 2, (width - crop) // 2
    return maps[:, top : top + crop, left : left + crop]


def wrong_classes(maps: Array, clean: Array, num_classes: int) -> Array:
    """Return (N, C) bool: classes of which a map (N, H, W) has a pixel that the clean map gives another class."""
    wrong = np.zeros((len(maps), num_classes), dtype=bool)
    at = np.nonzero(wrong_pixels(maps, clean))
    wrong[at[0], np.asarray(maps)[at]] = True
    return wrong


def _collect(method: Method, objective: Objective, train: WholeTrainingSet) -> _Collected:
    """Run the trained model over the whole set and gather what its head says of images and of labels."""
    task, seen = objective.task, _Collected()
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
    directions = descriptors / np.maximum(np.linalg.norm(descriptors, axis=1, keepdims=True), SHORTEST)
    votes = neighbour_disagreement(given, nearest_others(directions, min(VOTERS, last), device))
    joined = nearest_others(descriptors, min(JOINED, last), device)
    if exclusive:
        outside = outside_largest_component(given.argmax(1), joined)
        return votes, given & outside[:, None]
    sides = given.astype(np.int64).T
    return votes, np.stack([outside_largest_component(side, joined) for side in sides], 1)


def _mean(values: Array, items: Array) -> Array:
    """Return the (N,) means over the items of each row; 0 without any."""
    mean: Array = np.where(items, values, 0).sum(1) / np.maximum(items.sum(1), 1)
    return mean


def _scored(
    level: str, truth: Array, scores: dict[str, Any], selected: dict[str, Any], arrays: dict[str, Array]
) -> dict[str, Any]:
    """Evaluate each detector and keep its scores; random scores follow from the seed and are not kept."""
    arrays[f"{level}.wrong"] = truth
    found: dict[str, Any] = {}
    for way in WAYS:
        if scores.get(way) is None:
            # Only maps have pixels.
            found |= {} if way == "softmin" else {way: None}
            continue
        # As they are kept, so that the record gives the very same numbers again.
        score = scores[way].astype(np.float32)
        found[way] = detection_scores(truth, score, selected[way])
        if way != "random":
            arrays[f"{level}.{way}"] = score
            if selected[way] is not None:
                arrays[f"{level}.{way}.selected"] = selected[way]
    return found
