"""Plain training with pixel-wise cross entropy, baseline of the second scenario (paper, Tables VII, VIII)."""

from __future__ import annotations

from gridbench.methods.plain import Plain
from gridbench.registry import register_method

__all__ = ["PCE"]


@register_method()
class PCE(Plain):
    """Discriminative training on label maps with pixel-wise cross entropy."""

    losses = ("pce",)
