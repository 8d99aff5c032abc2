"""Regions of one label map that contradict a prediction, with the kind of error and the pixels of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import IGNORE, is_labelled
from gridbench.noise.core.regions import Regions

__all__ = [
    "KINDS",
    "MISSING",
    "SHIFTED",
    "SPURIOUS",
    "WRONG",
    "Candidate",
    "displaced",
    "farthest",
    "find_regions",
    "find_shift",
]

Array = npt.NDArray[Any]

KINDS = ("wrong region", "missing object", "spurious object", "shifted boundary")
WRONG, MISSING, SPURIOUS, SHIFTED = range(4)

LEAST = 0.001
"""Smallest region, as a share of the map: below it, a wrong region is no more than the edge of a right one."""

BAND = 2
"""Pixels on both sides of a border in which an annotator's line may lie without being wrong."""

FARTHEST = 8
"""Largest displacement that is looked for, in pixels; on maps of fewer than 128 px a 16th of the shorter side."""

_APART = 256
"""Above every class and the mark of ignored pixels."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A part of a label map, and how clearly a prediction contradicts what is given there.

    Attributes:
        kind: Position in `KINDS` of the error that it would be.
        evidence: Mean log-odds of the likeliest other class less those of the given one; negative where they agree.
        pixels: (P,) positions of its pixels in the flat map, rising.
        becomes: (P,) class that each is suspected to be.
        given: Class that most of it is given.
        suspected: Class that most of it would become.
        moved: (down, across) displacement of the whole map that is suspected; (0, 0) for other kinds.
    """

    kind: int
    evidence: float
    pixels: Array
    becomes: Array
    given: int
    suspected: int
    moved: tuple[int, int] = (0, 0)


def find_regions(given: Array, odds: Array) -> list[Candidate]:
    """Return the regions of a label map and those of a prediction, each with the evidence against what is given.

    A region of the map, of which another class is more probable in sum, is a spurious object where that class is the
    one around it, else a wrong region. A part of a region in which another class is predicted is a missing object,
    unless most of it lies within two pixels of what is given that class: borders are never exact.

    Args:
        given: (H, W) label map; 255 is left alone.
        odds: (C, H, W) held-out log-odds of each class.
    """
    known = is_labelled(given)
    least = max(4, round(LEAST * given.size))
    regions = Regions(given)
    sums, around = _sums(regions, odds), _around(regions, given, len(odds))
    others = sums.copy()
    others[np.arange(len(sums)), regions.classes] = -np.inf
    likeliest = others.argmax(1)
    evidence = (others.max(1) - sums[np.arange(len(sums)), regions.classes]) / regions.sizes
    found = []
    left = known.copy()
    flat = _places(regions)
    for r in np.flatnonzero(regions.sizes >= least):
        kind = SPURIOUS if likeliest[r] == around[r] else WRONG
        found.append(_candidate(kind, evidence[r], flat[r], regions.classes[r], likeliest[r]))
        if evidence[r] > 0:
            left.ravel()[flat[r]] = False
    predicted = odds.argmax(0)
    differs = predicted != given
    parts = Regions(np.where(left, _APART + 2 * predicted + differs, IGNORE))
    labels, contradicts = np.divmod(parts.classes - _APART, 2)
    away = np.bincount(parts.numbers[left & ~_near(given, predicted)], minlength=len(parts.sizes))
    sums = _sums(parts, odds)
    own = sums[np.arange(len(sums)), labels]
    sums[np.arange(len(sums)), labels] = -np.inf
    numbers = parts.numbers[left]
    # 255 is not a class, but no ignored pixel is left.
    here = np.take_along_axis(odds, np.where(known, given, 0)[None].astype(np.int64), 0)[0][left]
    of_given = np.bincount(numbers, here, len(labels))
    evidence = np.where(contradicts == 1, own - of_given, sums.max(1, initial=-np.inf) - own) / parts.sizes
    flat = _places(parts)
    for r in np.flatnonzero(parts.sizes >= least):
        if contradicts[r] and 2 * away[r] <= parts.sizes[r]:
            continue
        most = int(np.bincount(given.ravel()[flat[r]]).argmax())
        found.append(_candidate(MISSING, evidence[r], flat[r], most, labels[r]))
    return found


