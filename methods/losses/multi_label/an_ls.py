"""Assume-negative loss with label smoothing: cross entropy for incomplete annotations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["AssumedNegativesSmoothed", "negative_log"]


def negative_log(probability: Tensor) -> Tensor:
    """Return -log(p + 1e-5), at most 11.5, as elijahcole/single-positive-multi-label and Correr-Zhou's code have it."""
    return -torch.log(probability + 1e-5)


@register_loss()
class AssumedNegativesSmoothed(Loss):
    """(1 - epsilon) n(p_t) + epsilon n(1 - p_t) per class, mean over classes (Cole et al., CVPR 2021, eq. 4).

    n(z) = -log(z + 1e-5), and p_t is the probability of the given label.
    """

    task = Classification

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of label smoothing."""

        epsilon: float = parameter(
            0.1,
            "share of each label that is given to its opposite",
            "elijahcole/single-positive-multi-label",
            low=0,
            high=0.5,
            search=(0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in [0, 1]."""
        epsilon = self.parameters.epsilon
        smooth = target * (1 - epsilon) + (1 - target) * epsilon
        present, absent = (negative_log(torch.sigmoid(logit)) for logit in (prediction, -prediction))
        return smooth * present + (1 - smooth) * absent, None
