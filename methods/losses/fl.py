"""Focal loss over scene labels, which down-weights easy entries."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["FL"]


@register_loss()
class FL(Loss):
    """-alpha_t (1 - p_t)^gamma log p_t per class, mean over classes (Lin et al., Focal loss, ICCV 2017, eq. 5).

    p_t is the predicted probability of what the label says, and alpha_t is alpha for present classes and 1 - alpha
    for absent ones. The loss is sigmoid per class in its source already, so nothing changes for several labels.
    """

    task = Classification

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the focal loss."""

        alpha: float | str = parameter(
            0.25,
            "weight of present classes; that of absent ones is 1 - alpha; none: no weights",
            "torchvision sigmoid_focal_loss and RSiM's RCML",
            low=0,
            high=1,
            words=("none",),
            search=(0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.9),
        )
        gamma: float = parameter(
            2.0,
            "how much less easy entries count",
            "torchvision sigmoid_focal_loss",
            low=0,
            high=100,
            search=(0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in {0, 1}."""
        towards_label = prediction * (2 * target - 1)
        # (1 - p_t)^gamma by its logarithm: no 0^0 and no infinite slope where an entry is certain.
        modulation = torch.exp(self.parameters.gamma * F.logsigmoid(-towards_label))
        losses = modulation * F.softplus(-towards_label)
        if self.parameters.alpha == "none":
            return losses, None
        alpha = self.parameters.alpha
        return (alpha * target + (1 - alpha) * (1 - target)) * losses, None
