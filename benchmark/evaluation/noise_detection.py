"""Detection of mislabelled images and labels by a trained model, evaluated once on the whole training set.

During an epoch the weights change from step to step, and scores are normalised per mini-batch. Here the trained model
sees the centre crop of every training image once, in evaluation mode and with the labels that it was trained on;
scores are normalised and thresholded over the whole set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridbench.core.labels import wrong_pixels
from gridbench.core.streams import numpy_stream
from gridbench.errors import RunFailed
from gridbench.evaluation.detectors import Detector, LabelledSet, collect, detectors_of
from gridbench.evaluation.training_view import evaluating
from gridbench.methods.base import Method, Objective
from gridbench.methods.checks import check_scores
from gridbench.metrics.detection import detection_scores

__all__ = [
    "DetectionResult",
    "centre_of",
    "evaluate_detectors",
    "wrong_classes",
]

Array = np.ndarray[Any, Any]
DETECTORS = ("method", "loss", "aum", "confident_learning", "knn", "topofilter", "softmin", "random")


@dataclass(frozen=True)
class DetectionResult:
    """Predictions and detection scores of the trained model on its training set.

    Attributes:
        present: (N, C) bool, the classes that it predicts present; None without a head.
        document: For result.json: level -> detector -> scores or None, and the reasons for what is None.
        arrays: For detection.npz: what the scores were computed from, `level.detector` and `level.detector.selected`.
    """

    present: Array | None
    document: dict[str, Any]
    arrays: dict[str, Array]


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
        seen = collect(method, objective, samples.train)
        scored = method.score_samples(samples.train) if "loss" in seen.parts else None
    try:
        check_scores(scored, samples.train.num_samples)
    except ValueError as error:
        raise RunFailed(f"The scores of samples of the method {method.name!r}: {error}.") from error
    present = seen.get("present")
    own = {} if scored is None else {"images": scored.images, "labels": scored.labels}
    ours = {name: None if each is None else each.float().cpu().numpy() for name, each in own.items()}
    parts = {"the trained model's losses": [part for each in seen.parts.values() for part in each]}
    parts["the method's own scores"] = [each for each in ours.values() if each is not None]
    unusable = [what for what, found in parts.items() if not all(np.isfinite(each).all() for each in found)]
    if unusable:
        reason = f"{unusable[0]} are not all finite in evaluation mode"
        return DetectionResult(present, {"image": None, "label": None, "reasons": {"image": reason}}, {})
    losses, there = seen.get("label/loss"), seen.get("label/there")
    items = np.ones(samples.scene_labels.shape, dtype=bool) if there is None else there
    detectors, reasons = detectors_of(method, samples, seen, items, objective.task.predicts == "single")
    detectors["method"] = Detector(ours.get("images"), ours.get("labels"))
    rng = numpy_stream(seed, "detection")
    detectors["random"] = Detector(rng.random(len(items)), rng.random(int(items.sum())))
    if detectors["method"].images is None:
        reasons["method"] = "it does not score samples"
    arrays: dict[str, Array] = {}
    percents = dict.fromkeys(DETECTORS, slnir) | {"method": scored and scored.noisy_percent}
    chosen = {name: each.found_images(percents[name]) for name, each in detectors.items()}
    scores = {name: each.images for name, each in detectors.items()}
    document: dict[str, Any] = {"image": _scored("image", samples.noisy, scores, chosen, arrays)}
    document["label"] = None
    if losses is None or losses.shape != samples.wrong.shape:
        reasons["label"] = objective.task.no_labels
    else:
        wrong = samples.wrong[items]
        chosen = {name: each.found_labels(items, int(wrong.sum())) for name, each in detectors.items()}
        scores = {name: each.of_items(items) for name, each in detectors.items()}
        arrays["label.items"] = items
        document["label"] = _scored("label", wrong, scores, chosen, arrays)
    return DetectionResult(present, {**document, "reasons": reasons}, arrays)


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


def _scored(
    level: str, truth: Array, scores: dict[str, Any], selected: dict[str, Any], arrays: dict[str, Array]
) -> dict[str, Any]:
    """Evaluate each detector and keep its scores; random scores follow from the seed and are not kept."""
    arrays[f"{level}.wrong"] = truth
    found: dict[str, Any] = {}
    for name in DETECTORS:
        if scores.get(name) is None:
            # Only maps have pixels.
            found |= {} if name == "softmin" else {name: None}
            continue
        # Converted to the type in which they are stored, so that the record reproduces the same numbers.
        score = scores[name].astype(np.float32)
        found[name] = detection_scores(truth, score, selected[name])
        if name != "random":
            arrays[f"{level}.{name}"] = score
            if selected[name] is not None:
                arrays[f"{level}.{name}.selected"] = selected[name]
    return found
