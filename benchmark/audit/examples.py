"""Reference images for a suspicious one: typical images of each class, and images with similar predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["alike", "typical"]

Array = npt.NDArray[Any]

SHOWN = 3
CERTAIN = 1e-3


def typical(given: Array, scores: Array, probabilities: Array) -> list[list[int]]:
    """Return for each class three images that have it, are predicted to, and have no suspicious label.

    Args:
        given: (N, C) labels.
        scores: (N, C) probability that each label is wrong.
        probabilities: (N, C) held-out predictions.
    """
    worst = scores.max(1)
    found = []
    for c in range(given.shape[1]):
        having = np.flatnonzero(given[:, c])
        order = np.lexsort((-probabilities[having, c], worst[having] > np.median(worst)))
        found.append(having[order][:SHOWN].tolist())
    return found


def alike(probabilities: Array, images: Array) -> list[list[int]]:
    """Return for each of some images the three others whose held-out log-odds are nearest.

    Args:
        probabilities: (N, C) held-out predictions.
        images: (n,) which images.
    """
    present = np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1 - CERTAIN)
    odds = np.log(present) - np.log1p(-present)
    found = []
    for i in images:
        distances = np.abs(odds - odds[i]).sum(1)
        distances[i] = np.inf
        found.append(np.argsort(distances, kind="stable")[: min(SHOWN, len(odds) - 1)].tolist())
    return found
