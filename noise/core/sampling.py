"""Random draws over (sample, class) pairs, vectorised over an archive."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Ints

__all__ = ["Flags", "capped_pairs", "checked_generator", "free_classes", "rank_in_group", "spare_classes"]

Flags = npt.NDArray[np.bool_]


def checked_generator(rng: Any) -> np.random.Generator:
    """Return a random number generator.

    Raises:
        InputError: It is something else, such as a seed.
    """
    if not isinstance(rng, np.random.Generator):
        raise InputError(
            f"rng is {rng!r}; expected a random number generator of NumPy, such as numpy.random.default_rng(0)."
        )
    return rng


def rank_in_group(groups: Ints) -> Ints:
    """Number the entries of each group from 0.

    Args:
        groups: (K,) with equal values side by side.

    Returns:
        (K,).

    Example:
        >>> rank_in_group(np.array([4, 4, 7, 9, 9, 9])).tolist()
        [0, 1, 0, 0, 1, 2]
    """
    starts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1]))) if len(groups) else groups
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))


def spare_classes(present: Flags) -> Ints:
    """Return how many labels each sample can swap for classes that it does not have: (N,) min(n, C - n).

    Example:
        >>> spare_classes(np.array([[True, True, False], [True, False, False]])).tolist()
        [1, 1]
    """
    held = present.sum(axis=1, dtype=np.int64)
    room: Ints = np.minimum(held, present.shape[1] - held)
    return room


def capped_pairs(present: Flags, room: Ints, count: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw pairs one after another, each uniformly among those whose sample still has room.

    Where no sample has more pairs than room this is a uniform draw without replacement.

    Args:
        present: (N, C) the pairs.
        room: (N,) how many pairs each sample can give up.
        count: How many to draw, at most the sum of min(room, pairs) over the samples.
        rng: Random numbers.

    Returns:
        Samples (count,) and classes (count,), sorted by sample and class.
    """
    samples, classes = np.divmod(np.flatnonzero(present), present.shape[1])
    order = rng.permutation(len(samples))
    crowded = np.bincount(samples, minlength=len(present)) > room
    if crowded.any():
        # Skipping a pair whose sample is full is the same as never offering it, so one permutation does.
        places = np.flatnonzero(crowded[samples[order]])
        places = places[np.argsort(samples[order[places]], kind="stable")]
        owners = samples[order[places]]
        order = np.delete(order, places[rank_in_group(owners) >= room[owners]])
    chosen = np.zeros(len(samples), dtype=np.bool_)
    chosen[order[:count]] = True
    return samples[chosen], classes[chosen]


def free_classes(present: Flags, samples: Ints, rng: np.random.Generator) -> Ints:
    """Give each entry a class that its sample does not have, uniformly, and none twice to one sample.

    Args:
        present: (N, C) classes that a sample has.
        samples: (K,) sorted; no sample more often than it has free classes.
        rng: Random numbers.

    Returns:
        (K,) classes.
    """
    num_classes = present.shape[1]
    taken = present.copy().ravel()
    result = np.empty(len(samples), dtype=np.int64)
    rank = rank_in_group(samples)
    for turn in range(int(rank.max(initial=-1)) + 1):
        waiting = np.flatnonzero(rank == turn)
        # Drawing from all classes until a free one comes is uniform over the free ones.
        for _ in range(8):
            guess = rng.integers(num_classes, size=len(waiting))
            cells = samples[waiting] * num_classes + guess
            free = ~taken[cells]
            taken[cells[free]] = True
            result[waiting[free]] = guess[free]
            waiting = waiting[~free]
        # Those that are left have few free classes, which are listed and drawn from.
        free_here = ~taken.reshape(-1, num_classes)[samples[waiting]]
        pick = rng.integers(free_here.sum(axis=1)) if len(waiting) else waiting
        guess = (free_here.cumsum(axis=1) <= pick[:, None]).sum(axis=1)
        taken[samples[waiting] * num_classes + guess] = True
        result[waiting] = guess
    return result
