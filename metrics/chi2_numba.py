"""The chi-square distance as a compiled loop on the CPU, used for large inputs if numba is installed.

The plain loop is limited by division throughput: 8 float32 numbers in 5 cycles on Intel's Cascade Lake. Since
a / s + b / t = (a t + b s) / (s t), one division serves two dimensions as long as no product leaves the range of normal
numbers, which `pairing_scale` checks by the smallest and largest values of the descriptors. Otherwise plain torch
operations are used.

numba's on-disk cache would save a second in a process that ranks a large archive, but it uses pickle in a folder that
may be writable by others, so the loop is compiled in each process.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["MOST_KEPT", "chi2_fill", "chi2_keep_nearest", "is_available", "pairing_scale", "prepare"]

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


MOST_SCALED = {torch.float32: 100, torch.float64: 900}
"""Largest exponent of the power of two that descriptors are scaled by, which leaves the scale itself normal."""


class Bounds(NamedTuple):
    """Exponents of two between which scaled descriptors keep every intermediate result of a pair normal.

    With p bits of precision and x the smallest positive value, a difference is 0 or at least x / 2^p. Numerators are at
    least (x / 2^p)^2 * floor and at most 4 times the largest value cubed; denominators are at least floor^2.

    Attributes:
        largest: Of the largest value.
        smallest: Of the smallest positive value.
        floor: Of the value that replaces a sum of 0; it vanishes when it is added to any positive value.
    """

    largest: int
    smallest: int
    floor: int


BOUNDS = {torch.float32: Bounds(41, -17, -42), torch.float64: Bounds(340, -287, -341)}


class Kernel(NamedTuple):
    """The compiled loops.

    Attributes:
        fill: (queries, queries raised to the floor, archive, factor of the sums, out).
        keep_nearest: (the same but out, index of the first archive row, tile, values, indices).
    """

    fill: Callable[..., None]
    keep_nearest: Callable[..., None]


def is_available() -> bool:
    """Return whether numba is installed, so that the loop can be compiled."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def pairing_scale(dtype: torch.dtype, smallest: float, largest: float) -> float | None:
    """Return the power of two by which descriptors are scaled, so that two dimensions can share a division.

    Args:
        dtype: float32 or float64.
        smallest: The smallest positive value of all descriptors; infinity when none is positive.
        largest: The largest value.

    Returns:
        The scale; None where the values are too far apart (2^58 in float32), or too small or large to be scaled.

    Example:
        >>> pairing_scale(torch.float32, 0.001, 1.0) == 2.0**41
        True
        >>> pairing_scale(torch.float32, 1e-20, 1.0) is None
        True
    """
    if not 0 < largest < math.inf:
        return None
    bounds = BOUNDS[dtype]
    exponent = bounds.largest - math.ceil(math.log2(largest))
    fits = smallest >= 2.0 ** (bounds.smallest - exponent)
    return 2.0**exponent if fits and abs(exponent) <= MOST_SCALED[dtype] else None


def prepare(block: Tensor, scale: float) -> Tensor:
    """Return descriptors (n, d) as the loop takes them: scaled, and of an even width.

    Args:
        block: (n, d).
        scale: As `pairing_scale` returns it.

    Returns:
        (n, d), or (n, d + 1) with a last column of zeros when d is odd.
    """
    scaled = block * scale
    return torch.nn.functional.pad(scaled, (0, 1)) if scaled.shape[1] % 2 else scaled


def chi2_fill(scale: float, queries: Tensor, archive: Tensor, out: Tensor) -> None:
    """Write chi-square distances into `out`.

    Args:
        scale: What the descriptors were scaled by.
        queries: (q, d), prepared, contiguous, on the CPU.
        archive: (a, d) of the same type, prepared.
        out: (q, a) of the same type.

    Raises:
        RuntimeError: numba is not installed.
    """
    loop = _Loop(scale, queries)
    v, distances = archive.numpy(), out.numpy()
    _in_threads(
        len(queries), lambda rows: loop.kernel.fill(*loop.rows(rows), v, loop.factor, distances[rows])
    )


