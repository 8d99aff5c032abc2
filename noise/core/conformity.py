"""Validation of what a noise model returned against the labels that it was given, before a run uses it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import is_labelled
from gridbench.noise.core.corruption import Corruption, Ints, Level, apply_changes
from gridbench.noise.core.manifest_changes import pixels_of

__all__ = ["check_corruption"]

Array = npt.NDArray[Any]


def check_corruption(
    corruption: Any, clean: Array, class_counts: Array, level: Level, rate: Decimal, counts_drawn: bool
) -> None:
    """Check that the changes turn the clean labels into the noisy ones, and that the counts follow from them.

    Args:
        corruption: What the model returned.
        clean: (N, C) scene labels or (N, H, W) label maps that it was given.
        class_counts: (N, C) labels, or pixels, of each class.
        level: `"scene"` or `"pixel"`.
        rate: Requested rate in percent.
        counts_drawn: See `NoiseModel.counts_drawn`.

    Raises:
        ValueError: With the reason.
    """
    _require(isinstance(corruption, Corruption), f"a {type(corruption).__name__}, not a Corruption")
    _check_forms(corruption, clean, class_counts, level, rate)
    if level == "pixel":
        pixels = _check_maps(corruption, clean, class_counts)
    else:
        _check_scene_labels(corruption, clean)
        pixels = None
    _check_counts(corruption, class_counts.sum(axis=0, dtype=np.int64), pixels, level, counts_drawn)


def _require(condition: object, reason: str) -> None:
    if not condition:
        raise ValueError(reason)


def _first(flags: npt.NDArray[np.bool_]) -> int | None:
    """Return the position of the first set flag; None without one."""
    return int(flags.argmax()) if flags.any() else None


def _repeats(values: Ints) -> bool:
    """Return whether a value occurs twice; for half a million, sorting is ten times as fast as `numpy.unique`."""
    ordered = np.sort(values)
    return bool((ordered[1:] == ordered[:-1]).any())


def _check_forms(c: Corruption, clean: Array, class_counts: Array, level: Level, rate: Decimal) -> None:
    """Check types and shapes."""
    count, classes = class_counts.shape
    for name in ("labels", "changed", "positives", "affected", *(() if c.runs is None else ("runs",))):
        value = getattr(c, name)
        _require(isinstance(value, np.ndarray), f"{name} of the type {type(value).__name__}, not an array")
        whole = name == "labels" or value.dtype.kind in "iu"
        _require(whole, f"{name} of the type {value.dtype}, not whole numbers")
    for what, own, given in (("shape", c.labels.shape, clean.shape), ("type", c.labels.dtype, clean.dtype)):
        _require(own == given, f"labels of the {what} {own} for labels of the {what} {given}")
    for name, rows in (("changed", c.changed), ("runs", c.changed if c.runs is None else c.runs)):
        fits = rows.ndim == 2 and rows.shape[1] == 3
        _require(fits, f"{name} of the shape {rows.shape}; it must be (K, 3)")
    for name, counts in (("positives", c.positives), ("affected", c.affected)):
        _require(counts.shape == (classes,), f"{name} of the shape {counts.shape}; it must be ({classes},)")
        _require((counts >= 0).all(), f"{name} with numbers below 0")
    allowed = ("pixel",) if level == "pixel" else ("scene", "single")
    _require(c.level in allowed, f"the level {c.level!r} for {level} labels")
    _require(c.requested == rate, f"a requested rate of {c.requested} %, where {rate} % was asked for")
    sample, before, after = c.changed.T
    lowest = 0 if level == "pixel" else -1
    inside = (sample >= 0) & (sample < count) & (np.maximum(before, after) >= 0)
    for each in (before, after):
        inside &= (each >= lowest) & (each < classes)
    _require(inside.all(), f"a change that lies outside of {count} samples and {classes} classes")
    key = ((sample * (classes + 1) + before + 1) * (classes + 1)) + after + 1
    _require(not _repeats(key), "a change that is listed twice")


def _check_scene_labels(c: Corruption, clean: Array) -> None:
    """Check that the changes are of the clean labels and give the noisy ones."""
    sample, before, after = c.changed.T
    removed, added = before >= 0, after >= 0
    taken = sample[removed] * clean.shape[1] + before[removed]
    _require(not _repeats(taken), "a label that is removed twice")
    wrong = before == after
    wrong[removed] |= clean[sample[removed], before[removed]] == 0
    if not c.merging:
        wrong[added] |= clean[sample[added], after[added]] != 0
    place = _first(wrong)
    row = None if place is None else c.changed[place].tolist()
    _require(row is None, f"a change {row} of sample, class before, class after that its labels do not allow")
    different = _first((apply_changes(clean, c.changed) != c.labels).any(axis=1))
    _require(
        different is None, f"other labels for sample {different} than the changes that it lists would give"
    )


def _check_maps(c: Corruption, clean: Array, class_counts: Array) -> Ints:
    """Check that the changes, or the runs of pixels, give the noisy maps; return (C,) changed pixels by class."""
    differs = c.labels != clean
    images = differs.any(axis=(1, 2))
    listed = np.zeros(len(clean), dtype=np.bool_)
    listed[c.changed[:, 0]] = True
    missed = _first(images & ~listed)
    _require(missed is None, f"another map for sample {missed}, of which it lists no change")
    there = class_counts[c.changed[:, 0], c.changed[:, 1]] > 0
    _require(there.all(), "a change of a class that its map does not have")
    _require(is_labelled(clean[differs]).all(), "other classes for pixels that are to be ignored")
    if c.runs is None:
        given = np.array(clean)
        for sample, before, after in c.changed.tolist():
            np.copyto(given[sample], after, where=clean[sample] == before, casting="unsafe")
        same = np.array_equal(given, c.labels)
    else:
        first, length, _ = c.runs.T
        inside = (first >= 0) & (length > 0) & (first + length <= clean.size)
        _require(inside.all(), f"a run of pixels that lies outside of maps of {clean.size} pixels")
        flat, new = differs.reshape(-1), c.labels.reshape(-1)
        same = int(length.sum()) == int(np.count_nonzero(flat)) and all(
            flat[pixels].all() and np.array_equal(new[pixels], after) for pixels, after in pixels_of(c.runs)
        )
    _require(same, "other maps than the changes that it lists would give")
    return np.bincount(clean[differs].astype(np.int64), minlength=class_counts.shape[1])


def _check_counts(c: Corruption, units: Ints, pixels: Ints | None, level: Level, counts_drawn: bool) -> None:
    """Check that `affected` counts what changed."""
    total = int(c.affected.sum())
    _require(
        total <= int(c.positives.sum()),
        f"affected counts of {total}, of {int(c.positives.sum())} that there are",
    )
    changes = len(c.changed)
    _require(total or not changes, f"affected counts of 0, where {changes} changes are listed")
    if counts_drawn:
        return
    _require(changes or not total, f"affected counts of {total}, where no change is listed")
    # The rate is a share of labels, or of pixels, where those are what positives counts.
    if not np.array_equal(c.positives, units):
        return
    if level == "pixel":
        assert pixels is not None
        own = pixels
    else:
        _, before, after = c.changed.T
        own = np.bincount(np.where(before < 0, after, before), minlength=len(units))
    label = _first(c.affected != own)
    reported, real = (0, 0) if label is None else (int(c.affected[label]), int(own[label]))
    _require(label is None, f"affected counts of {reported} of class {label}, of which {real} changed")
