"""Division of a mini-batch into clean and noisy samples by the losses of two heads (paper, Section III-C)."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.core.percent import share_of

__all__ = ["lowest_differences", "scaled", "split_batch"]


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
    difference = scaled(discriminative) - scaled(generative)
    count = share_of(len(difference), percent)
    order = torch.sort(difference, descending=True, stable=True).indices
    noisy = torch.zeros_like(difference, dtype=torch.bool)
    noisy[order[:count]] = True
    return noisy, difference


def lowest_differences(difference: Tensor, noisy: Tensor) -> Tensor:
    """Take as many samples for clean as are not noisy by a search of their own, as GRID's published code does.

    Among equal differences the earlier sample is taken here, too, so that it may be both noisy and clean and a later
    one neither; without ties these are exactly the samples that are not noisy.

    Args:
        difference: (B,) as `split_batch` gives it.
        noisy: (B,) bool, the noisy samples W.

    Returns:
        (B,) bool.
    """
    order = torch.sort(difference, stable=True).indices
    clean = torch.zeros_like(noisy)
    clean[order[: len(difference) - int(noisy.sum())]] = True
    return clean


def scaled(losses: Tensor) -> Tensor:
    """Return losses (M,) min-max scaled to [0, 1], or zeros where they are all equal (eqs. 8 and 9)."""
    low, high = losses.min(), losses.max()
    return torch.where(high > low, (losses - low) / (high - low), 0.0)