def find_shift(given: Array, odds: Array) -> Candidate | None:
    """Return the displacement of a label map that a prediction supports best; None where none changes the map.

    The search halves its step from 4 pixels to 1, and goes to the best of eight neighbours. The evidence is the mean
    over the pixels that would change.

    Args:
        given: (H, W) label map.
        odds: (C, H, W) held-out log-odds of each class.
    """
    reach = farthest(given.shape)
    here = _of_class(odds, given)
    tried: dict[tuple[int, int], float] = {(0, 0): -np.inf}

    def gain(step: tuple[int, int]) -> float:
        if step not in tried:
            moved = displaced(given, *step)
            changes = moved != given
            tried[step] = float((_of_class(odds, moved) - here)[changes].sum()) if changes.any() else -np.inf
        return tried[step]

    at = (0, 0)
    for far in (4, 2, 1):
        if far > reach:
            continue
        around = [(at[0] + far * y, at[1] + far * x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        # At (0, 0) the best of the eight shifts is returned even if it is worse, so that there is always a runner-up.
        at = max((step for step in around if max(map(abs, step)) <= reach), key=gain)
    at = max(tried, key=gain)
    if not np.isfinite(tried[at]):
        return None
    moved = displaced(given, *at)
    pixels = np.flatnonzero(moved != given)
    before, after = given.ravel()[pixels], moved.ravel()[pixels]
    most, instead = (int(np.bincount(each).argmax()) for each in (before, after))
    return Candidate(SHIFTED, tried[at] / len(pixels), pixels, after.astype(np.uint8), most, instead, at)


def farthest(shape: tuple[int, ...]) -> int:
    """Return the largest displacement to search for in maps of size (H, W), in pixels down and across."""
    return min(FARTHEST, max(1, min(shape) // 16))


def displaced(given: Array, down: int, across: int) -> Array:
    """Return a map moved down and across; its edges repeat, and 255 stays where it is and moves nowhere.

    Args:
        given: (H, W) label map.
        down: Rows, negative for up.
        across: Columns, negative for left.

    Example:
        >>> displaced(np.array([[0, 1, 2]]), 0, 1).tolist()
        [[0, 0, 1]]
    """
    height, width = given.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - across, 0, width - 1)
    came = given[rows[:, None], columns]
    return np.where(is_labelled(given) & is_labelled(came), came, given)


def _of_class(odds: Array, classes: Array) -> Array:
    """Return the (H, W) log-odds of each pixel's class; undefined for pixels without a class."""
    known = is_labelled(classes)
    found: Array = np.take_along_axis(odds, np.where(known, classes, 0)[None].astype(np.int64), 0)[0]
    return found


def _sums(regions: Regions, odds: Array) -> Array:
    """Return (R, C) sums of log-odds over each region."""
    known = regions.numbers >= 0
    numbers = regions.numbers[known]
    return np.stack([np.bincount(numbers, each[known], len(regions.sizes)) for each in odds], 1).astype(
        np.float64
    )


def _around(regions: Regions, given: Array, classes: int) -> Array:
    """Return (R,) the class that the sides of each region touch most; -1 for none."""
    known = regions.numbers >= 0
    touched = np.zeros(len(regions.sizes) * classes, dtype=np.int64)
    for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        for here, there in ((a, b), (b, a)):
            border = known[here] & known[there] & (given[here] != given[there])
            keys = regions.numbers[here][border] * classes + given[there][border].astype(np.int64)
            touched += np.bincount(keys, minlength=len(touched))
    counts = touched.reshape(-1, classes)
    return np.where(counts.any(1), counts.argmax(1), -1)


def _near(given: Array, predicted: Array) -> Array:
    """Return (H, W) bool: the predicted class is given within `BAND` steps, down, up or across."""
    near = np.zeros(given.shape, dtype=bool)
    padded = np.pad(given, BAND, constant_values=IGNORE)
    height, width = given.shape
    for y in range(-BAND, BAND + 1):
        for x in range(abs(y) - BAND, BAND - abs(y) + 1):
            near |= padded[BAND + y : BAND + y + height, BAND + x : BAND + x + width] == predicted
    return near


def _places(regions: Regions) -> list[Array]:
    """Return the flat positions of each region's pixels."""
    flat = regions.numbers.ravel()
    order = np.argsort(flat, kind="stable")
    return np.split(order[np.count_nonzero(flat < 0) :], np.cumsum(regions.sizes)[:-1])


def _candidate(kind: int, evidence: Any, pixels: Array, given: Any, suspected: Any) -> Candidate:
    becomes = np.full(len(pixels), suspected, dtype=np.uint8)
    return Candidate(kind, float(evidence), pixels, becomes, int(given), int(suspected))
