"""Hill loss over scene labels: absent classes with confident positive predictions are down-weighted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["Hill", "ShiftedFocalParameters"]

SMALLEST = 1e-8
"""Keeps the slope of a power below 1 finite."""


@dataclass(frozen=True)
class ShiftedFocalParameters:
    """Parameters of a focal loss with a margin of present classes."""

    margin: float = parameter(
        1.0,
        "by how much the logit of a present class is lowered",
        "xinyu1205/robust-loss-mlml",
        low=-100,
        high=100,
        search=(0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0),
    )
    gamma: float = parameter(
        2.0, "how much less easy labels count", "xinyu1205/robust-loss-mlml", low=0, high=100
    )


@register_loss()
class Hill(Loss):
    """Hill for absent classes, a shifted focal loss for present ones (Zhang et al., arXiv 2112.07368, Section 3).

    Absent: (lambda - p) p^2, whose gradient vanishes where p nears 1 with lambda = 1.5. Present:
    -(1 - q)^gamma log q with q = sigmoid(x - margin). Mean over classes, where the source sums over classes and batch.
    """

    task = Classification

    @dataclass(frozen=True)
    class Parameters(ShiftedFocalParameters):
        """Parameters of the Hill loss."""

        hill: float = parameter(
            1.5,
            "lambda: where the cost of an absent class turns down",
            "xinyu1205/robust-loss-mlml",
            low=0,
            high=100,
            search=(1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0, 3.0),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in {0, 1}."""
        p = self.parameters
        shifted = prediction - p.margin
        # The source takes the logarithm of a sigmoid, which is infinite for logits below -102 in float32.
        present = -torch.sigmoid(-shifted).clamp_min(SMALLEST).pow(p.gamma) * F.logsigmoid(shifted)
        probability = torch.sigmoid(prediction)
        absent = (p.hill - probability) * probability.square()
        return target * present + (1 - target) * absent, None
