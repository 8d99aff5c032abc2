"""Which pixels of a label map have a class (a leaf: standard library only)."""

from __future__ import annotations

from typing import Any

__all__ = ["IGNORE", "is_labelled", "wrong_pixels"]

IGNORE = 255
"""Class id of pixels without a label."""


def is_labelled(maps: Any) -> Any:
    """Return which pixels of an array or tensor have a class: all but `IGNORE` and negative ones."""
    return (maps != IGNORE) & (maps >= 0)


def wrong_pixels(given: Any, clean: Any) -> Any:
    """Return which pixels have another class in the clean map; where either is unlabelled, nothing is known."""
    return (given != clean) & is_labelled(given) & is_labelled(clean)
