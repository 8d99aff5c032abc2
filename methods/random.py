"""Reference row: a random ranking, the chance level."""

from __future__ import annotations

from gridbench.methods.untrained import Untrained
from gridbench.registry import register_method

__all__ = ["Random"]


@register_method()
class Random(Untrained):
    """Every query's ranking is a random permutation of the archive."""

    ranking = "chance"
