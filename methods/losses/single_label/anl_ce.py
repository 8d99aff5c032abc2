"""Active negative loss over single labels: normalised cross entropy, also of the complementary labels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import normalised_cross_entropy, normalised_negative_cross_entropy
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["ANLCE"]


@register_loss()
class ANLCE(Loss):
    """alpha NCE + beta NNCE (Ye et al., Active negative loss functions, NeurIPS 2023).

    NNCE = 1 - a_y / sum(a) with a = 16.12 + log max(p, 1e-7). The source adds 5e-5 (CIFAR-100: 5e-7) times the L1 norm
    of all weights, which no loss over predictions can; it is left out.
    """

    task = SingleLabel

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the active negative loss."""

        alpha: float = parameter(
            5.0,
            "weight of normalised cross entropy",
            "Virusdoll/Active-Negative-Loss, CIFAR-10; 10 for CIFAR-100",
            low=0,
            high=1000,
            search=(0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0),
        )
        beta: float = parameter(
            5.0,
            "weight of normalised negative cross entropy",
            "Virusdoll/Active-Negative-Loss, CIFAR-10; 1 for CIFAR-100",
            low=0,
            high=1000,
            search=(0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        p = self.parameters
        active = p.alpha * normalised_cross_entropy(prediction, target)
        return (active + p.beta * normalised_negative_cross_entropy(prediction, target))[:, None], None
