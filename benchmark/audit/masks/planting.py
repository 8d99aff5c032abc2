"""Synthetic errors in label maps (regions, objects and boundaries) for calibrating held-out predictions."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.masks.regions import displaced, farthest
from gridbench.core.labels import is_labelled
from gridbench.errors import InputError
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.regions import Regions
from gridbench.registry import NOISE

__all__ = ["plant_errors", "plant_shifts"]

Array = npt.NDArray[Any]

PLANTED = {"wrong regions": ("region", 25), "missing objects": ("missing_objects", 30)}
"""Kind of error -> noise model and rate in percent: more errors than most maps have, so that the curve shows them."""

SPURIOUS = "spurious objects"
LARGEST = 0.05
"""Largest share of a map that a planted object covers, as the noise model of missing objects has it."""


def plant_errors(maps: Array, num_classes: int, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    """Yield each kind of error with maps that hold it; the given ones are not changed.

    Args:
        maps: (N, H, W) label maps.
        num_classes: Number of classes C.
        rng: Decides where.
    """
    for name, (model, rate) in PLANTED.items():
        try:
            found = NOISE.get(model)().corrupt_maps(LabelSet(num_classes, maps=maps), Decimal(rate), rng)
        except InputError:  # the maps leave no room for it: too few regions, or all classes everywhere
            continue
        yield name, found.labels
    yield SPURIOUS, _with_spurious_objects(maps, rng)


def _with_spurious_objects(maps: Array, rng: np.random.Generator) -> Array:
    """Copy a small region of another map into each map where its place holds a single other class."""
    planted = maps.copy()
    lenders = rng.permutation(len(maps))
    for i, lender in enumerate(lenders):
        regions = Regions(maps[lender])
        small = np.flatnonzero((regions.sizes >= 4) & (regions.sizes <= LARGEST * maps[i].size))
        if len(small):
            number = rng.choice(small)
            shape = regions.numbers == number
            below = np.unique(maps[i][shape])
            if len(below) == 1 and is_labelled(below)[0] and below[0] != regions.classes[number]:
                planted[i][shape] = regions.classes[number]
    return planted


def plant_shifts(maps: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the maps, each displaced by a few pixels at random, and the positions of those that this changes."""
    planted = maps.copy()
    reach = farthest(maps.shape[1:])
    for i, one in enumerate(maps):
        down, across = 0, 0
        while (down, across) == (0, 0):
            down, across = (int(each) for each in rng.integers(-reach, reach + 1, 2))
        planted[i] = displaced(one, down, across)
    return planted, np.flatnonzero((planted != maps).any((1, 2)))
