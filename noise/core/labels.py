"""Validation of user-provided scene labels and label maps, and counts by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import IGNORE, on_host
from gridbench.errors import InputError

__all__ = ["check_single", "checked_maps", "checked_scene_labels", "class_pixels"]

NAMED = 5


def checked_scene_labels(labels: Any) -> npt.NDArray[Any]:
    """Return scene labels as an array.

    Args:
        labels: (N, C) of 0 and 1.

    Raises:
        InputError: Another shape, or other values; the message names the sample.
    """
    array = _array(labels, "scene labels")
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise InputError(
            f"The scene labels have shape {array.shape} and type {array.dtype}; expected (samples, classes)."
        )
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        sample, column = np.argwhere(wrong)[0]
        raise InputError(
            f"The scene labels hold {array[sample, column]} for class {column} of sample {sample}; "
            "allowed are 0 and 1."
        )
    return array


def check_single(labels: npt.NDArray[Any], why: str, names: Sequence[str] | None = None) -> None:
    """Check that every image has exactly one label.

    Args:
        labels: (N, C) of 0 and 1.
        why: How the message begins.
        names: Names of the images; without them the message tells their positions.

    Raises:
        InputError: Images have none or several; the message has their number and the first five.

    Example:
        >>> check_single(np.array([[1, 0], [0, 1]]), "")
    """
    counts = (labels != 0).sum(axis=1)
    wrong = np.flatnonzero(counts != 1)
    if len(wrong):
        first = ", ".join(f"{i if names is None else names[i]} ({counts[i]})" for i in wrong[:NAMED].tolist())
        raise InputError(
            f"{why} {int((counts == 0).sum())} have none and {int((counts > 1).sum())} have several of "
            f"{len(labels)}; the first, with their numbers of labels: {first}."
        )


def checked_maps(maps: Any, num_classes: int, ignore: int = IGNORE) -> npt.NDArray[Any]:
    """Return label maps as an array, without looking at their pixels.

    Args:
        maps: (N, H, W) whole numbers.
        num_classes: Number of classes C.
        ignore: Class id of pixels without a label.

    Raises:
        InputError: Another shape or type, or classes that the type cannot hold or that collide with `ignore`.
    """
    array = _array(maps, "label maps")
    if array.ndim != 3 or array.dtype.kind not in "iu":
        raise InputError(
            f"The label maps have shape {array.shape} and type {array.dtype}; "
            "expected whole numbers (samples, height, width)."
        )
    if num_classes < 1 or 0 <= ignore < num_classes:
        raise InputError(
            f"There are {num_classes} classes and {ignore} means ignore; allowed are 1 to {ignore} classes."
        )
    if num_classes - 1 > np.iinfo(array.dtype).max:
        raise InputError(f"Label maps of type {array.dtype} cannot hold {num_classes} classes.")
    return array


def class_pixels(maps: npt.NDArray[Any], num_classes: int, ignore: int = IGNORE) -> npt.NDArray[np.int64]:
    """Count the pixels of each class in each map.

    Args:
        maps: (N, H, W), as `checked_maps` returns them.
        num_classes: Number of classes C.
        ignore: Class id that is left out, as negative ids are.

    Returns:
        (N, C).

    Raises:
        InputError: A class id outside the range; the message names the sample.

    Example:
        >>> class_pixels(np.array([[[0, 0], [1, 255]]]), num_classes=3).tolist()
        [[2, 1, 0]]
    """
    counts = np.zeros((len(maps), num_classes), dtype=np.int64)
    for sample, one in enumerate(maps):
        if one.dtype == np.uint8:
            found = np.bincount(one.ravel(), minlength=256)
            if 0 <= ignore < 256:
                found[ignore] = 0
        else:
            known = one[(one != ignore) & (one >= 0)]
            if known.size and int(known.max()) >= num_classes:
                raise _outside(sample, int(known.max()), num_classes, ignore)
            found = np.bincount(known, minlength=num_classes)
        if found[num_classes:].any():
            raise _outside(sample, num_classes + int(found[num_classes:].argmax()), num_classes, ignore)
        counts[sample] = found[:num_classes]
    return counts


def _array(values: Any, name: str) -> npt.NDArray[Any]:
    if np.ma.is_masked(values):
        raise InputError(f"The {name} have masked values; fill them in, or leave out what has none.")
    try:
        return np.asarray(on_host(values))
    except ValueError:
        raise InputError(f"The {name} have rows of different lengths; expected an array.") from None


def _outside(sample: int, value: int, num_classes: int, ignore: int) -> InputError:
    return InputError(
        f"The label map of sample {sample} holds class {value}; "
        f"allowed are 0 to {num_classes - 1}, and {ignore} for ignored pixels."
    )
