"""Reference row: plain training on the clean labels, the score of a method that removes all label noise."""

from __future__ import annotations

from gridbench.methods.base import ANY_LOSS
from gridbench.methods.plain import Plain
from gridbench.registry import register_method

__all__ = ["Oracle"]


@register_method()
class Oracle(Plain):
    """Plain training that is handed the labels before corruption."""

    losses = ANY_LOSS
    labels = "clean"