def chi2_keep_nearest(
    scale: float, queries: Tensor, archive: Tensor, first: int, values: Tensor, indices: Tensor
) -> None:
    """Insert archive rows into the ordered lists of nearest neighbours, each after those at the same distance.

    Args:
        scale: What the descriptors were scaled by.
        queries: (q, d), prepared, contiguous, on the CPU.
        archive: (a, d) of the same type, prepared.
        first: Index of the first archive row; higher than all that were inserted before.
        values: (q, k) distances, ascending; infinity where a place is free.
        indices: (q, k) int64.

    Raises:
        RuntimeError: numba is not installed.
    """
    loop = _Loop(scale, queries)
    v, nearest, where = archive.numpy(), values.numpy(), indices.numpy()

    def keep(rows: slice) -> None:
        tile = np.empty((QUERY_TILE, ARCHIVE_TILE), dtype=v.dtype)
        for low in range(rows.start, rows.stop, QUERY_TILE):
            some = slice(low, min(low + QUERY_TILE, rows.stop))
            loop.kernel.keep_nearest(
                *loop.rows(some), v, loop.factor, first, tile, nearest[some], where[some]
            )

    _in_threads(len(queries), keep)


class _Loop:
    """The compiled loops with one block of queries: as it is, and with its zeros raised to the floor."""

    def __init__(self, scale: float, queries: Tensor) -> None:
        kernel = compiled()
        if kernel is None:
            raise RuntimeError(MISSING)
        self.kernel = kernel
        self._queries = queries.numpy()
        self._raised = queries.clamp(min=2.0 ** BOUNDS[queries.dtype].floor).numpy()
        self.factor = self._queries.dtype.type(0.5 / scale)

    def rows(self, some: slice) -> tuple[Array, Array]:
        """Return some of the queries, as they are and raised."""
        return self._queries[some], self._raised[some]


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

    # Strict arithmetic: with contraction, which product is fused would depend on the place in a tile, and equal
    # descriptors would not be at equal distances.
    @numba.njit(error_model="numpy")
    def pair(u: Any, raised: Any, v: Any, i: Any, j: Any, c: Any, half: Any) -> Any:
        a, b = u[i, c] - v[j, c], u[i, c + half] - v[j, c + half]
        s, t = raised[i, c] + v[j, c], raised[i, c + half] + v[j, c + half]
        return (a * a * t + b * b * s) / (s * t)

    # Reassociation alone lets the sums run in vector lanes. Two queries by four rows of the archive share what is
    # loaded; at an edge, the last row stands in for those that are missing and is written again.
    @numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc"})
    def chi2(u: Any, raised: Any, v: Any, factor: Any, out: Any) -> None:
        half, zero = u.shape[1] // 2, u.dtype.type(0)
        for first in range(0, v.shape[0], ARCHIVE_TILE):
            last = min(first + ARCHIVE_TILE, v.shape[0])
            for i in range(0, u.shape[0], 2):
                k = min(i + 1, u.shape[0] - 1)
                for j in range(first, last, 4):
                    s, m, n = min(j + 1, last - 1), min(j + 2, last - 1), min(j + 3, last - 1)
                    ij = il = im = i_n = kj = kl = km = kn = zero
                    for c in range(half):
                        ij += pair(u, raised, v, i, j, c, half)
                        il += pair(u, raised, v, i, s, c, half)
                        im += pair(u, raised, v, i, m, c, half)
                        i_n += pair(u, raised, v, i, n, c, half)
                        kj += pair(u, raised, v, k, j, c, half)
                        kl += pair(u, raised, v, k, s, c, half)
                        km += pair(u, raised, v, k, m, c, half)
                        kn += pair(u, raised, v, k, n, c, half)
                    out[i, j], out[i, s], out[i, m], out[i, n] = (
                        factor * ij, factor * il, factor * im, factor * i_n
                    )  # fmt: skip
                    out[k, j], out[k, s], out[k, m], out[k, n] = (
                        factor * kj, factor * kl, factor * km, factor * kn
                    )  # fmt: skip

    @numba.njit(nogil=True)
    def keep_nearest(
        u: Any, raised: Any, v: Any, factor: Any, start: Any, tile: Any, values: Any, indices: Any
    ) -> None:
        k = values.shape[1]
        for first in range(0, v.shape[0], ARCHIVE_TILE):
            last = min(first + ARCHIVE_TILE, v.shape[0])
            chi2(u, raised, v[first:last], factor, tile)
            for i in range(u.shape[0]):
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
