"""Labels in arrays and tensors: which pixels have a class, and tensors as arrays (a leaf: standard library only)."""

from __future__ import annotations

from typing import Any

__all__ = ["IGNORE", "is_labelled", "on_host", "wrong_pixels"]

IGNORE = 255
"""Class id of pixels without a label."""


def is_labelled(maps: Any) -> Any:
    """Return which pixels of an array or tensor have a class: all but `IGNORE` and negative ones."""
    return (maps != IGNORE) & (maps >= 0)


def on_host(values: Any) -> Any:
    """Return a tensor of any device, layout and precision as an array, and anything else as it is."""
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:
        # NumPy has neither bfloat16 nor sparse arrays.
        return tensor.to_dense().float().numpy()


def wrong_pixels(given: Any, clean: Any) -> Any:
    """Return which pixels have another class in the clean map; where either is unlabelled, nothing is known."""
    return (given != clean) & is_labelled(given) & is_labelled(clean)
