"""Cross entropy over single labels."""

from __future__ import annotations

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import cross_entropy
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.registry import register_loss

__all__ = ["CE"]


@register_loss()
class CE(Loss):
    """-log p_y, where p is the softmax of the logits and y the class of the image."""

    task = SingleLabel

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        return cross_entropy(prediction, target)[:, None], None
