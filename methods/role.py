"""ROLE: regularised online label estimation (Cole et al., CVPR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gridbench.methods.base import (
    Batch,
    Entries,
    ParameterGroup,
    SampleScores,
    Setup,
    StepOutput,
    TrainingView,
)
from gridbench.methods.losses.multi_label.an_ls import negative_log
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["ROLE", "role_loss"]

PRESENT, ABSENT = 0.995, 0.6
"""Estimates begin at PRESENT where a label is given, and within 1 - ABSENT and ABSENT elsewhere, as in its code."""


@register_method()
class ROLE(Plain):
    """Trains a table of label estimates with the network; each is pulled to the other and to the given present labels.

    Absent labels are treated as unknown; both are held to an expected number of present labels (eqs. 6 to 9). Retrieval
    compares the network's descriptors, never the estimates. One dense Adam updates both, so that momentum moves the
    estimates of images that are not in the mini-batch, too, as in published code.
    """

    losses = ("bce",)
    because = "it has a loss of its own, between probabilities and estimates of several labels"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of ROLE."""

        expected: float | None = parameter(
            None,
            "present labels of an image; unset: the mean number of given ones",
            "ours; Cole et al. count clean labels, which noise that removes and adds leaves as many of",
            low=0,
            high=100_000,
            search=(0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 7.0),
        )
        rate_factor: float = parameter(
            10.0,
            "factor on the learning rate of the estimates",
            "elijahcole/single-positive-multi-label",
            low=0,
            high=100_000,
            search=(0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.estimates = nn.Parameter(torch.zeros(setup.num_samples, setup.num_classes))
        self.expected: Tensor
        self.register_buffer("expected", torch.tensor(self.p.expected or 0.0))

    def start(self, train: TrainingView) -> None:
        """Begin with estimates that are near to present labels and undecided elsewhere."""
        given = train.scene_labels
        share = torch.rand(given.shape, generator=train.generator, device=train.generator.device)
        undecided = ((2 * share - 1) * _logit(ABSENT)).to(given)
        with torch.no_grad():
            self.estimates.copy_(torch.where(given > 0, _logit(PRESENT), undecided))
        if self.p.expected is None:
            self.expected.copy_(given.sum(1).mean())

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the networks, and the estimates with a learning rate of their own."""
        networks = [*self.backbone.parameters(), *self.head.parameters()]
        estimates = ParameterGroup("estimates", [self.estimates], self.p.rate_factor, weight_decay=0.0)
        return [ParameterGroup("networks", networks), estimates]

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean of both sides' losses and of both sides' regularisations."""
        prediction = self.predict(batch.images)
        probability, estimate = prediction.float().sigmoid(), self.estimates[batch.indices].sigmoid()
        loss = role_loss(probability, estimate, batch.scene_labels, self.expected)
        losses = self.objective.per_sample(prediction, batch)
        score = (batch.scene_labels - estimate.detach()).abs().mean(1)
        logs = {"estimated_labels": estimate.detach().sum(1).mean()}
        return StepOutput(loss, losses.detach(), score, prediction=prediction.detach(), logs=logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how far the estimate of each label is from it, and the means of images."""
        (distance,) = train.average(self._distance)
        return SampleScores(distance.images, distance.labels)

    def _distance(self, batch: Batch) -> list[Entries]:
        return [((self.estimates[batch.indices].sigmoid() - batch.scene_labels).abs(), None)]


def role_loss(probability: Tensor, estimate: Tensor, labels: Tensor, expected: Tensor | float) -> Tensor:
    """Return ROLE's loss, symmetric in predictions and estimates.

    Args:
        probability: (B, C) of the network.
        estimate: (B, C) of the table.
        labels: (B, C) given labels in {0, 1}, of which those that are 1 count.
        expected: Present labels of an image.
    """
    total = probability.new_zeros(())
    for learner, teacher in ((probability, estimate.detach()), (estimate, probability.detach())):
        known = labels * negative_log(learner)
        agreement = teacher * negative_log(learner) + (1 - teacher) * negative_log(1 - learner)
        excess = (learner.sum(1).mean() - expected) / labels.shape[1]
        total = total + (known + agreement).mean() / 2 + excess.square() / 2
    return total


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
