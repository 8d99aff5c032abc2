"""SPLC: self-paced loss correction (Zhang et al., arXiv 2112.07368)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods.base import Batch, Entries, SampleScores, StepOutput, TrainingView
from gridbench.methods.losses.multi_label.hill import ShiftedFocalParameters
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["SPLC", "corrected_focal_loss"]


@register_method()
class SPLC(Plain):
    """Treats absent labels that are predicted with confidence as present, in a focal loss with a margin.

    After the warm-up, an absent label of probability above tau counts as present in this step only (eq. 9). Given
    present labels are compared at a logit lowered by the margin. Mean over classes and batch, where the source sums.
    """

    losses = ("bce",)
    because = "it has a loss of its own, a focal form of binary cross entropy"
    recipe: ClassVar[Mapping[str, Any]] = {
        # xinyu1205/robust-loss-mlml, train.py for COCO; stopped there after 31 of the schedule's 80 epochs.
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "schedule": "onecycle",
        "weight_decay": 1e-4,
        "batch_size": 128,
        "epochs": 80,
        "augment": "strong",
        "ema": 0.9997,
    }

    @dataclass(frozen=True)
    class Parameters(ShiftedFocalParameters):
        """Parameters of SPLC."""

        tau: float = parameter(
            0.6,
            "probability above which an absent label counts as present; 1: never",
            "xinyu1205/robust-loss-mlml",
            low=0,
            high=1,
            search=(0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
        )
        warm_up: int = parameter(
            1,
            "epochs before the first correction",
            "xinyu1205/robust-loss-mlml, which corrects from the second epoch on",
            low=0,
            high=100_000,
        )

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean loss against the labels as corrected by this very prediction."""
        prediction = self.predict(batch.images)
        labels = batch.scene_labels
        tau = self.p.tau if batch.epoch >= self.p.warm_up else 1.0
        losses, corrected = corrected_focal_loss(prediction.float(), labels, tau, self.p.margin, self.p.gamma)
        shown = prediction.detach()
        per_image = losses.mean(1)
        score = (torch.sigmoid(shown.float()) - labels).abs().mean(1)
        logs = {"corrected_labels": corrected.float().mean()}
        return StepOutput(per_image.mean(), per_image, score, corrected.any(1), shown, logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return the distance of each label from its prediction, and its mean over each image."""
        (distance,) = train.average(self._distance)
        return SampleScores(distance.images, distance.labels)

    def _distance(self, batch: Batch) -> list[Entries]:
        return [((torch.sigmoid(self.predict(batch.images).float()) - batch.scene_labels).abs(), None)]


def corrected_focal_loss(
    logits: Tensor, labels: Tensor, tau: float, margin: float, gamma: float
) -> tuple[Tensor, Tensor]:
    """Return the (B, C) focal losses against corrected labels, and (B, C) bool, which labels were corrected.

    Args:
        logits: (B, C).
        labels: (B, C) in {0, 1}.
        tau: Probability above which an absent label counts as present, 0 to 1.
        margin: By how much the logit of a given present class is lowered.
        gamma: Exponent of the focal weight, which carries gradient; at least 0.
    """
    shifted = torch.where(labels > 0, logits - margin, logits)
    corrected = (labels == 0) & (torch.sigmoid(shifted.detach()) > tau)
    targets = torch.where(corrected, 1.0, labels)
    cost = F.binary_cross_entropy_with_logits(shifted, targets, reduction="none")
    wrong = torch.sigmoid(torch.where(targets > 0, -shifted, shifted))
    # The floor keeps the slope of a power below 1 finite.
    return wrong.clamp_min(1e-8).pow(gamma) * cost, corrected
