"""The four distances between descriptors, each as a term per dimension that is summed over fixed tiles, and `Rows`.

All of them are sums of non-negative terms of the difference u - v, so that a descriptor is at distance 0 from
its copies, equal descriptors get equal distances bit for bit, and near neighbours lose no digits to
cancellation (a matrix product would be faster for euclidean and cosine and gives up all three).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gridbench.metrics.relevance import to_numpy

__all__ = ["DISTANCES", "Measure", "Rows", "Tile", "common"]

CPU_TILE_BYTES = 3 << 20
"""Per buffer and thread: larger ones leave the cache, smaller ones cost more in calls than they save."""

DEVICE_TILE_BYTES = 32 << 20
"""Per buffer on an accelerator, where a launch costs more than the memory traffic of a small tile."""


def _as_is(block: Tensor) -> Tensor:
    return block


@dataclass(frozen=True)
class Measure:
    """One distance.

    Attributes:
        terms: Writes the terms of every dimension of a tile into its first buffer, given queries, the same raised,
            archive, and both buffers.
        finish: Turns a block of sums into distances, in place, given the prepared queries and archive.
        prepare: Maps a block of descriptors (n, d) to what `terms` compares.
        largest: Largest magnitude that cannot overflow, given the type and the width d.
        nonnegative: Whether negative descriptors are refused.
        raise_queries: Keeps queries off values that `terms` cannot take, once for a whole row of tiles.
    """

    terms: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], None]
    finish: Callable[[Tensor, Tensor, Tensor], None]
    prepare: Callable[[Tensor], Tensor]
    largest: Callable[[torch.dtype, int], float]
    nonnegative: bool = False
    raise_queries: Callable[[Tensor], Tensor] = _as_is


class Tile:
    """Two preallocated buffers through which a block of distances is computed.

    How the terms of a pair are added up, and so its last bit, depends neither on its neighbours nor on where a
    block ends: a CPU adds each of several rows alike however many there are, and elsewhere the sum always runs
    over the whole buffer.

    Args:
        width: Dimensions d of a descriptor.
        dtype: float32 or float64.
        device: Where the descriptors are.
    """

    def __init__(self, width: int, dtype: torch.dtype, device: torch.device) -> None:
        size = DEVICE_TILE_BYTES
        if device.type == "cpu":
            size = min(DEVICE_TILE_BYTES, CPU_TILE_BYTES * torch.get_num_threads())
        rows = max(2, size // (width * dtype.itemsize))
        self.queries = math.isqrt(rows)
        self.archive = rows // self.queries
        self.width = width
        self._alike = device.type == "cpu"
        pairs = self.queries * self.archive
        self._first = torch.zeros((pairs, width), dtype=dtype, device=device)
        self._second = torch.zeros((pairs, width), dtype=dtype, device=device)
        self._sums = torch.zeros(pairs, dtype=dtype, device=device)

    def fill(self, measure: Measure, queries: Tensor, archive: Tensor, out: Tensor) -> None:
        """Write the distances of prepared queries (q, d) to a prepared archive (a, d) into `out` (q, a)."""
        for top in range(0, len(queries), self.queries):
            rows = queries[top : top + self.queries, None]
            raised = measure.raise_queries(rows)
            for left in range(0, len(archive), self.archive):
                columns = archive[None, left : left + self.archive]
                height, breadth = rows.shape[0], columns.shape[1]
                pairs, shape = height * breadth, (height, breadth, self.width)
                first, second = self._first[:pairs].view(shape), self._second[:pairs].view(shape)
                measure.terms(rows, raised, columns, first, second)
                # The sum of a single row may be divided among threads.
                summed = max(2, pairs) if self._alike else len(self._sums)
                torch.sum(self._first[:summed], dim=-1, out=self._sums[:summed])
                sums = self._sums[:pairs].view(height, breadth)
                out[top : top + height, left : left + breadth] = sums
        measure.finish(out, queries, archive)


def _chi2_terms(u: Tensor, raised: Tensor, v: Tensor, first: Tensor, second: Tensor) -> None:
    # d * (d / s) neither overflows nor underflows where d * d / s would. The floor turns 0 / 0 into 0; raising u alone
    # costs nothing, and changes a term by less than the floor itself, which no sum above 2^25 floors can hold.
    torch.add(raised, v, out=second)
    torch.sub(u, v, out=first)
    torch.div(first, second, out=second)
    first.mul_(second)


def _manhattan_terms(u: Tensor, raised: Tensor, v: Tensor, first: Tensor, second: Tensor) -> None:
    torch.sub(u, v, out=first)
    first.abs_()


def _squared_terms(u: Tensor, raised: Tensor, v: Tensor, first: Tensor, second: Tensor) -> None:
    torch.sub(u, v, out=first)
    first.mul_(first)


def _off_zero(block: Tensor) -> Tensor:
    return block.clamp(min=torch.finfo(block.dtype).tiny)


def _unit_rows(block: Tensor) -> Tensor:
    # Dividing by the largest magnitude first keeps the squares of tiny and huge rows representable.
    scale = block.abs().amax(dim=1, keepdim=True)
    scaled = block / scale.masked_fill(scale == 0, 1)
    norm: Tensor = torch.linalg.vector_norm(scaled.double(), dim=1, keepdim=True)
    return scaled / norm.to(block.dtype).masked_fill(norm == 0, 1)


def _halve(out: Tensor, queries: Tensor, archive: Tensor) -> None:
    out.mul_(0.5)


def _keep(out: Tensor, queries: Tensor, archive: Tensor) -> None:
    return None


def _root(out: Tensor, queries: Tensor, archive: Tensor) -> None:
    out.sqrt_()


def _cosine(out: Tensor, queries: Tensor, archive: Tensor) -> None:
    # Of unit vectors, |u - v|^2 / 2 is 1 - cos(u, v).
    out.mul_(0.5).clamp_(max=2)
    out[~queries.any(dim=1)] = 1
    out[:, ~archive.any(dim=1)] = 1


def _largest_sum(dtype: torch.dtype, width: int) -> float:
    return torch.finfo(dtype).max / (2.0 * width)


def _largest_square(dtype: torch.dtype, width: int) -> float:
    return math.sqrt(torch.finfo(dtype).max / (4.0 * width))


def _largest(dtype: torch.dtype, width: int) -> float:
    return torch.finfo(dtype).max


DISTANCES: dict[str, Measure] = {
    "chi2": Measure(_chi2_terms, _halve, _as_is, _largest_sum, nonnegative=True, raise_queries=_off_zero),
    "euclidean": Measure(_squared_terms, _root, _as_is, _largest_square),
    "cosine": Measure(_squared_terms, _cosine, _unit_rows, _largest),
    "manhattan": Measure(_manhattan_terms, _keep, _as_is, _largest_sum),
}
"""Name -> distance."""

_NUMPY: dict[torch.dtype, npt.DTypeLike] = {torch.float32: np.float32, torch.float64: np.float64}


class Rows:
    """A matrix of descriptors (n, d) that hands out contiguous blocks of one floating type.

    Args:
        data: numpy array, torch tensor, table or nested sequence.
        name: What it is, for messages.

    Raises:
        ValueError: It is not a matrix of real numbers, none of them masked, with at least one column.
    """

    def __init__(self, data: Any, name: str) -> None:
        self.name = name
        self.tensor: Tensor | None = data.detach().to_dense() if isinstance(data, Tensor) else None
        self._array: npt.NDArray[Any] = np.empty((0, 0)) if self.tensor is not None else to_numpy(data, name)
        shape = tuple(self._array.shape if self.tensor is None else self.tensor.shape)
        if len(shape) != 2 or shape[1] == 0:
            raise ValueError(
                f"The {name} have shape {shape}; expected (rows, width) with a width of 1 or more."
            )
        self.count, self.width = shape
        self.dtype = self._floating()

    def block(self, start: int, stop: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return rows start:stop as a contiguous (stop - start, d) tensor."""
        if self.tensor is not None:
            return self.tensor[start:stop].to(device, dtype).contiguous()
        # A copy, since torch takes neither read-only nor byte-swapped nor backward-strided memory.
        with np.errstate(over="ignore"):
            rows = np.array(self._array[start:stop], dtype=_NUMPY[dtype], order="C")
        return torch.from_numpy(rows).to(device)

    def check(self, dtype: torch.dtype, device: torch.device, step: int, low: float, high: float) -> None:
        """Read everything once and refuse what the distance cannot compare.

        Raises:
            ValueError: A value is not finite, below `low`, or so large that the distance would overflow.
        """
        for start in range(0, self.count, step):
            block = self.block(start, min(start + step, self.count), dtype, device)
            smallest, largest = (float(value) for value in torch.aminmax(block))
            if low <= smallest and largest <= high and smallest >= -high:
                continue
            bad, what = ~block.isfinite(), "a value that is not finite"
            if not bool(bad.any()):
                bad, what = block < low, "a negative value, which the chi-square distance cannot compare"
            if not bool(bad.any()):
                bad, what = block.abs() > high, f"a value too large for {str(dtype).removeprefix('torch.')}"
            row, column = bad.nonzero()[0].tolist()
            value = float(block[row, column])
            raise ValueError(f"The {self.name} hold {what}: {value:g} in row {start + row}, column {column}.")

    def _floating(self) -> torch.dtype:
        if self.tensor is not None:
            if self.tensor.is_complex():
                raise ValueError(f"The {self.name} are complex numbers; expected real ones.")
            if self.tensor.is_floating_point() and self.tensor.dtype != torch.float64:
                return torch.float32
            return torch.float64
        if self._array.dtype.kind not in "fiub":
            raise ValueError(f"The {self.name} are of type {self._array.dtype}; expected real numbers.")
        narrow = self._array.dtype.kind == "f" and self._array.dtype.itemsize <= 4
        return torch.float32 if narrow else torch.float64


def common(queries: Rows, archive: Rows) -> tuple[torch.dtype, torch.device]:
    """Return the type and the device that two sets of descriptors are compared in.

    Raises:
        ValueError: Their widths differ, or they are tensors on two devices.
    """
    if queries.width != archive.width:
        raise ValueError(
            f"The queries are {queries.width} wide and the archive {archive.width}; one network makes both."
        )
    devices = {rows.tensor.device for rows in (queries, archive) if rows.tensor is not None}
    if len(devices) > 1:
        raise ValueError(
            f"The queries and the archive are on two devices: {', '.join(sorted(map(str, devices)))}."
        )
    dtype = torch.promote_types(queries.dtype, archive.dtype)
    return dtype, devices.pop() if devices else torch.device("cpu")
