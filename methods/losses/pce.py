"""Pixel-wise cross entropy over label maps."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from gridbench.core.labels import IGNORE
from gridbench.methods.base import Loss
from gridbench.methods.tasks.segmentation import Segmentation
from gridbench.registry import register_loss

__all__ = ["PCE"]


@register_loss()
class PCE(Loss):
    """-log softmax of the labelled class per pixel, mean over labelled pixels (paper, Section IV-B: L_PCE)."""

    task = Segmentation
    lambda_percent = 10.0

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (B, H, W) losses of logits (B, C, H, W) against classes (B, H, W), and which pixels count."""
        losses = F.cross_entropy(prediction, target, ignore_index=IGNORE, reduction="none")
        return losses, target != IGNORE
