"""Normalised and reverse cross entropy over single labels: an active and a passive loss."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import normalised_cross_entropy, reverse_cross_entropy
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["NCERCE"]


@register_loss()
class NCERCE(Loss):
    """alpha NCE + beta RCE (Ma et al., Normalized loss functions, ICML 2020, Section 3.3).

    Its source trains with gradients clipped to a norm of 5 (`--clip-norm 5`).
    """

    task = SingleLabel

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the active passive loss."""

        alpha: float = parameter(
            1.0,
            "weight of normalised cross entropy",
            "Ma et al., CIFAR-10; 10 for CIFAR-100",
            low=0,
            high=1000,
            search=(0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0),
        )
        beta: float = parameter(
            1.0,
            "weight of reverse cross entropy",
            "Ma et al., CIFAR-10; 0.1 for CIFAR-100",
            low=0,
            high=1000,
            search=(0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        p = self.parameters
        active = p.alpha * normalised_cross_entropy(prediction, target)
        return (active + p.beta * reverse_cross_entropy(prediction, target))[:, None], None
