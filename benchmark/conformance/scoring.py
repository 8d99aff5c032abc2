"""Conformance checks for a trained method: its descriptors, its scores of training samples and its metrics."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.conformance.findings import Violation, first_difference, require
from gridbench.conformance.fixtures import CLASSES, SIDE
from gridbench.conformance.subject import Subject, training_view
from gridbench.evaluation.training_view import evaluating
from gridbench.methods.checks import check_scores

__all__ = ["describes_each_image_on_its_own", "is_scored", "scores_samples_repeatably"]


def describes_each_image_on_its_own(subject: Subject) -> None:
    """Descriptors are finite, do not depend on the other images, and describing changes nothing."""
    method = subject.built.method if subject.loss is None else subject.trained[0].method
    method.eval()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    images = subject.batch(6).images
    with torch.no_grad():
        together, alone = method.describe(images), method.describe(images[:1])
        prediction = method.predict(images)
    method.train()
    _require_descriptors(together, alone)
    changed = first_difference(before, dict(method.state_dict()))
    require(not changed, f"describing or predicting changes {changed!r}")
    if prediction is not None:
        task = subject.plan.loss.task(CLASSES, (SIDE, SIDE)) if subject.plan.loss else None
        present = task.present(prediction) if task else torch.empty(6, CLASSES)
        require(present.shape == (6, CLASSES), f"predict gives {tuple(prediction.shape)}, which fits no task")


def scores_samples_repeatably(subject: Subject) -> None:
    """The scores of its training samples have their shapes, draw nothing and change nothing."""
    method, train = subject.trained[0].method, training_view(subject.trained[0])
    before = {name: value.clone() for name, value in method.state_dict().items()}
    drawn = torch.get_rng_state()
    with evaluating(method):
        scores, again = method.score_samples(train), method.score_samples(train)
    different = (
        "score_samples draws random numbers or remembers; in evaluation it must give the same each time"
    )
    require(torch.equal(torch.get_rng_state(), drawn), different)
    changed = first_difference(before, dict(method.state_dict()))
    require(not changed, f"score_samples changes {changed!r}")
    if scores is None or again is None:
        require(scores is again, different)
        return
    for each in (scores, again):
        try:
            check_scores(each, train.num_samples)
        except ValueError as error:
            raise Violation(str(error)) from error
    for name in ("images", "labels"):
        values, repeated = getattr(scores, name), getattr(again, name)
        if values is None or repeated is None:
            require(values is repeated, different)
            continue
        require(bool(torch.isfinite(values.float()).all()), f"the scores of {name} are not finite")
        require(torch.equal(values, repeated), different)
    share = scores.noisy_percent
    require(share is None or 0 <= share <= 100, f"noisy_percent is {share}; a percentage is 0 to 100")


def is_scored(subject: Subject) -> None:
    """A trained method is scored."""
    experiment = subject.built if subject.loss is None else subject.trained[0]
    metrics = experiment.score().result["metrics"]
    wrong = {name: value for name, value in metrics.items() if not 0 <= value <= 1 + 1e-9}
    require(not wrong, f"its scores are not shares: {wrong}")
    require(len(experiment.weights()) > 0, "it has no weights to keep")


def _require_descriptors(together: Tensor, alone: Tensor) -> None:
    require(together.ndim == 2, f"descriptors have the shape {tuple(together.shape)} and must be (B, D)")
    require(len(together) == 6, f"6 images give {len(together)} descriptors")
    require(torch.isfinite(together).all(), "descriptors are not finite")
    require(
        torch.allclose(together[:1], alone, rtol=1e-4, atol=1e-5),
        "an image's descriptor depends on the images beside it, even in evaluation mode",
    )
