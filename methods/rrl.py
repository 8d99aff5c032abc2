"""Plain training with region representation learning, baseline of the second scenario (paper, Tables VII, VIII)."""

from __future__ import annotations

from gridbench.methods.plain import Plain
from gridbench.registry import register_method

__all__ = ["RRL"]


@register_method()
class RRL(Plain):
    """Discriminative training on the class co-occurrence graphs of label maps."""

    losses = ("rrl",)
