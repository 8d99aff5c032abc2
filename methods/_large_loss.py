"""Shared part of LL-R, LL-Ct and LL-Cp: selection of the large-loss labels of a mini-batch."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from gridbench.methods.base import Batch, Entries, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter

__all__ = ["LargeLoss"]


class LargeLoss(Plain):
    """Large loss matters (Kim et al., CVPR 2022): absent labels of the largest losses are treated as missing ones.

    Of the absent labels of a mini-batch, those with the k largest losses are suspected: k = ceil(B C e delta) in
    epoch e from 0 (eq. 6). delta is given by the share of all labels that is suspected in the last epoch, so that runs
    of another length suspect as many. Exactly k are suspected, the earlier of equal ones, and never a present label
    (published code takes all that equal the k-th, and present ones where absent ones run out).
    """

    losses = ("bce",)
    because = "it decides entry by entry whether an absent label counts as present, for binary cross entropy"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the large-loss methods."""

        share: float = parameter(
            1.8,
            "labels that are suspected in the last epoch, percent of a mini-batch's",
            "Kim et al.: delta = 0.2 percent over ten epochs",
            low=0,
            high=100,
            search=(0.5, 1.0, 1.8, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0),
        )
        sides: str = parameter(
            "absent",
            "whether absent labels alone are suspected, or both absent and present ones",
            "Kim et al.; both: ours, as noise may add labels, too",
            choices=("absent", "both"),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        # Exact, as ceilings of floating-point products suspect one label too many in every epoch.
        self.step_share = Fraction(str(self.p.share)) / 100 / max(setup.epochs - 1, 1)

    def given_labels(self, batch: Batch) -> Tensor:
        """Return the (B, C) labels used for selection and training."""
        return batch.scene_labels

    def count(self, labels: Tensor, batch: Batch) -> int:
        """Return how many of the (B, C) labels of a mini-batch are suspected."""
        return math.ceil(labels.numel() * batch.epoch * self.step_share)

    @abstractmethod
    def relabelled(
        self, losses: Tensor, prediction: Tensor, suspects: Tensor, labels: Tensor, batch: Batch
    ) -> Tensor:
        """Return the (B, C) losses with those of the suspects replaced.

        Args:
            losses: (B, C) losses against the labels.
            prediction: (B, C) logits.
            suspects: (B, C) bool.
            labels: (B, C) labels in {0, 1}.
            batch: The mini-batch.
        """

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean over all labels of the mini-batch, those whose loss was set to 0 included."""
        prediction = self.predict(batch.images)
        labels = self.given_labels(batch)
        losses, _ = self.objective.loss.per_entry(prediction, labels)
        eligible = self._eligible(losses.detach(), labels)
        suspects = self._largest(eligible, self.count(labels, batch))
        kept = self.relabelled(losses, prediction, suspects, labels, batch)
        logs = {"suspected_labels": suspects.float().mean()}
        score = eligible.clamp_min(0).mean(1)
        return StepOutput(kept.mean(), kept.mean(1), score, suspects.any(1), prediction.detach(), logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return the losses by which labels are suspected, 0 for those that never are, and the means of images."""
        (scores,) = train.average(self._entries)
        return SampleScores(scores.images, scores.labels)

    def _entries(self, batch: Batch) -> list[Entries]:
        labels = batch.scene_labels
        losses, _ = self.objective.loss.per_entry(self.predict(batch.images), labels)
        return [(self._eligible(losses, labels).clamp_min(0), None)]

    def _eligible(self, losses: Tensor, labels: Tensor) -> Tensor:
        """Return the (B, C) losses of labels that may be suspected, and -1 for the others."""
        return losses if self.p.sides == "both" else torch.where(labels > 0, -1.0, losses)

    def _largest(self, eligible: Tensor, count: int) -> Tensor:
        """Return (B, C) bool: the `count` largest values, or all that are not negative if there are fewer."""
        flat = eligible.flatten()
        suspects = torch.zeros_like(flat, dtype=torch.bool)
        suspects[torch.sort(flat, descending=True, stable=True).indices[:count]] = True
        return (suspects & (flat >= 0)).reshape(eligible.shape)
