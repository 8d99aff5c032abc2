"""A switch on the way back: features pass unchanged, their gradient only for chosen samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["Gate"]


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
