"""NAR: noise-adaptive regularisation by revising labels each epoch (Burgert et al., arXiv 2601.08446)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gridbench.methods.base import Batch, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.elr import CERTAIN
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["NAR", "revise"]

COMMON = 0.2
"""Present labels are revised of classes that more than this share of the images has, as in tomburgert/nar_mlc."""


@register_method()
class NAR(Plain):
    """Flips or leaves out labels that contradict what was predicted of them in the epoch before.

    Each epoch starts from the given labels again: an absent label counts as present above one probability and is left
    out above a lower one, a present label the other way round. With `elr`, the term of early-learning regularisation is
    added. As tomburgert/nar_mlc has it (the paper's thresholds by type of noise are not in it).
    """

    losses = ("bce",)
    because = "it weights single entries of binary cross entropy"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of NAR."""

        flip_absent: float = parameter(
            0.94,
            "probability above which an absent label becomes present; 1: never",
            "tomburgert/nar_mlc, README",
            low=0,
            high=1,
            search=(0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 1.0),
        )
        ignore_absent: float = parameter(
            0.54,
            "probability above which an absent label is left out; 1: never",
            "tomburgert/nar_mlc, README",
            low=0,
            high=1,
            search=(0.3, 0.4, 0.5, 0.54, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
        )
        flip_present: float | str = parameter(
            0.06,
            "probability below which a present label becomes absent; 0: never; cw: its class's share of the images / 3 "
            "- 0.05",
            "ours, the counterpart of flip_absent; 0 in nar_mlc",
            low=0,
            high=1,
            words=("cw",),
            search=(0.0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3),
        )
        ignore_present: float | str = parameter(
            0.2,
            "probability below which a present label is left out; 0: never; cw: its class's share of the images - 0.05",
            "tomburgert/nar_mlc, README; cw is its default",
            low=0,
            high=1,
            words=("cw",),
            search=(0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        )
        elr: float = parameter(
            0.0,
            "weight of early-learning regularisation",
            "ours; 3 in nar_mlc, where predictions may run away (see elr)",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 7.0),
        )
        beta: float = parameter(
            0.7, "share of the old in each update of its targets", "tomburgert/nar_mlc", low=0, high=1
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        size = setup.num_samples, setup.num_classes
        self.seen: Tensor
        self.revised: Tensor
        self.weights: Tensor
        self.targets: Tensor
        for name in ("seen", "revised", "weights", "targets"):
            self.register_buffer(name, torch.zeros(size))

    def start(self, train: TrainingView) -> None:
        """Begin with the given labels, each of which counts."""
        self.revised.copy_(train.scene_labels)
        self.weights.fill_(1)

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Revise the labels by what was predicted of each image in the epoch before."""
        if epoch > 0:
            labels, weights = revise(train.scene_labels.to(self.seen), self.seen, self.p)
            self.revised.copy_(labels)
            self.weights.copy_(weights)

    def step(self, batch: Batch) -> StepOutput:
        """Return the weighted mean loss against the revised labels."""
        prediction = self.predict(batch.images)
        probability = prediction.float().sigmoid()
        at = batch.indices
        self.seen[at] = probability.detach()
        labels, weights = self.revised[at], self.weights[at]
        losses, _ = self.objective.per_entry(prediction, replace(batch, scene_labels=labels))
        losses = weights * losses
        loss = losses.mean()
        if self.p.elr > 0:
            bounded = probability.clamp(1 - CERTAIN, CERTAIN)
            targets = self.p.beta * self.targets[at] + (1 - self.p.beta) * bounded.detach()
            self.targets[at] = targets
            loss = loss + self.p.elr * (weights * torch.log(1 - targets * bounded)).mean()
        doubted = (labels != batch.scene_labels) | (weights == 0)
        score = (probability.detach() - batch.scene_labels).abs().mean(1)
        logs = {"revised_labels": doubted.float().mean()}
        return StepOutput(loss, losses.mean(1), score, doubted.any(1), prediction.detach(), logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how far what was last predicted of each label is from it, and the means of images."""
        (far,) = train.average(lambda batch: [((self.seen[batch.indices] - batch.scene_labels).abs(), None)])
        return SampleScores(far.images, far.labels)


def revise(given: Tensor, probability: Tensor, p: Any) -> tuple[Tensor, Tensor]:
    """Return the (N, C) revised labels and the (N, C) weights in {0, 1} of an epoch.

    Args:
        given: (N, C) labels in {0, 1}.
        probability: (N, C) what was predicted of them.
        p: The method's parameters.
    """
    labels, weights = given.clone(), torch.ones_like(given)
    share = given.mean(0)
    # Classes without any label in the training set are never added.
    absent = (given == 0) & (share > 0)
    labels[absent & (probability > p.flip_absent)] = 1
    weights[absent & (probability > p.ignore_absent) & (probability <= p.flip_absent)] = 0

    present = (given == 1) & (share > COMMON)
    after = labels.mean(0)
    flip = after / 3 - 0.05 if p.flip_present == "cw" else p.flip_present
    ignore = after - 0.05 if p.ignore_present == "cw" else p.ignore_present
    labels[present & (probability < flip)] = 0
    weights[present & (probability < ignore) & (probability >= flip)] = 0
    return labels, weights
