"""Cross entropy per pixel plus the Dice loss of each image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.core.labels import IGNORE
from gridbench.methods.losses.segmentation.pixel_loss import PixelLoss
from gridbench.methods.losses.softmax import cross_entropy
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["PDiceCE", "dice"]


@register_loss()
class PDiceCE(PixelLoss):
    """Pixel-wise cross entropy plus soft Dice, the loss of CromSS (Liu et al., TGRS 2025).

    CromSS takes Dice over the batch; here each image has its own, since a method needs the loss of each sample. Every
    labelled pixel carries the Dice loss of its image, so the mean over them is the sum of the two.
    """

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the sum."""

        weight: float = parameter(
            1.0,
            "weight of the Dice loss",
            "zhu-xlab/CromSS",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0),
        )

    def pixels(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return the (B, H, W) cross entropies."""
        return cross_entropy(logits, classes)

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (B, H, W) losses of logits (B, C, H, W) against classes (B, H, W), and which pixels count."""
        losses, known = super().entries(prediction, target)
        return losses + self.parameters.weight * dice(prediction, target)[:, None, None], known


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return (B,): the mean over classes of 1 - 2 sum(p y) / sum(p + y) over an image's labelled pixels.

    A class that an image does not have costs 0 and is counted in the mean, as in zhu-xlab/CromSS.

    Args:
        logits: (B, C, H, W).
        target: (B, H, W) classes, 255 = ignore.
    """
    known = (target != IGNORE).unsqueeze(1)
    one_hot = F.one_hot(torch.where(target != IGNORE, target, 0), logits.shape[1]).movedim(3, 1)
    present = (one_hot * known).to(logits.dtype)
    probabilities = F.softmax(logits, 1) * known
    size = present.sum((2, 3))
    overlap = (probabilities * present).sum((2, 3))
    lost = 1 - 2 * overlap / (probabilities.sum((2, 3)) + size).clamp_min(1e-7)
    return torch.where(size > 0, lost, 0.0).mean(1)
