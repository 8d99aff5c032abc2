"""Plain training with binary cross entropy, the baseline of the first scenario (paper, Tables V and VI)."""

from __future__ import annotations

from gridbench.methods.plain import Plain
from gridbench.registry import register_method

__all__ = ["BCE"]


@register_method()
class BCE(Plain):
    """Discriminative training on scene labels with BCE."""

    losses = ("bce",)
