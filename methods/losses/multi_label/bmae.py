"""Mean absolute error of the probability of each class."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification
from gridbench.registry import register_loss

__all__ = ["BMAE"]


@register_loss()
class BMAE(Loss):
    """|y - p| per class, mean over classes (Ghosh et al., AAAI 2017, with a sigmoid in place of the softmax).

    A wrong label costs at most 1, and a class that is hardly predicted gets hardly any gradient: rare classes are
    learnt late or never.
    """

    task = Classification

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in [0, 1]."""
        return (torch.sigmoid(prediction) - target).abs(), None
