"""Difficulty of each label, estimated without training from the labels of the most similar images.

All computations use integers, so the same images give the same difficulty and noise on any machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NEIGHBOURS", "neighbour_difficulty", "plain_descriptors"]

NEIGHBOURS = 20
"""How many of the most similar images are compared with."""

REFERENCES = 10_000
"""Neighbours are looked for among so many images at most, evenly spread, so that large archives take seconds."""

SHARES = (10, 30, 50, 70, 90)
"""Percent of a band's pixels that are not brighter than each of its numbers in a descriptor."""

ROWS = 2048
"""Images that are compared with the references at once: 160 MB of distances."""

STEPS = 255
"""Descriptors are whole numbers from 0 to this, so that their distances are exact and the same on every machine."""

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


def plain_descriptors(parts: Iterable[Array]) -> Ints:
    """Describe images by the brightness of each band and by its roughness.

    Args:
        parts: Arrays of (n, bands, H, W), the stored numbers of consecutive images.

    Returns:
        (N, 6 * bands) whole numbers from 0 to 255, each column spread over that range: five quantiles of a band's
        pixels, and the mean absolute difference between neighbouring pixels.
    """
    found = np.concatenate([_describe(part) for part in parts])
    low, high = found.min(axis=0), found.max(axis=0)
    scaled = (found - low) * (STEPS / np.where(high > low, high - low, 1))
    descriptors: Ints = np.rint(scaled).astype(np.int64)
    return descriptors


def neighbour_difficulty(descriptors: Ints, labels: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Return how far the most similar images disagree with each entry of a label matrix.

    Args:
        descriptors: (N, D) whole numbers from 0 to 255.
        labels: (N, C) clean labels of 0 and 1.
        neighbours: How many images are compared with, by Euclidean distance; among equally distant ones the earlier.

    Returns:
        (N, C) in [0, 1]: for a present class the share of the neighbours that lack it, for an absent one the share
        that have it.

    Example:
        >>> neighbour_difficulty(np.array([[0], [1], [9]]), np.array([[1], [0], [0]]), neighbours=1).tolist()
        [[1.0], [1.0], [0.0]]
    """
    count = len(descriptors)
    references = np.unique(np.linspace(0, max(count - 1, 0), min(count, REFERENCES)).astype(np.int64))
    asked = min(neighbours, len(references) - 1)
    present = labels != 0
    if asked < 1:
        return np.zeros(labels.shape)
    # Sums of products of such small whole numbers are exact in float64, in any order.
    there = descriptors[references].astype(np.float64)
    lengths = np.square(there).sum(axis=1)
    votes = present[references].astype(np.int64)
    share = np.empty(labels.shape)
    for first in range(0, count, ROWS):
        here = descriptors[first : first + ROWS].astype(np.float64)
        distance = lengths - 2 * (here @ there.T) + np.square(here).sum(axis=1)[:, None]
        # No two keys of a row are equal, so the smallest ones do not depend on the algorithm.
        key = distance * len(references) + np.arange(len(references))
        key[np.arange(first, first + len(here))[:, None] == references] = np.inf
        nearest = np.argpartition(key, asked - 1, axis=1)[:, :asked]
        share[first : first + len(here)] = votes[nearest].sum(axis=1) / asked
    difficulty: Array = np.where(present, 1 - share, share)
    return difficulty


def _describe(images: Array) -> Array:
    flat = np.sort(images.reshape(*images.shape[:2], -1), axis=2).astype(np.float64)
    quantiles = [flat[..., flat.shape[2] * share // 100] for share in SHARES]
    values = images.astype(np.float64)
    down, right = np.abs(np.diff(values, axis=2)), np.abs(np.diff(values, axis=3))
    rough = (down.sum(axis=(2, 3)) + right.sum(axis=(2, 3))) / max(down[0, 0].size + right[0, 0].size, 1)
    return np.concatenate([*quantiles, rough], axis=1)
