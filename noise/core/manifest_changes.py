"""Validation of the changes in a manifest against given labels, and expansion of runs to pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import IGNORE
from gridbench.errors import InputError
from gridbench.noise.core.corruption import Ints, Level

__all__ = ["check_affected", "check_changes", "check_runs", "check_shape", "pixels_of"]

RUNS = 1 << 16
"""Runs of changed pixels that are expanded together."""


def check_shape(level: Level, shape: tuple[int, ...], own_level: Level, own_shape: tuple[int, ...]) -> None:
    """Check that labels are of the level and shape that a manifest is of.

    Raises:
        InputError: They are not; the message says what both are.
    """
    words = {"scene": "scene labels", "pixel": "label maps", "single": "single labels"}
    if level != own_level:
        raise InputError(f"The noise manifest is of {words[own_level]}, not of {words[level]}.")
    if shape != own_shape:
        raise InputError(
            f"The noise manifest is of {words[level]} of shape {own_shape}, but these have {shape}."
        )


def check_changes(
    changed: Ints, present: npt.NDArray[np.bool_], merging: bool, counted: Ints | None = None
) -> None:
    """Check that changes can be of these labels.

    Args:
        changed: (K, 3) of sample, class before, class after; see `Corruption`.
        present: (N, C) which sample has which class.
        merging: Whether a class may have become one that its sample has.
        counted: (C,) samples of each class that there must be; None where that is not compared.

    Raises:
        InputError: They cannot; the message names the sample.
    """
    sample, before, after = changed.T
    samples, classes = present.shape
    outside = (sample < 0) | (sample >= samples) | (np.maximum(before, after) >= classes)
    if outside.any() or changed.min(initial=0) < -1:
        raise InputError("The noise manifest names samples or classes that these labels do not have.")
    removed, added = before >= 0, after >= 0
    wrong = np.zeros(len(sample), dtype=np.bool_)
    wrong[removed] = ~present[sample[removed], before[removed]]
    if merging:
        wrong |= before == after
    else:
        wrong[added] |= present[sample[added], after[added]]
    if counted is not None:
        wrong |= (present.sum(axis=0, dtype=np.int64) != counted).any()
    if wrong.any():
        first = changed[wrong.argmax()].tolist()
        raise InputError(
            f"The noise manifest is of other labels: sample {first[0]} cannot have gone from class {first[1]} "
            f"to class {first[2]} (-1 is none)."
        )


def check_affected(changed: Ints, present: npt.NDArray[np.bool_], positives: Ints, affected: Ints) -> None:
    """Check that as many labels changed as are counted, where the units of the rate are the labels there are.

    Args:
        changed: (K, 3) of sample, class before, class after; see `Corruption`.
        present: (N, C) which sample has which class.
        positives: (C,) units of each class.
        affected: (C,) how many of them changed.

    Raises:
        InputError: Another number of labels changed; the message names the class.
    """
    if not np.array_equal(positives, present.sum(axis=0, dtype=np.int64)):
        return
    _, before, after = changed.T
    own = np.bincount(np.where(before < 0, after, before), minlength=len(affected))
    wrong = own != affected
    if wrong.any():
        label = int(wrong.argmax())
        raise InputError(
            f"The noise manifest says that {affected[label]} labels of class {label} changed; it lists {own[label]}."
        )


def check_runs(runs: Ints, clean: npt.NDArray[Any], num_classes: int) -> None:
    """Check that runs of changed pixels can be of these label maps.

    Args:
        runs: (R, 3) of first pixel, length, class after; see `Corruption`.
        clean: (N, H, W).
        num_classes: Number of classes.

    Raises:
        InputError: They cannot; the message names the sample.
    """
    first, length, after = runs.T
    inside = (first >= 0) & (length > 0) & (first + length <= clean.size)
    if not (inside & (after >= 0) & (after < num_classes)).all():
        raise InputError("The noise manifest names pixels or classes that these label maps do not have.")
    flat = np.ascontiguousarray(clean).reshape(-1)
    for pixels, become in pixels_of(runs):
        before = flat[pixels]
        wrong = (before == become) | (before == IGNORE) | (before < 0)
        if wrong.any():
            sample = int(pixels[wrong.argmax()]) // (clean.shape[1] * clean.shape[2])
            raise InputError(
                f"The noise manifest is of other labels: a pixel of sample {sample} cannot have become class "
                f"{become[wrong.argmax()]}."
            )


def pixels_of(runs: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield the pixels of the runs and the classes that they become, some runs at a time."""
    for start in range(0, len(runs), RUNS):
        first, length, after = runs[start : start + RUNS].T
        ends = length.cumsum()
        within = np.arange(ends[-1]) - np.repeat(ends - length, length)
        yield np.repeat(first, length) + within, np.repeat(after, length)
