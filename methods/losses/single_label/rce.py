"""Reverse cross entropy over single labels."""

from __future__ import annotations

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import reverse_cross_entropy
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.registry import register_loss

__all__ = ["RCE"]


@register_loss()
class RCE(Loss):
    """9.21 (1 - p_y): cross entropy with label and prediction exchanged (Wang et al., ICCV 2019, eq. 6).

    log 0 stands for log 1e-4, as in HanxunH/Active-Passive-Losses; the factor acts on the learning rate of plain SGD.
    """

    task = SingleLabel

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        return reverse_cross_entropy(prediction, target)[:, None], None
