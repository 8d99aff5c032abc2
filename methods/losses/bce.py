"""Binary cross entropy over scene labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification
from gridbench.registry import register_loss

__all__ = ["BCE"]


@register_loss()
class BCE(Loss):
    """softplus(x) - y x per class, mean over classes (paper, Section IV-B: L_BCE)."""

    task = Classification

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in {0, 1}."""
        return F.binary_cross_entropy_with_logits(prediction, target, reduction="none"), None
