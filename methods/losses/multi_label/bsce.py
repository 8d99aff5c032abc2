"""Symmetric cross entropy over scene labels: BCE and its reverse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["BSCE"]

LOG_OF_ZERO = math.log(1e-4)
"""What stands for log 0 of a label, as in Wang et al. (A = -4 there, of base 10) and HanxunH/Active-Passive-Losses."""


@register_loss()
class BSCE(Loss):
    """alpha BCE + beta RCE per class, mean over classes (Wang et al., ICCV 2019, with a sigmoid).

    RCE exchanges labels and probabilities: -[p log y + (1 - p) log(1 - y)], which is 9.21 |y - p| for log 0 = log 1e-4.
    """

    task = Classification

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of symmetric cross entropy."""

        alpha: float = parameter(
            1.0,
            "weight of BCE",
            "ours; the paper's values for one label per image are 0.1 (CIFAR-10) and 6 (CIFAR-100)",
            low=0,
            high=1000,
            search=(0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 4.0, 6.0, 10.0),
        )
        beta: float = parameter(
            0.1,
            "weight of the reverse",
            "Wang et al., CIFAR-100; 1 for CIFAR-10",
            low=0,
            high=1000,
            search=(0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in [0, 1]."""
        forward = F.binary_cross_entropy_with_logits(prediction, target, reduction="none")
        reverse = -LOG_OF_ZERO * (torch.sigmoid(prediction) - target).abs()
        return self.parameters.alpha * forward + self.parameters.beta * reverse, None
