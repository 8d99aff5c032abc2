"""Output of a noise model: the noisy labels and the exact list of changes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Corruption", "Ints", "Level", "apply_changes", "scene_corruption"]

Ints = npt.NDArray[np.int64]
Level = Literal["scene", "pixel", "single"]


@dataclass(frozen=True, eq=False)
class Corruption:
    """Noisy labels with the changes that produced them.

    Attributes:
        labels: Noisy scene labels (N, C) or label maps (N, H, W), in the type of the clean ones.
        changed: (K, 3) of sample, class before, class after, in this order of sorting; -1 as class before means
            that a label was only added, as class after that one was only removed.
        requested: Requested rate in percent, exact.
        level: `"scene"`, `"pixel"`, or `"single"` for scene labels of which every image has exactly one.
        positives: (C,) how many units of each class the rate is a share of; for most models the labels there
            are, see the model.
        affected: (C,) how many of them changed.
        runs: (R, 3) of first pixel, length, class after: the changed pixels, counted through all maps row by row;
            None where `changed` alone says everything.
        merging: Whether a class may have become one that its sample has, so that fewer are left.
    """

    labels: npt.NDArray[Any]
    changed: Ints
    requested: Decimal
    level: Level
    positives: Ints
    affected: Ints
    runs: Ints | None = None
    merging: bool = False

    @property
    def realised(self) -> float:
        """Realised rate in percent; 0 when there is nothing that could change."""
        total = int(self.positives.sum())
        return 100.0 * int(self.affected.sum()) / total if total else 0.0

    @property
    def noisy(self) -> npt.NDArray[np.bool_]:
        """(N,) whether the labels of the sample ended up different: a class that was given back does not count."""
        sample, before, after = self.changed.T
        if self.level != "pixel":
            width = self.labels.shape[1]
            returned = np.isin(sample * width + before, (sample * width + after)[after >= 0])
            sample = sample[(before < 0) | ~returned]
        noisy = np.zeros(len(self.labels), dtype=np.bool_)
        noisy[sample] = True
        return noisy


def apply_changes(labels: npt.NDArray[Any], changed: Ints) -> npt.NDArray[Any]:
    """Return a copy of scene labels in which the changes were made.

    Args:
        labels: (N, C) clean labels of 0 and 1.
        changed: (K, 3) of sample, class before, class after; -1 where nothing was before or comes after.

    Returns:
        (N, C) noisy labels, of the type of the clean ones.

    Example:
        >>> apply_changes(np.array([[1, 0, 0]]), np.array([[0, 0, 2]])).tolist()
        [[0, 0, 1]]
    """
    noisy = labels.copy()
    removed, added = changed[changed[:, 1] >= 0], changed[changed[:, 2] >= 0]
    noisy[removed[:, 0], removed[:, 1]] = 0
    noisy[added[:, 0], added[:, 2]] = 1
    return noisy


def scene_corruption(labels: npt.NDArray[Any], changed: Ints, requested: Decimal) -> Corruption:
    """Build the corruption of scene labels whose rate is a share of the labels there are.

    Args:
        labels: (N, C) clean labels.
        changed: (K, 3) of sample, class before, class after, in any order.
        requested: Requested rate in percent.

    Returns:
        A label that was replaced or removed is counted for its class, one that was only added for the class added.

    Example:
        >>> made = scene_corruption(np.array([[1, 0], [0, 1]]), np.array([[0, 0, 1]]), Decimal(50))
        >>> made.labels.tolist(), made.realised
        ([[0, 1], [0, 1]], 50.0)
    """
    classes = labels.shape[1] + 1
    place = (changed[:, 0] * classes + changed[:, 1] + 1) * classes + changed[:, 2] + 1
    if (place[1:] < place[:-1]).any():
        changed = changed[np.argsort(place, kind="stable")]
    counted = np.where(changed[:, 1] >= 0, changed[:, 1], changed[:, 2])
    positives = (labels != 0).sum(axis=0, dtype=np.int64)
    affected = np.bincount(counted, minlength=labels.shape[1])
    return Corruption(apply_changes(labels, changed), changed, requested, "scene", positives, affected)
