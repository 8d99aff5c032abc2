"""Division of the training images into folds, whole groups together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError

__all__ = ["divide"]

Ints = npt.NDArray[np.int64]


def divide(count: int, folds: int, rng: np.random.Generator, groups: Sequence[Any] | None = None) -> Ints:
    """Deal samples out to folds of about equal size; a group is never divided.

    Groups are dealt in random order, the largest first where sizes differ, each to the fold that has fewest samples.

    Args:
        count: Number of samples N.
        folds: Number of folds, at least 2.
        rng: Decides the order.
        groups: (N,) group of each sample; None when each stands for itself.

    Returns:
        (N,) fold of each sample, from 0.

    Raises:
        InputError: There are fewer groups than folds.
    """
    owner: Ints = np.arange(count)
    if groups is not None:
        owner = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(owner, minlength=1)
    if not 2 <= folds <= len(sizes) or not count:
        what = "images" if groups is None else "groups of images"
        raise InputError(
            f"The number of folds is {folds}; with {len(sizes) if count else 0} {what} it can be 2 to {len(sizes)}."
        )
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of, filled = np.zeros(len(sizes), dtype=np.int64), np.zeros(folds, dtype=np.int64)
    for group in order:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[owner]
