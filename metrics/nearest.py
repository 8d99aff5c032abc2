"""Distances between two sets of descriptors and exact nearest neighbours, in blocks of bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, TypeVar, cast

import numpy.typing as npt
import torch
from torch import Tensor

from gridbench.errors import nearest
from gridbench.metrics import chi2_numba, chi2_triton
from gridbench.metrics.pairwise import DISTANCES, Rows, Tile, common
from gridbench.metrics.relevance import checked_depth

__all__ = ["Comparison", "backend", "chi2_distances", "chi2_topk", "distances", "topk"]

Array = TypeVar("Array", npt.NDArray[Any], Tensor)

BLOCK_BYTES, BLOCK_ROWS = 8 << 20, 2048
"""Largest block of descriptors that is compared at once."""

QUERY_ROWS, ARCHIVE_COLUMNS, CANDIDATES = 256, 2048, 1 << 19
"""Largest block of distances that `topk` searches at once, in queries, archive items and distances; the running top-k
and its keys are of the same order."""

DEVICE_BYTES, DEVICE_ROWS, DEVICE_COLUMNS, DEVICE_CANDIDATES = 64 << 20, 2048, 8192, 1 << 24
"""The same on an accelerator, where small blocks would cost more in launches than in work."""


def backend(device: torch.device | str = "cpu") -> Literal["numba", "triton", "torch"]:
    """Return the backend that computes large chi-square distances on a device.

    Args:
        device: Device of the descriptors.

    Returns:
        `"numba"` on the CPU if it is installed, `"triton"` on other devices if its kernel works there, otherwise
        `"torch"`, plain operations in bounded memory.

    Example:
        >>> backend("cpu") in ("numba", "torch")
        True
    """
    place = torch.device(device)
    if place.type == "cpu":
        return "numba" if chi2_numba.is_available() else "torch"
    return "triton" if chi2_triton.is_available(place) else "torch"


class Comparison:
    """Two checked sets of descriptors and the means to fill blocks of their distances.

    Args:
        queries: (n, d).
        archive: (m, d).
        distance: A name in `DISTANCES`.

    Raises:
        ValueError: An unknown distance, shapes that do not fit, or values that the distance cannot compare.
    """

    def __init__(self, queries: Any, archive: Any, distance: str) -> None:
        if distance not in DISTANCES:
            hint = nearest(str(distance), DISTANCES)
            raise ValueError(f"There is no distance {distance!r}.{hint} There are: {', '.join(DISTANCES)}.")
        self.measure = DISTANCES[distance]
        self._queries, self._archive = Rows(queries, "queries"), Rows(archive, "archive descriptors")
        self.dtype, self.device = common(self._queries, self._archive)
        self.shape = (self._queries.count, self._archive.count)
        self.is_tensor = self._queries.tensor is not None or self._archive.tensor is not None
        width = self._queries.width
        rows, size = (BLOCK_ROWS, BLOCK_BYTES) if self.device.type == "cpu" else (DEVICE_ROWS, DEVICE_BYTES)
        self.rows = max(1, min(rows, size // (width * self.dtype.itemsize)))
        low = 0.0 if self.measure.nonnegative else float("-inf")
        high = self.measure.largest(self.dtype, width)
        for side in (self._queries, self._archive):
            side.check(self.dtype, self.device, self.rows, low, high)
        elements = self.shape[0] * self.shape[1] * width
        self._scale = self._pairing_scale(elements) if distance == "chi2" else None
        self._fill_block: Callable[[Tensor, Tensor, Tensor], None]
        if self._scale:
            self._fill_block = partial(chi2_numba.chi2_fill, self._scale)
        elif chi2_triton.should_use(distance, self.dtype, self.device, elements):
            self._fill_block = chi2_triton.chi2_fill
        else:
            self._fill_block = partial(Tile(width, self.dtype, self.device).fill, self.measure)

    def query_blocks(self, step: int) -> Iterator[tuple[int, Tensor]]:
        """Yield (first row, prepared block) of the queries, `step` rows at a time."""
        return self._blocks(self._queries, 0, self.shape[0], min(step, self.rows))

    def fill(self, queries: Tensor, first: int, out: Tensor) -> None:
        """Write into `out` (q, columns) the distances of prepared queries to the archive from `first` on."""
        for start, block in self._blocks(self._archive, first, first + out.shape[1], self.rows):
            self._fill_block(queries, block, out[:, start - first : start - first + len(block)])

    def keeps(self, k: int) -> bool:
        """Return whether `keep_nearest` supports k neighbours and is faster than searching blocks of distances."""
        return self._scale is not None and k <= chi2_numba.MOST_KEPT

    def keep_nearest(self, queries: Tensor, values: Tensor, indices: Tensor) -> None:
        """Write the nearest neighbours (q, k) of prepared queries, in the order (distance, index)."""
        assert self._scale is not None
        values.fill_(float("inf"))
        for start, block in self._blocks(self._archive, 0, self.shape[1], self.rows):
            chi2_numba.chi2_keep_nearest(self._scale, queries, block, start, values, indices)

    def result(self, values: Tensor) -> Any:
        """Return a tensor as what the caller gave: a tensor, or a numpy array."""
        return values if self.is_tensor else values.numpy()

    def _blocks(self, side: Rows, start: int, stop: int, step: int) -> Iterator[tuple[int, Tensor]]:
        for first in range(start, stop, step):
            block = side.block(first, min(first + step, stop), self.dtype, self.device)
            prepared = self.measure.prepare(block)
            yield first, chi2_numba.prepare(prepared, self._scale) if self._scale else prepared

    def _pairing_scale(self, elements: int) -> float | None:
        """Return the scale of descriptors that the compiled loop compares; None where it does not."""
        large = self.device.type == "cpu" and elements >= chi2_numba.WORTH_COMPILING
        if not large or not chi2_numba.is_available():
            return None
        smallest, largest = math.inf, 0.0
        for side in (self._queries, self._archive):
            for start in range(0, side.count, self.rows):
                block = side.block(start, min(start + self.rows, side.count), self.dtype, self.device)
                smallest = min(smallest, float(block.masked_fill(block == 0, math.inf).amin()))
                largest = max(largest, float(block.amax()))
        return chi2_numba.pairing_scale(self.dtype, smallest, largest)


@torch.no_grad()
def distances(queries: Array, archive: Array, distance: str = "chi2") -> Array:
    """Compute all distances between two sets of descriptors.

    float32 stays float32 and float64 stays float64; half precision is compared in float32, whole numbers in
    float64. Beside the result at most 100 MB are used, on an accelerator some hundred. Equal descriptors have
    distance 0, in cosine too, except zero vectors there: they have no direction and are at distance 1 from
    everything, themselves included.

    Args:
        queries: (n, d) numpy array or tensor.
        archive: (m, d).
        distance: `"chi2"`, `"euclidean"`, `"cosine"` (1 - cos, 0 to 2) or `"manhattan"`.

    Returns:
        (n, m), a numpy array for numpy input and else a tensor on the same device.

    Raises:
        ValueError: An unknown distance, shapes that do not fit, values that are not finite or too large, or
            negative values for chi-square.

    Example:
        >>> distances([[0.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]], "manhattan").tolist()
        [[0.0, 1.0]]
    """
    comparison = Comparison(queries, archive, distance)
    values = torch.empty(comparison.shape, dtype=comparison.dtype, device=comparison.device)
    for first, block in comparison.query_blocks(BLOCK_ROWS):
        comparison.fill(block, 0, values[first : first + len(block)])
    return cast(Array, comparison.result(values))


def chi2_distances(queries: Array, archive: Array) -> Array:
    """Compute the paper's retrieval distance, 1/2 sum_j (u_j - v_j)^2 / (u_j + v_j), where 0/0 counts 0.

    Args:
        queries: (n, d), non-negative numpy array or tensor.
        archive: (m, d), likewise.

    Returns:
        (n, m), see `distances`.

    Raises:
        ValueError: A negative or non-finite value, or widths that differ.

    Example:
        >>> chi2_distances([[0.2, 0.0, 1.0, 3.0]], [[0.1, 0.0, 2.0, 1.0]]).round(6).tolist()
        [[0.683333]]
    """
    return distances(queries, archive, "chi2")


def chi2_topk(queries: Array, archive: Array, k: int) -> tuple[Array, Array]:
    """Find the k nearest archive items of each query under the chi-square distance, nearest first.

    Args:
        queries: (n, d) numpy array or tensor, not negative.
        archive: (m, d), not negative.
        k: 1 to m.

    Returns:
        Distances (n, k), ascending, and int64 indices (n, k), the lower index first among equals; numpy arrays for
        numpy input, else tensors.

    Raises:
        ValueError: k is not a whole number from 1 to m, or what `chi2_distances` refuses.

    Example:
        >>> values, indices = chi2_topk([[1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [3.0, 0.0]], k=2)
        >>> values.tolist(), indices.tolist()
        ([[0.0, 0.5]], [[1, 2]])
    """
    return topk(queries, archive, k, "chi2")


@torch.no_grad()
def topk(queries: Array, archive: Array, k: int, distance: str = "chi2") -> tuple[Array, Array]:
    """Find the k nearest archive items of each query, nearest first, the lower index first among equals.

    The result is that of a stable sort of each whole row, on any device and however the work is split.

    Args:
        queries: (n, d) numpy array or tensor.
        archive: (m, d).
        k: 1 to m.
        distance: `"chi2"`, `"euclidean"`, `"cosine"` or `"manhattan"`; see `distances`.

    Returns:
        Distances (n, k), ascending, and int64 indices (n, k); numpy arrays for numpy input, else tensors.

    Raises:
        ValueError: k is not a whole number from 1 to m, or what `distances` refuses.

    Example:
        >>> values, indices = topk([[1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], k=2, distance="cosine")
        >>> values.tolist(), indices.tolist()
        ([[0.0, 0.0]], [[1, 2]])
    """
    comparison = Comparison(queries, archive, distance)
    count, size = comparison.shape
    k = checked_depth(k, highest=size)
    values = torch.empty((count, k), dtype=comparison.dtype, device=comparison.device)
    indices = torch.empty((count, k), dtype=torch.int64, device=comparison.device)
    if comparison.keeps(k):
        for start, block in comparison.query_blocks(comparison.rows):
            rows = slice(start, start + len(block))
            comparison.keep_nearest(block, values[rows], indices[rows])
        return cast(Array, comparison.result(values)), cast(Array, comparison.result(indices))
    most, columns, candidates = QUERY_ROWS, ARCHIVE_COLUMNS, CANDIDATES
    if comparison.device.type != "cpu":
        most, columns, candidates = DEVICE_ROWS, DEVICE_COLUMNS, DEVICE_CANDIDATES
    span = min(size, max(columns, 2 * k))
    step = max(1, min(most, candidates // span))
    scratch = torch.empty((step, span), dtype=comparison.dtype, device=comparison.device)
    for start, block in comparison.query_blocks(step):
        best: tuple[Tensor, Tensor] | None = None
        for first in range(0, size, span):
            distances = scratch[: len(block), : min(span, size - first)]
            comparison.fill(block, first, distances)
            nearest, where = _smallest(distances, min(k, distances.shape[1]))
            best = _merged(best, (nearest, where + first), k)
        if best is not None:
            values[start : start + len(block)], indices[start : start + len(block)] = best
    return cast(Array, comparison.result(values)), cast(Array, comparison.result(indices))


def _smallest(block: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k smallest of each row in the order (value, index)."""
    values, indices = torch.topk(block, k, dim=1, largest=False, sorted=False)
    border = values.amax(dim=1, keepdim=True)
    # topk picks any of the values that tie at the border, so rows with more of them than fit are picked anew.
    tied = ((block <= border).sum(dim=1) > k).nonzero()[:, 0]
    if len(tied):
        indices[tied] = _lowest_indices(block[tied], border[tied], k)
    indices = indices.sort(dim=1).values
    values, order = block.gather(1, indices).sort(dim=1, stable=True)
    return values, indices.gather(1, order)


def _lowest_indices(block: Tensor, border: Tensor, k: int) -> Tensor:
    """Return, per row, k indices: of all values below the border, and of the first ones equal to it."""
    below, equal = block < border, block == border
    room = k - below.sum(dim=1, keepdim=True)
    chosen = below | (equal & (equal.cumsum(dim=1) <= room))
    return chosen.nonzero()[:, 1].view(len(block), k)


def _merged(best: tuple[Tensor, Tensor] | None, new: tuple[Tensor, Tensor], k: int) -> tuple[Tensor, Tensor]:
    """Join two ordered lists; the first has the lower indices, so a stable sort keeps equals in order."""
    if best is None:
        return new
    values, order = torch.cat((best[0], new[0]), dim=1).sort(dim=1, stable=True)
    indices = torch.cat((best[1], new[1]), dim=1).gather(1, order[:, :k])
    return values[:, :k], indices
