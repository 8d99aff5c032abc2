"""Generalised cross entropy over single labels: between cross entropy and mean absolute error."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import generalised_cross_entropy
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["GCE"]


@register_loss()
class GCE(Loss):
    """(1 - p_y^q) / q (Zhang and Sabuncu, Generalized cross entropy, NeurIPS 2018, eq. 6).

    q towards 0 is `ce`, q = 1 is `mae`. Probabilities are clamped to at least 1e-7.
    """

    task = SingleLabel

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of generalised cross entropy."""

        q: float = parameter(
            0.7,
            "from cross entropy (towards 0) to mean absolute error (1)",
            "Zhang and Sabuncu, Section 4.1",
            low=0,
            low_open=True,
            high=1,
            search=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        return generalised_cross_entropy(prediction, target, self.parameters.q)[:, None], None
