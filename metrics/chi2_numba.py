"""The chi-square distance as one compiled loop on the CPU, used for large work when numba is installed.

numba could keep what it compiled on disk, which would save a second in a process that ranks a large archive. It
would do so by pickle, in a folder that others may write to, so it compiles anew.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["MOST_KEPT", "chi2_fill", "chi2_keep_nearest", "is_available", "should_use"]

WORTH_COMPILING = 3_000_000_000
"""Elements (queries x archive x width) from which compiling (1.5 s) costs less than the loop saves."""

ARCHIVE_TILE = 64
"""Archive rows that are reused while they are in the cache, for archives that are larger than it."""

QUERY_TILE = 256
"""Queries that are compared with a tile of the archive before their nearest neighbours are brought up to date."""

MOST_KEPT = 128
"""Neighbours up to which inserting each into an ordered list is quicker than sorting blocks of distances."""

MISSING = "The compiled loop needs numba; `is_available()` tells whether it is there."

Array = npt.NDArray[Any]


class Kernel(NamedTuple):
    """The compiled loops.

    Attributes:
        fill: (queries, archive, out).
        keep_nearest: (queries, archive, index of the first archive row, tile, values, indices).
    """

    fill: Callable[[Array, Array, Array], None]
    keep_nearest: Callable[[Array, Array, int, Array, Array, Array], None]


def is_available() -> bool:
    """Tell whether the loop can be compiled: numba is installed."""
    return compiled() is not None


def should_use(distance: str, device: torch.device, elements: int) -> bool:
    """Decide whether a comparison is done by the compiled loop.

    Args:
        distance: Name of the distance; chi-square alone has a loop.
        device: Where the descriptors are.
        elements: Queries x archive x width.
    """
    return distance == "chi2" and device.type == "cpu" and elements >= WORTH_COMPILING and is_available()


def chi2_fill(queries: Tensor, archive: Tensor, out: Tensor) -> None:
    """Write chi-square distances into `out`.

    Args:
        queries: (q, d), contiguous, on the CPU.
        archive: (a, d) of the same type.
        out: (q, a) of the same type.

    Raises:
        RuntimeError: numba is not installed.
    """
    kernel = compiled()
    if kernel is None:
        raise RuntimeError(MISSING)
    u, v, distances = queries.numpy(), archive.numpy(), out.numpy()
    _in_threads(len(queries), lambda rows: kernel.fill(u[rows], v, distances[rows]))


def chi2_keep_nearest(queries: Tensor, archive: Tensor, first: int, values: Tensor, indices: Tensor) -> None:
    """Insert archive rows into the ordered lists of nearest neighbours, each after those at the same distance.

    Args:
        queries: (q, d), contiguous, on the CPU.
        archive: (a, d) of the same type.
        first: Index of the first archive row; higher than all that were inserted before.
        values: (q, k) distances, ascending; infinity where a place is free.
        indices: (q, k) int64.

    Raises:
        RuntimeError: numba is not installed.
    """
    kernel = compiled()
    if kernel is None:
        raise RuntimeError(MISSING)
    u, v, nearest, where = queries.numpy(), archive.numpy(), values.numpy(), indices.numpy()

    def keep(rows: slice) -> None:
        tile = np.empty((QUERY_TILE, ARCHIVE_TILE), dtype=u.dtype)
        for low in range(rows.start, rows.stop, QUERY_TILE):
            some = slice(low, min(low + QUERY_TILE, rows.stop))
            kernel.keep_nearest(u[some], v, first, tile, nearest[some], where[some])

    _in_threads(len(queries), keep)


def _in_threads(count: int, work: Callable[[slice], None]) -> None:
    """Divide rows among as many threads as torch uses; the compiled loops let them run side by side."""
    threads = max(1, min(torch.get_num_threads(), count))
    bounds = [count * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for part in [pool.submit(work, slice(low, high)) for low, high in itertools.pairwise(bounds)]:
            part.result()


@functools.cache
def compiled() -> Kernel | None:
    """Return the kernel, compiled once in a process; None without numba."""
    try:
        import numba
    except ImportError:
        return None

    # Reassociation alone lets the sum run in vector lanes; infinities and NaN keep their meaning.
    @numba.njit(nogil=True, fastmath={"reassoc", "contract"})
    def chi2(queries: Any, archive: Any, out: Any) -> None:
        floor = np.finfo(queries.dtype).tiny
        half = queries.dtype.type(0.5)
        for first in range(0, archive.shape[0], ARCHIVE_TILE):
            last = min(first + ARCHIVE_TILE, archive.shape[0])
            for i in range(queries.shape[0]):
                for j in range(first, last):
                    total = queries.dtype.type(0)
                    for c in range(queries.shape[1]):
                        difference = queries[i, c] - archive[j, c]
                        total += difference * (difference / max(queries[i, c] + archive[j, c], floor))
                    out[i, j] = half * total

    @numba.njit(nogil=True)
    def keep_nearest(queries: Any, archive: Any, start: Any, tile: Any, values: Any, indices: Any) -> None:
        k = values.shape[1]
        for first in range(0, archive.shape[0], ARCHIVE_TILE):
            last = min(first + ARCHIVE_TILE, archive.shape[0])
            chi2(queries, archive[first:last], tile)
            for i in range(queries.shape[0]):
                for j in range(last - first):
                    distance = tile[i, j]
                    if distance < values[i, k - 1]:
                        place = k - 1
                        while place > 0 and values[i, place - 1] > distance:
                            values[i, place] = values[i, place - 1]
                            indices[i, place] = indices[i, place - 1]
                            place -= 1
                        values[i, place] = distance
                        indices[i, place] = start + first + j

    return Kernel(chi2, keep_nearest)
