"""Division of a mini-batch into clean and noisy samples by the losses of two heads (paper, Section III-C)."""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor

__all__ = ["split_batch"]


def split_batch(discriminative: Tensor, generative: Tensor, percent: float) -> tuple[Tensor, Tensor]:
    """Take the samples whose discriminative loss exceeds the generative one most for noisy (eqs. 8 to 10).

    Each head's losses are min-max scaled over the mini-batch on their own (all zero when they are all equal).
    Exactly floor(B * percent / 100) samples are taken, where the paper's strict inequality would take one less;
    among equal differences the earlier sample is taken.

    Args:
        discriminative: (B,) detached losses of the discriminative head.
        generative: (B,) detached losses of the generative head.
        percent: Lambda in percent, 0 to 100.

    Returns:
        (B,) bool, the noisy samples W, and (B,) the differences in [-1, 1].
    """
    difference = _scaled(discriminative) - _scaled(generative)
    count = int(len(difference) * Fraction(str(percent)) // 100)
    order = torch.sort(difference, descending=True, stable=True).indices
    noisy = torch.zeros_like(difference, dtype=torch.bool)
    noisy[order[:count]] = True
    return noisy, difference


def _scaled(losses: Tensor) -> Tensor:
    low, high = losses.min(), losses.max()
    return torch.where(high > low, (losses - low) / (high - low), 0.0)
