"""GRID's routing: which samples of a mini-batch are noisy, and whose gradient reaches the backbone (Section III-C)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gridbench.core.percent import share_of

__all__ = ["Gate", "lowest_differences", "scaled", "split_batch"]


class _PassForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, gate: Gate) -> Tensor:
        ctx.gate = gate
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return ctx.gate.select(gradient), None


class Gate:
    """Lets the gradient of chosen samples through; which ones may be decided after the forward pass.

    It selects with `where` rather than by multiplying, so that a blocked sample with an infinite gradient does
    not turn the others into NaN.
    """

    def __init__(self) -> None:
        self._passing: Tensor | None = None

    def __call__(self, features: Tensor) -> Tensor:
        """Return `features` (B, ...) unchanged, gated on the way back."""
        gated: Tensor = _PassForward.apply(features, self)
        return gated

    def let_through(self, passing: Tensor) -> None:
        """Choose the samples, (B,) bool, whose gradient passes."""
        self._passing = passing

    def select(self, gradient: Tensor) -> Tensor:
        """Zero the gradient (B, ...) of the samples that do not pass.

        Raises:
            RuntimeError: `let_through` was not called before the backward pass.
        """
        if self._passing is None:
            raise RuntimeError("The gate needs to know which samples pass before the backward pass.")
        mask = self._passing.view(-1, *[1] * (gradient.ndim - 1))
        return torch.where(mask, gradient, 0.0)


def split_batch(discriminative: Tensor, generative: Tensor, percent: float) -> tuple[Tensor, Tensor]:
    """Flag the samples as noisy whose discriminative loss exceeds the generative one most (eqs. 8 to 10).

    Each head's losses are min-max scaled over the mini-batch on their own (all zero when they are all equal).
    Exactly floor(B * percent / 100) samples are flagged, where the paper's strict inequality would flag one less;
    among equal differences the earlier sample is flagged.

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
    """Select the clean samples, as many as are not noisy, in a search of their own, as GRID's published code does.

    Among equal differences the earlier sample is selected here, too, so that it may be both noisy and clean and a later
    one neither; without ties these are exactly the samples that are not noisy.

    Args:
        difference: (B,) differences in [-1, 1], as `split_batch` returns them.
        noisy: (B,) bool, the noisy samples W.

    Returns:
        (B,) bool, the clean samples.
    """
    order = torch.sort(difference, stable=True).indices
    clean = torch.zeros_like(noisy)
    clean[order[: len(difference) - int(noisy.sum())]] = True
    return clean


def scaled(losses: Tensor) -> Tensor:
    """Return losses (M,) min-max scaled to [0, 1], or zeros where they are all equal (eqs. 8 and 9)."""
    low, high = losses.min(), losses.max()
    return torch.where(high > low, (losses - low) / (high - low), 0.0)
