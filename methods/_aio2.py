"""Computations of AIO2: objects missing from the labels, and the epoch from which predictions are trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["added_objects", "end_of_transition", "softened"]

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


def end_of_transition(curve: Sequence[float], windows: Sequence[int]) -> tuple[int, int] | None:
    """Find the epoch in which the fit of a network to noisy labels turns from learning to memorising.

    The slope of the last values is followed over windows of several lengths. A window has ended where its slope was
    smallest, once it has risen since and that was longer ago than the mean window (Liu et al., TGRS 2024: the
    adaptive correction trigger).

    Args:
        curve: IoU of each epoch so far.
        windows: Lengths in epochs, each at least 2.

    Returns:
        The end of the transition, and the epoch, half-way to where the fitted curve levels off, that the source goes
        back to, both counted from 1; None while a window has not ended. An end is noted in the epoch that shows it,
        and the slopes up to the last epoch decide.
    """
    values = np.asarray(curve, dtype=np.float64)
    ends = []
    for length in windows:
        # The slope of a straight line by least squares, but at least 0.
        x = np.arange(length) - (length - 1) / 2
        slopes = [
            max(float(x @ values[start : start + length] / (x @ x)), 0.0)
            for start in range(len(values) - length + 1)
        ]
        ended = 0
        for epoch in range(length, len(values) + 1):
            so_far = slopes[: epoch - length + 1]
            least = int(np.argmin(so_far))
            if so_far[least] < so_far[-1] and epoch - (least + length) > np.mean(windows):
                ended = least + length
        if not ended:
            return None
        ends.append(ended)
    end = int(np.mean(ends))
    return end, (end + _steep_until(values[:end])) // 2


def _steep_until(values: NDArray[np.float64]) -> int:
    """Return how many epochs a fitted curve a (1 - exp(-b x^c)) is steeper than it is on average."""
    from scipy.optimize import curve_fit

    def fitted(x: Any, a: float, b: float, c: float) -> Any:
        return a * (1 - np.exp(-b * x**c))

    epochs = np.arange(1, len(values) + 1, dtype=np.float64)
    try:
        (a, b, c), _ = curve_fit(
            fitted, epochs, values, p0=(1, 0.5, 0.5), method="trf", bounds=([0, 0, 0], [1, np.inf, 1])
        )
    except RuntimeError:
        return len(values)
    level = fitted(epochs, a, b, c)
    mean = (level[-1] - level[0]) / max(epochs[-1] - epochs[0], 1)
    slope = a * b * c * np.exp(-b * epochs**c) * epochs ** (c - 1)
    return int((slope > mean).sum())
