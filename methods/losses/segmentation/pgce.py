"""Generalised cross entropy per pixel."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gridbench.methods.losses.segmentation.pixel_loss import PixelLoss
from gridbench.methods.losses.softmax import generalised_cross_entropy
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["PGCE"]


@register_loss()
class PGCE(PixelLoss):
    """(1 - p^q) / q of each pixel's class (Zhang and Sabuncu, NeurIPS 2018, eq. 6), mean over labelled pixels."""

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the generalised cross entropy."""

        q: float = parameter(
            0.7,
            "from cross entropy (towards 0) to mean absolute error (1)",
            "AlanChou/Truncated-Loss and HanxunH/Active-Passive-Losses",
            low=0,
            low_open=True,
            high=1,
            search=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        )

    def pixels(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return the (B, H, W) losses."""
        return generalised_cross_entropy(logits, classes, self.parameters.q)
