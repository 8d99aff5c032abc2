"""Reading of an untrusted manifest, and validation of its numbers, before memory is allocated by them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Ints, Level

__all__ = ["FOLDER_SWAP", "check_form", "check_types", "read_part", "tally"]

FOLDER_SWAP = "folder_swap"
"""The model of this package that counts pairs as they were drawn, also those whose class a map does not have."""

MOST_CLASSES = 1000
"""A transition table of so many classes has a million entries; archives have at most 254 classes."""

_OF_LABELS = (
    "class_dependent",
    "confusable",
    "extra",
    "grouped",
    "instance",
    "instance_linear",
    "missing",
    "mixed",
    "none",
    "pair",
    "swap",
    "symmetric",
)
_COUNTED = {
    **dict.fromkeys(_OF_LABELS, "labels"),
    **dict.fromkeys(("coarse", "missing_objects", "region", "shift"), "regions"),
    "boundary": "pixels",
}
"""What the rates of the models of this package are shares of, where the changes say how many of them there are."""


def read_part(path: Path, read: Callable[[Path], Any]) -> Any:
    """Read one of the two files of a manifest.

    Raises:
        InputError: It is missing or damaged; the message says which.
    """
    try:
        return read(path)
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}.") from error
    except OSError as error:
        if path.suffix == ".npz" and isinstance(error, FileNotFoundError):
            raise InputError(f"The noise manifest is incomplete: {path} is missing.") from error
        raise InputError(f"There is no noise manifest at {path}: {error.strerror or error}.") from error


def check_types(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse arrays of changes that are not whole numbers.

    Raises:
        ValueError: One of them is of another type.
    """
    if any(array.dtype.kind not in "iu" for array in arrays.values()):
        raise ValueError("the changes are not whole numbers")


def check_form(manifest: Any) -> None:
    """Refuse a manifest whose entries are of another level, or whose changes lie outside of its own shape.

    Args:
        manifest: The `Manifest` that was read, whose file imports this one.

    Raises:
        ValueError: With the reason.
    """
    _check_entries(manifest)
    count, classes = manifest.shape[0], len(manifest.positives)
    for name, numbers in (("positives", manifest.positives), ("affected", manifest.affected)):
        if numbers.shape != (classes,) or not 0 < classes <= MOST_CLASSES or numbers.min() < 0:
            raise ValueError(f"{name} are not counts of 1 to {MOST_CLASSES} classes")
    # Of a single class it may be more than there are, where labels are added.
    if sum(manifest.affected.tolist()) > sum(manifest.positives.tolist()):
        raise ValueError("more is affected than there is")
    sample, *both = manifest.changed.T
    if not _within(sample, 0, count) or not all(_within(each, -1, classes) for each in both):
        raise ValueError(f"a change lies outside of {count} samples and {classes} classes")
    if (np.maximum(*both) < 0).any():
        raise ValueError("a change is of no class")
    if manifest.runs is not None:
        size = math.prod(manifest.shape)
        first, length, after = manifest.runs.T
        if not (_within(first, 0, size) and _within(length, 1, size + 1) and _within(after, 0, classes)):
            raise ValueError(f"a run of pixels lies outside of maps of {size} pixels and {classes} classes")
    _check_affected(manifest)


def tally(classes: Ints, count: int) -> list[int]:
    """Return how often each class occurs; -1 stands for no class."""
    counts: list[int] = np.bincount(classes[classes >= 0], minlength=count).tolist()
    return counts


def _check_affected(manifest: Any) -> None:
    """Compare how many units changed with the changes, as far as they say."""
    unit, affected = _unit(manifest), manifest.affected.tolist()
    _, before, after = manifest.changed.T
    if len(before) and not any(affected):
        raise ValueError(f"affected is 0, where {_changes(manifest)}")
    if unit in ("labels", "drawn"):
        own = tally(np.where(before < 0, after, before), len(affected))
        pairs = zip(own, affected, strict=True)
        wrong = next(
            (
                c
                for c, (real, recorded) in enumerate(pairs)
                if real > recorded or (unit == "labels" and real < recorded)
            ),
            None,
        )
        if wrong is not None:
            raise ValueError(f"affected is {affected[wrong]} of class {wrong}, of which {own[wrong]} changed")
    elif unit is not None and manifest.runs is not None:
        # Python's numbers, since runs that overlap may add up to more than 64 bits.
        total, pixels = sum(affected), sum(manifest.runs[:, 1].tolist())
        if total > pixels or bool(total) != bool(pixels) or (unit == "pixels" and total < pixels):
            raise ValueError(f"affected is {total}, where {_changes(manifest)}")


def _unit(manifest: Any) -> str | None:
    """Return what a manifest counts; None where its model is not of this package, or the changes do not say."""
    if manifest.model != FOLDER_SWAP or manifest.version < 2:
        return _COUNTED.get(manifest.model)
    if manifest.level == "pixel":
        return "drawn"
    # Labels that are read off maps change where these disagree with the scene labels, too.
    return "labels" if manifest.parameters.get("labels") == "own" else None


def _changes(manifest: Any) -> str:
    if manifest.runs is None:
        return f"{len(manifest.changed)} labels changed"
    return f"{sum(manifest.runs[:, 1].tolist())} pixels changed"


def _check_entries(manifest: Any) -> None:
    shape = manifest.shape
    right = {
        "model": isinstance(manifest.model, str),
        "version": isinstance(manifest.version, int),
        "parameters": isinstance(manifest.parameters, Mapping),
        "level": manifest.level in get_args(Level),
        "requested": isinstance(manifest.requested, str),
        "seed": manifest.seed is None or isinstance(manifest.seed, int),
        "fingerprint": manifest.fingerprint is None or isinstance(manifest.fingerprint, str),
        "shape": len(shape) == (3 if manifest.level == "pixel" else 2)
        and all(isinstance(side, int) and 0 < side < 2**31 for side in shape)
        and math.prod(shape) < 2**62,
    }
    wrong = [name for name, is_right in right.items() if not is_right]
    if wrong:
        raise ValueError(f"{wrong[0]} is {getattr(manifest, wrong[0])!r}"[:200])


def _within(numbers: npt.NDArray[np.int64], low: int, high: int) -> bool:
    return not len(numbers) or (int(numbers.min()) >= low and int(numbers.max()) < high)
