"""Normalised cross entropy over single labels."""

from __future__ import annotations

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import normalised_cross_entropy
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.registry import register_loss

__all__ = ["NCE"]


@register_loss()
class NCE(Loss):
    """log p_y over the sum of log p of all classes (Ma et al., Normalized loss functions, ICML 2020, eq. 5).

    The gradient goes through numerator and denominator.
    """

    task = SingleLabel

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        return normalised_cross_entropy(prediction, target)[:, None], None
