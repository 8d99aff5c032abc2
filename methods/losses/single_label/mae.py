"""Mean absolute error over single labels."""

from __future__ import annotations

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import mean_absolute_error
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.registry import register_loss

__all__ = ["MAE"]


@register_loss()
class MAE(Loss):
    """1 - p_y, half the L1 distance to the one-hot label (Ghosh et al., AAAI 2017)."""

    task = SingleLabel

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        return mean_absolute_error(prediction, target)[:, None], None
