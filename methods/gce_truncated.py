"""Truncated GCE: generalised cross entropy that excludes images with improbable labels (NeurIPS 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gridbench.methods.base import Batch, Entries, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["TruncatedGCE"]


@register_method()
class TruncatedGCE(Plain):
    """Minimises w (GCE - (1 - k^q) / q), w = 1 for images whose label has a probability above k, else 0.

    Zhang and Sabuncu, Generalized cross entropy loss, NeurIPS 2018, Section 3.4. All images count at first; from a
    third of the run on w is decided anew every twelfth of it, as in AlanChou/Truncated-Loss (epoch 40 of 120, every
    10th). There, by the network that is best on the test set and on augmented images; here, by the network as it is.
    """

    losses: ClassVar[tuple[str, ...]] = ("gce",)
    because = "it truncates that very loss"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of truncation; q is the loss's."""

        k: float = parameter(
            0.5,
            "probability of its label up to which an image is left out",
            "Zhang and Sabuncu, Section 4.1",
            low=0,
            high=1,
            search=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        )
        first: float = parameter(
            100 / 3,
            "percent of the run's epochs before images are left out",
            "epoch 40 of 120",
            low=0,
            high=100,
        )
        every: float = parameter(
            100 / 12,
            "percent of the run's epochs between two decisions",
            "10 of 120 epochs",
            low=0,
            low_open=True,
            high=100,
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        # Epochs count from 0 here, and from 1 in the source.
        self.first = max(round(setup.epochs * self.p.first / 100) - 1, 1)
        self.every = max(round(setup.epochs * self.p.every / 100), 1)
        self.kept: Tensor
        self.register_buffer("kept", torch.ones(setup.num_samples, dtype=torch.bool))

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Recompute which images count."""
        if epoch >= self.first and (epoch - self.first) % self.every == 0:
            self.kept.copy_(train.apply(self._probability) > self.p.k)

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean loss, shifted by what it is at k; images that are left out count as zero."""
        prediction = self.predict(batch.images)
        losses, kept = self.objective.per_sample(prediction, batch), self.kept[batch.indices]
        q = self.objective.loss.parameters.q
        shifted = torch.where(kept, losses - (1 - self.p.k**q) / q, 0.0)
        score = 1 - self._of_label(prediction.detach(), batch)
        logs = {"kept": kept.float().mean()}
        return StepOutput(shifted.mean(), losses, score, ~kept, prediction.detach(), logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how improbable each label is, and the share of images left out."""
        (improbable,) = train.average(self._improbable)
        left_out = 100 * float((~self.kept).float().mean())
        return SampleScores(improbable.images, improbable.labels, left_out)

    def _improbable(self, batch: Batch) -> list[Entries]:
        return [(1 - self._probability(batch)[:, None], None)]

    def _probability(self, batch: Batch) -> Tensor:
        return self._of_label(self.predict(batch.images), batch)

    def _of_label(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the (B,) probabilities of the given labels."""
        probability = self.objective.task.probabilities(prediction.float())
        assert probability is not None, "truncation needs a task with probabilities"
        return (probability * batch.scene_labels).sum(1)
