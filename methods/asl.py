"""Plain training with the asymmetric loss (paper, Tables V and VI)."""

from __future__ import annotations

from gridbench.methods.plain import Plain
from gridbench.registry import register_method

__all__ = ["ASL"]


@register_method()
class ASL(Plain):
    """Discriminative training on scene labels with the asymmetric loss."""

    losses = ("asl",)
