"""Generalised cross entropy over scene labels: between BCE and mean absolute error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["BGCE"]


@register_loss()
class BGCE(Loss):
    """(1 - p_t^q) / q per class, mean over classes (Zhang and Sabuncu, NeurIPS 2018, eq. 6, with a sigmoid).

    p_t is the probability of the given label. q towards 0 is BCE, q = 1 is `bmae`. With `truncate`, labels of
    p_t up to it cost what they cost at it and send no gradient (eq. 8).
    """

    task = Classification

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of generalised cross entropy."""

        q: float = parameter(
            0.7,
            "from BCE (towards 0) to mean absolute error (1)",
            "Zhang and Sabuncu, Section 4.1",
            low=0,
            low_open=True,
            high=1,
            search=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0),
        )
        truncate: float = parameter(
            0.0,
            "probability of the given label up to which its cost is constant; 0: never",
            "ours; Zhang and Sabuncu's truncated form has 0.5",
            low=0,
            high=0.999,
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in {0, 1}; soft labels mix both costs."""
        return target * self._cost(prediction) + (1 - target) * self._cost(-prediction), None

    def _cost(self, logit: Tensor) -> Tensor:
        """Return the cost of what has the probability sigmoid(logit)."""
        q, floor = self.parameters.q, self.parameters.truncate
        # expm1 keeps the digits that 1 - p^q loses when q is small.
        cost = -torch.expm1(q * F.logsigmoid(logit)) / q
        return torch.where(torch.sigmoid(logit) <= floor, (1 - floor**q) / q, cost)
