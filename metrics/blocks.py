"""Distances between two sets of descriptors, in blocks of bounded memory."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, TypeVar, cast

import numpy.typing as npt
import torch
from torch import Tensor

from gridbench.metrics import chi2_numba, chi2_triton
from gridbench.metrics.pairwise import DISTANCES, Tile
from gridbench.metrics.rows import Rows, common

__all__ = ["Comparison", "backend", "chi2_distances", "distances"]

Array = TypeVar("Array", npt.NDArray[Any], Tensor)

BLOCK_BYTES = 8 << 20
"""A block of descriptors, and a block of distances, is at most this large."""

BLOCK_ROWS = 2048

DEVICE_BYTES, DEVICE_ROWS = 64 << 20, 8192
"""The same on an accelerator, where small blocks would cost more in launches than in work."""


def backend(device: torch.device | str = "cpu") -> Literal["numba", "triton", "torch"]:
    """Say what computes large chi-square work on a device.

    Args:
        device: Where the descriptors are.

    Returns:
        On the CPU `"numba"` where it is installed; elsewhere `"triton"` where its kernel works, which is tried; or
        `"torch"`, plain operations in bounded memory.
    """
    place = torch.device(device)
    if place.type == "cpu":
        return "numba" if chi2_numba.works() else "torch"
    return "triton" if chi2_triton.works(place) else "torch"


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
            close = difflib.get_close_matches(str(distance), DISTANCES, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
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
        self._looped = chi2_numba.pays(distance, self.device, elements)
        self._fill_block: Callable[[Tensor, Tensor, Tensor], None]
        if self._looped:
            self._fill_block = chi2_numba.chi2_fill
        elif chi2_triton.pays(distance, self.dtype, self.device, elements):
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
        """Tell whether `keep_nearest` is there for k neighbours and quicker than looking at blocks of distances."""
        return self._looped and k <= chi2_numba.MOST_KEPT

    def keep_nearest(self, queries: Tensor, values: Tensor, indices: Tensor) -> None:
        """Write the nearest neighbours (q, k) of prepared queries, in the order (distance, index)."""
        values.fill_(float("inf"))
        for start, block in self._blocks(self._archive, 0, self.shape[1], self.rows):
            chi2_numba.chi2_keep_nearest(queries, block, start, values, indices)

    def result(self, values: Tensor) -> Any:
        """Return a tensor as what the caller gave: a tensor, or a numpy array."""
        return values if self.is_tensor else values.numpy()

    def _blocks(self, side: Rows, start: int, stop: int, step: int) -> Iterator[tuple[int, Tensor]]:
        for first in range(start, stop, step):
            block = side.block(first, min(first + step, stop), self.dtype, self.device)
            yield first, self.measure.prepare(block)


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
    """
    return distances(queries, archive, "chi2")
