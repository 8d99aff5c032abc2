"""LL-Cp: large-loss labels are corrected permanently (Kim et al., CVPR 2022)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gridbench.methods._large_loss import LargeLoss
from gridbench.methods.base import Batch, Setup
from gridbench.registry import register_method

__all__ = ["LLCp"]


@register_method()
class LLCp(LargeLoss):
    """Corrects suspected labels from the second epoch on, and keeps them corrected (eq. 8).

    As the paper defines it: published code tests the scheme with `is`, which is false for a name from the command line,
    and so runs LL-Ct; where it edits, it leaves out the k-th label. An epoch corrects the share delta of all labels.
    Where that is less than one label per step, ours: not every step corrects one, since a ceiling each time would
    correct several times the share.
    """

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.corrected: Tensor
        self.register_buffer("corrected", torch.zeros(setup.num_samples, setup.num_classes, dtype=torch.bool))

    def given_labels(self, batch: Batch) -> Tensor:
        """Return the given labels, the other way round where they were corrected."""
        labels = batch.scene_labels
        return torch.where(self.corrected[batch.indices], 1 - labels, labels)

    def count(self, labels: Tensor, batch: Batch) -> int:
        """Return how many labels this step corrects, so that the sum over the steps so far is the share's."""
        if batch.epoch < 1:
            return 0
        step = (batch.epoch - 1) * batch.num_steps + batch.step
        each = labels.numel() * self.step_share
        return math.ceil(each * (step + 1)) - math.ceil(each * step)

    def relabelled(
        self, losses: Tensor, prediction: Tensor, suspects: Tensor, labels: Tensor, batch: Batch
    ) -> Tensor:
        """Return the losses, those of suspects against the opposite label, which is theirs from now on."""
        self.corrected[batch.indices] ^= suspects
        opposite, _ = self.objective.loss.per_entry(prediction, 1 - labels)
        return torch.where(suspects, opposite, losses)
