"""Symmetric cross entropy over single labels: cross entropy and its reverse."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.softmax import symmetric_cross_entropy
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["SCE"]


@register_loss()
class SCE(Loss):
    """alpha CE + beta RCE (Wang et al., Symmetric cross entropy, ICCV 2019, eq. 7). alpha 1, beta 0 is `ce`."""

    task = SingleLabel

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of symmetric cross entropy."""

        alpha: float = parameter(
            0.1,
            "weight of cross entropy",
            "Wang et al., CIFAR-10; 6 for CIFAR-100",
            low=0,
            high=1000,
            search=(0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 4.0, 6.0, 10.0),
        )
        beta: float = parameter(
            1.0,
            "weight of the reverse",
            "Wang et al., CIFAR-10; 0.1 for CIFAR-100",
            low=0,
            high=1000,
            search=(0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, 1) losses of logits (B, C) against classes (B,)."""
        p = self.parameters
        return symmetric_cross_entropy(prediction, target, p.alpha, p.beta)[:, None], None
