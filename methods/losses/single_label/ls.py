"""Label smoothing over single labels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import label_smoothing
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["LS"]


@register_loss()
class LS(Loss):
    """Cross entropy against (1 - epsilon) one-hot + epsilon / C (Szegedy et al., CVPR 2016, Section 7); 0 is `ce`."""

    task = SingleLabel

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of label smoothing."""

        epsilon: float = parameter(
            0.1,
            "share of the target that is spread over all classes",
            "Szegedy et al., Section 7",
            low=0,
            high=1,
            search=(0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        return label_smoothing(prediction, target, self.parameters.epsilon)[:, None], None
