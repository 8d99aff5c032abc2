"""Plain training with the focal loss (paper, Tables V and VI)."""

from __future__ import annotations

from gridbench.methods.plain import Plain
from gridbench.registry import register_method

__all__ = ["FL"]


@register_method()
class FL(Plain):
    """Discriminative training on scene labels with the focal loss."""

    losses = ("fl",)
