"""Region representation learning: squared error over the class co-occurrence graph."""

from __future__ import annotations

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.tasks.cooccurrence import Cooccurrence
from gridbench.registry import register_loss

__all__ = ["RRL"]


@register_loss()
class RRL(Loss):
    """Squared error per edge, mean over the C(C+1)/2 edges (paper, Section IV-B: L_RRL)."""

    task = Cooccurrence
    lambda_percent = 10.0

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C(C+1)/2) squared errors of predicted against true weights of the graph."""
        return (prediction - target).square(), None
