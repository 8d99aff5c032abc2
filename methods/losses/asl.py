"""Asymmetric loss over scene labels, with stronger focusing and a probability shift for absent classes."""

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

__all__ = ["ASL"]

LOWEST = 1e-8
"""Probabilities are clamped to at least this much in logarithms, as in Alibaba-MIIL/ASL."""


@register_loss()
class ASL(Loss):
    """Asymmetric focusing with a probability margin (Ridnik et al., Asymmetric loss, ICCV 2021, eqs. 4 to 7).

    A present class costs -(1 - p)^gamma_positive log p, an absent one -q^gamma_negative log(1 - q) with
    q = max(p - margin, 0): an absent class below the margin costs nothing and sends no gradient. Mean over classes,
    where the source sums over classes and batch.
    """

    task = Classification

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the asymmetric loss."""

        gamma_negative: float = parameter(
            4.0,
            "how much less easy absent classes count",
            "Alibaba-MIIL/ASL, AsymmetricLoss",
            low=0,
            high=100,
            search=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0),
        )
        gamma_positive: float = parameter(
            1.0,
            "how much less easy present classes count",
            "Alibaba-MIIL/ASL, AsymmetricLoss",
            low=0,
            high=100,
            search=(0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0),
        )
        margin: float = parameter(
            0.05,
            "probability below which an absent class costs nothing",
            "Alibaba-MIIL/ASL, AsymmetricLoss",
            low=0,
            high=1,
            search=(0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3),
        )
        disable_grad: bool = parameter(
            False,
            "whether no gradient flows through the focusing weights; the value of the loss stays",
            "Alibaba-MIIL/ASL, AsymmetricLossOptimized; its other class says true",
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in {0, 1}."""
        p = self.parameters
        absent = torch.sigmoid(-prediction)
        shifted_absent = (absent + p.margin).clamp(LOWEST, 1.0)
        present_cost = -F.logsigmoid(prediction).clamp_min(math.log(LOWEST))
        absent_cost = -torch.log(shifted_absent)
        # The floor keeps the slope of a power below 1 finite; the cost beside it is zero there.
        present_weight = absent.clamp_min(LOWEST).pow(p.gamma_positive)
        absent_weight = (1 - shifted_absent).clamp_min(LOWEST).pow(p.gamma_negative)
        if p.disable_grad:
            present_weight, absent_weight = present_weight.detach(), absent_weight.detach()
        return target * present_weight * present_cost + (1 - target) * absent_weight * absent_cost, None
