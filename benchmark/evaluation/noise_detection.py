"""How well a trained model finds mislabelled images and labels: the whole training set scored once, on one scale.

During an epoch the weights change from step to step, and a mini-batch is scaled by itself. Here every training image
is seen once by the trained model in evaluation mode, cut at the centre, with the labels that it was trained on, and
what is to be scaled or selected is so over the whole set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from gridbench.core.labels import wrong_pixels
from gridbench.core.streams import numpy_stream
from gridbench.evaluation.training_view import WholeTrainingSet, evaluating
from gridbench.methods.base import Method, Objective
from gridbench.metrics.confident import confident_learning
from gridbench.metrics.detection import detection_scores, top_count, top_share

__all__ = ["LabelledSet", "Verdict", "centre_of", "judge_training_set", "wrong_classes"]

Array = np.ndarray[Any, Any]
WAYS = ("method", "loss", "aum", "confident_learning", "random")


@dataclass(frozen=True)
class LabelledSet:
    """The training images as evaluation sees them, and what is known of their labels.

    Attributes:
        train: The N images with the labels that are scored.
        scene_labels: (N, C) as trained on.
        wrong: (N, C) bool, labels that differ from the cleanest ones known; at pixel level, classes of which a pixel
            of the map, as evaluation cuts it, is wrong.
        noisy: (N,) bool, images with any wrong label.
        margins: (N, 1) or (N, C) mean margins of the given labels in training; None where there are none.
    """

    train: WholeTrainingSet
    scene_labels: Array
    wrong: Array
    noisy: Array
    margins: Array | None = None


@dataclass(frozen=True)
class Verdict:
    """What the trained model says of its training set.

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


def judge_training_set(
    method: Method, objective: Objective, samples: LabelledSet, slnir: Any, seed: int
) -> Verdict:
    """Score the whole training set once, and how well five ways find what is wrong in it.

    `method`: the method's own opinion. `loss`: the loss of its head, highest first. `aum`: the mean margin of the given
    labels in training, lowest first, of an image over its labels. `confident_learning`: over the
    probabilities of its head, which was trained on the very labels that are scored. `random`: a draw. Of images, the
    method takes the share that it says, loss, aum and random the noise rate, confident learning what it finds. Of
    labels, all but confident learning take as many as are wrong, so that precision, recall and F1 are one number.

    Args:
        method: The trained method.
        objective: Its task and loss.
        samples: The training images and what is known of their labels.
        slnir: Noise rate in percent.
        seed: Of the random way.

    Returns:
        What is found, with the scores it is computed from.
    """
    with evaluating(method):
        seen = _collect(method, objective, samples.train)
        opinion = method.score_samples(samples.train) if "loss" in seen.parts else None
    present = seen.get("present")
    own = {} if opinion is None else {"images": opinion.images, "labels": opinion.labels}
    ours = {name: None if each is None else each.float().cpu().numpy() for name, each in own.items()}
    parts = [part for each in seen.parts.values() for part in each]
    parts += [each for each in ours.values() if each is not None]
    if not all(np.isfinite(part).all() for part in parts):
        reason = "the trained model's losses are not all finite in evaluation mode"
        return Verdict(present, {"image": None, "label": None, "reasons": {"image": reason}}, {})
    rng = numpy_stream(seed, "detection")
    reasons: dict[str, str] = {}
    arrays: dict[str, Array] = {}
    confident = None
    probability = seen.get("probability")
    if probability is None:
        reasons["confident_learning"] = "the predictions are no probabilities of a class in an image"
    else:
        confident = confident_learning(samples.scene_labels != 0, probability.astype(np.float64))
    scores: dict[str, Array | None] = {
        "method": ours.get("images"),
        "loss": seen.get("loss"),
        "aum": None if samples.margins is None else -samples.margins.mean(1),
        "confident_learning": None if confident is None else confident.score.max(1),
        "random": rng.random(len(samples.noisy)),
    }
    if scores["method"] is None:
        reasons["method"] = "it has no opinion of its own about samples"
    if scores["aum"] is None:
        reasons["aum"] = "no margins of the given labels were seen in training"
    selected = {
        "method": _share(scores["method"], opinion and opinion.noisy_percent),
        "loss": _share(scores["loss"], slnir),
        "aum": _share(scores["aum"], slnir),
        "confident_learning": None if confident is None else confident.found.any(1),
        "random": _share(scores["random"], slnir),
    }
    document: dict[str, Any] = {"image": _scored("image", samples.noisy, scores, selected, arrays)}

    losses, there = seen.get("label/loss"), seen.get("label/there")
    document["label"] = None
    if losses is None or losses.shape != samples.wrong.shape:
        reasons["label"] = objective.task.no_labels
    else:
        items = np.ones(losses.shape, dtype=bool) if there is None else there
        wrong = samples.wrong[items]
        scores = {
            "method": ours.get("labels"),
            "loss": losses[items],
            "aum": None
            if samples.margins is None
            else -np.broadcast_to(samples.margins, samples.wrong.shape)[items],
            "confident_learning": None if confident is None else confident.score[items],
            "random": rng.random(len(wrong)),
        }
        selected = {
            way: None if each is None else top_count(each, int(wrong.sum())) for way, each in scores.items()
        }
        if confident is not None:
            selected["confident_learning"] = confident.found[items]
        arrays["label.items"] = items
        document["label"] = _scored("label", wrong, scores, selected, arrays)
    return Verdict(present, {**document, "reasons": reasons}, arrays)


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
        prediction = method.predict(batch.images)
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
    return seen


def _share(score: Array | None, percent: Any) -> Array | None:
    return None if score is None or percent is None else top_share(score, percent)


def _scored(
    level: str, truth: Array, scores: dict[str, Any], selected: dict[str, Any], arrays: dict[str, Array]
) -> dict[str, Any]:
    """Score each way, and keep what it was scored from; random draws follow from the seed and are not kept."""
    arrays[f"{level}.wrong"] = truth
    found: dict[str, Any] = {}
    for way in WAYS:
        if scores[way] is None:
            found[way] = None
            continue
        # As they are kept, so that the record gives the very same numbers again.
        score = scores[way].astype(np.float32)
        found[way] = detection_scores(truth, score, selected[way])
        if way != "random":
            arrays[f"{level}.{way}"] = score
            if selected[way] is not None:
                arrays[f"{level}.{way}.selected"] = selected[way]
    return found
