"""Symmetric cross entropy per pixel."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gridbench.methods.losses.segmentation.pixel_loss import PixelLoss
from gridbench.methods.losses.softmax import symmetric_cross_entropy
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["PSCE"]


@register_loss()
class PSCE(PixelLoss):
    """alpha CE + beta RCE of each pixel's class (Wang et al., ICCV 2019, eq. 7), mean over labelled pixels."""

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the symmetric cross entropy."""

        alpha: float = parameter(
            0.1,
            "weight of the cross entropy",
            "CIFAR-10 in HanxunH/Active-Passive-Losses; 6 for CIFAR-100",
            low=0,
            high=1000,
            search=(0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 4.0, 6.0, 10.0),
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
        return symmetric_cross_entropy(logits, classes, self.parameters.alpha, self.parameters.beta)
