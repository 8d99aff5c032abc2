"""Computations of AIO2: objects missing from the labels, and the epoch from which predictions are trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["added_objects", "softened", "transition_has_ended"]

TOUCHING = np.ones((3, 3), dtype=bool)
"""Pixels belong to one object that touch at their sides or corners."""


def added_objects(predicted: NDArray[np.bool_], labelled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the predicted objects of a class, their holes filled, that touch no pixel labelled as the class.

    Args:
        predicted: (H, W), where the class is predicted.
        labelled: (H, W), where the label map has it.
    """
    from scipy import ndimage

    objects, _ = ndimage.label(predicted, TOUCHING)
    added = np.zeros_like(predicted)
    for number, box in enumerate(ndimage.find_objects(objects), 1):
        filled = ndimage.binary_fill_holes(objects[box] == number)
        if not (filled & labelled[box]).any():
            added[box] |= filled
    return added


def softened(added: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Return the (H, W) share of added pixels in the `side` x `side` square around each; none beyond the edge."""
    from scipy import ndimage

    mean: NDArray[np.float32] = ndimage.uniform_filter(added.astype(np.float32), side, mode="constant")
    return mean


def transition_has_ended(curve: Sequence[float], windows: Sequence[int]) -> bool:
    """Return whether the fit of a network to noisy labels has turned from learning to memorising.

    The slope of the last values is followed over windows of several lengths. A window has ended where its slope was
    smallest, once it has risen since and that was longer ago than the mean window (Liu et al., TGRS 2024: the
    adaptive correction trigger). An end is noted in the epoch that shows it, so that later slopes do not undo it.

    Args:
        curve: IoU of each epoch so far.
        windows: Lengths in epochs, each at least 2, all of which must have ended.
    """
    values = np.asarray(curve, dtype=np.float64)
    for length in windows:
        # The slope of a straight line by least squares, but at least 0.
        x = np.arange(length) - (length - 1) / 2
        slopes = [
            max(float(x @ values[start : start + length] / (x @ x)), 0.0)
            for start in range(len(values) - length + 1)
        ]
        ended = False
        for epoch in range(length, len(values) + 1):
            so_far = slopes[: epoch - length + 1]
            least = int(np.argmin(so_far))
            ended |= so_far[least] < so_far[-1] and epoch - (least + length) > float(np.mean(windows))
        if not ended:
            return False
    return True
