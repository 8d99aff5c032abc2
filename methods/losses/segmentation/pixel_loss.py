"""Base class of pixel-wise softmax losses: mask of labelled pixels, and the share of noisy images for GRID."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from gridbench.core.labels import IGNORE
from gridbench.methods.base import Loss
from gridbench.methods.tasks.segmentation import Segmentation

__all__ = ["PixelLoss"]


class PixelLoss(Loss):
    """A loss of each labelled pixel, averaged over the labelled pixels of an image."""

    task = Segmentation
    # As pixel-wise cross entropy; GRID's paper (Section V-A) has no other loss over label maps of this kind.
    lambda_percent = 10.0

    @abstractmethod
    def pixels(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return the (B, H, W) losses of logits (B, C, H, W) against classes (B, H, W) from 0 to C - 1."""

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (B, H, W) losses of logits (B, C, H, W) against classes (B, H, W), and which pixels count."""
        known = target != IGNORE
        return self.pixels(prediction, torch.where(known, target, 0)), known
