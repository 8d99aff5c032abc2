"""Shared part of noise models that change single pixels, regions or blocks of label maps."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gridbench.core.labels import is_labelled
from gridbench.noise.core.corruption import Corruption, Ints
from gridbench.noise.core.rates import realisable

__all__ = ["Regions", "draw_units", "pixel_corruption", "repaint"]

Map = npt.NDArray[Any]


def draw_units(
    classes: Ints,
    able: npt.NDArray[np.bool_],
    num_classes: int,
    rate: Decimal,
    units: str,
    why: str,
    rng: np.random.Generator,
) -> tuple[Ints, Ints, Ints]:
    """Draw exactly floor(U * rate / 100) of U units uniformly from those that can change.

    Args:
        classes: (U,) class that each unit counts for.
        able: (U,) whether it can change.
        num_classes: Number of classes C.
        rate: Percent.
        units: What they are, for messages.
        why: Why the others cannot change, for messages.
        rng: Random numbers.

    Returns:
        The units drawn, sorted; (C,) units of each class; (C,) drawn ones of each class.

    Raises:
        InputError: More than can change; the message names the largest rate.
    """
    candidates = np.flatnonzero(able)
    count = realisable(len(classes), len(candidates), rate, units, why)
    chosen = np.sort(rng.choice(candidates, count, replace=False, shuffle=False))
    return (
        chosen,
        np.bincount(classes, minlength=num_classes),
        np.bincount(classes[chosen], minlength=num_classes),
    )


class Regions:
    """The regions of one map: pixels of equal class that are connected through their sides.

    Args:
        one: (H, W) label map.

    Attributes:
        numbers: (H, W) number of the region that each pixel belongs to from 0, -1 for none.
        classes: (R,) class of each region.
        sizes: (R,) its pixels.
    """

    def __init__(self, one: Map) -> None:
        height, width = one.shape
        known = is_labelled(one)
        # On a grid of twice the resolution a cell between two pixels links them if their classes are the same, so
        # that one pass finds the regions of all classes.
        linked = np.zeros((max(0, 2 * height - 1), max(0, 2 * width - 1)), dtype=np.bool_)
        linked[::2, ::2] = known
        linked[1::2, ::2] = (one[1:] == one[:-1]) & known[1:]
        linked[::2, 1::2] = (one[:, 1:] == one[:, :-1]) & known[:, 1:]
        parts, count = ndimage.label(linked) if linked.size else (linked.astype(np.int32), 0)
        self.numbers: Ints = parts[::2, ::2].astype(np.int64) - 1
        self.classes = np.zeros(count, dtype=np.int64)
        self.classes[self.numbers[known]] = one[known]
        self.sizes = np.bincount(self.numbers[known], minlength=count)


def repaint(maps: Map, samples: Ints, numbers: Ints, after: Ints) -> Map:
    """Return maps in which regions have new classes.

    Args:
        maps: (N, H, W), left as they are.
        samples: (K,) sorted, map of each region.
        numbers: (K,) its number in the map.
        after: (K,) its new class.
    """
    painted = maps.copy()
    affected, begins = np.unique(samples, return_index=True)
    ends = np.append(begins, len(samples))[1:]
    for sample, first, last in zip(affected, begins, ends, strict=True):
        regions = Regions(maps[sample])
        # The extra last entry is read by index -1.
        become = np.full(len(regions.classes) + 1, -1, dtype=np.int64)
        become[numbers[first:last]] = after[first:last]
        new = become[regions.numbers]
        np.copyto(painted[sample], new, where=new >= 0, casting="unsafe")
    return painted


def pixel_corruption(
    clean: Map, noisy: Map, requested: Decimal, positives: Ints, affected: Ints
) -> Corruption:
    """Build the corruption of label maps from both versions of them.

    Args:
        clean: (N, H, W).
        noisy: (N, H, W); ignored pixels are the same.
        requested: Requested rate in percent.
        positives: (C,) units of each class.
        affected: (C,) changed units of each class.
    """
    classes = len(positives)
    changed, runs = [np.zeros((0, 3), dtype=np.int64)], [np.zeros((0, 3), dtype=np.int64)]
    for sample, (old, new) in enumerate(zip(clean, noisy, strict=True)):
        place = np.flatnonzero(old != new)
        if not len(place):
            continue
        before, after = old.ravel()[place].astype(np.int64), new.ravel()[place].astype(np.int64)
        moves = np.unique(before * classes + after)
        changed.append(np.stack((np.full_like(moves, sample), moves // classes, moves % classes), axis=1))
        begins = np.flatnonzero(np.concatenate(([True], (np.diff(place) > 1) | (np.diff(after) != 0))))
        length = np.diff(np.append(begins, len(place)))
        runs.append(np.stack((place[begins] + sample * old.size, length, after[begins]), axis=1))
    return Corruption(
        noisy, np.concatenate(changed), requested, "pixel", positives, affected, np.concatenate(runs)
    )
