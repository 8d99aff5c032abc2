"""Normalised plus reverse cross entropy per pixel."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gridbench.methods.losses.segmentation.pixel_loss import PixelLoss
from gridbench.methods.losses.softmax import normalised_cross_entropy, reverse_cross_entropy
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["PNCERCE"]


@register_loss()
class PNCERCE(PixelLoss):
    """alpha NCE + beta RCE of each pixel's class, an active and a passive loss (Ma et al., ICML 2020)."""

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the active and the passive part."""

        alpha: float = parameter(
            1.0,
            "weight of the normalised cross entropy",
            "CIFAR-10 in HanxunH/Active-Passive-Losses; 10 for CIFAR-100",
            low=0,
            high=1000,
            search=(0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0),
        )
        beta: float = parameter(
            1.0,
            "weight of the reverse cross entropy",
            "CIFAR-10 in HanxunH/Active-Passive-Losses; 0.1 for CIFAR-100",
            low=0,
            high=1000,
        )

    def pixels(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return the (B, H, W) losses."""
        active = normalised_cross_entropy(logits, classes)
        passive = reverse_cross_entropy(logits, classes)
        losses: Tensor = self.parameters.alpha * active + self.parameters.beta * passive
        return losses
