"""The chi-square distance as a Triton kernel for accelerators, used for large inputs if the kernel is available.

Every number of a tile of queries and of archive rows is loaded once for all pairs of the tile, and no term is written
to memory. Before its first use on a device the kernel is tested on a small block: if it cannot be compiled, or differs
from the eager operations, a warning is issued and the eager operations are used. The arithmetic is tested in Triton's
interpreter; we have not run the kernel on an accelerator.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import warnings
from typing import Any

import torch
from torch import Tensor

from gridbench.metrics.pairwise import DISTANCES, Tile

__all__ = ["agrees", "chi2_fill", "is_available", "should_use"]

WORTH_LAUNCHING = 100_000_000_000
"""Elements (queries x archive x width) that eager operations take about a second for, as compiling the kernel does."""

QUERIES, ARCHIVE, DIMENSIONS, WARPS = 64, 64, 32, 4

tl: Any = None
"""The module triton.language, once the kernel is defined."""

TOLERANCE = 4e-6
"""Relative difference between two orders of adding up a thousand float32 terms that is not a fault."""


def should_use(distance: str, dtype: torch.dtype, device: torch.device, elements: int) -> bool:
    """Return whether to use the kernel for a comparison.

    Args:
        distance: Name of the distance; only chi-square has a kernel.
        dtype: Type of the descriptors; only float32.
        device: Where they are.
        elements: Queries x archive x width.
    """
    large = elements >= WORTH_LAUNCHING
    return distance == "chi2" and dtype == torch.float32 and large and is_available(device)


@functools.cache
def is_available(device: torch.device) -> bool:
    """Return whether the kernel works on a device, tested once; warn if it should work but does not."""
    if device.type == "cpu" or importlib.util.find_spec("triton") is None:
        return False
    try:
        if agrees(device):
            return True
        why = "its distances differ from those of eager operations"
    except Exception as error:  # whatever a compiler for an unknown device may raise
        why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
    warnings.warn(
        f"The Triton kernel for chi-square is left aside on {device}, and retrieval is slower: {why}.",
        stacklevel=2,
    )
    return False


def agrees(device: torch.device) -> bool:
    """Return whether the kernel and the eager operations give the same distances of a small block, zeros included."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.rand((QUERIES + 3, 77), generator=generator).to(device)
    archive = torch.rand((ARCHIVE + 5, 77), generator=generator).to(device)
    queries[:, ::7], archive[::2, ::7] = 0, 0
    archive[0] = queries[0]
    found = torch.full((len(queries), len(archive)), -1.0, device=device)
    expected = torch.empty_like(found)
    chi2_fill(queries, archive, found)
    Tile(77, torch.float32, torch.device(device)).fill(DISTANCES["chi2"], queries, archive, expected)
    return bool(torch.allclose(found, expected, rtol=TOLERANCE, atol=0)) and float(found[0, 0]) == 0


def chi2_fill(queries: Tensor, archive: Tensor, out: Tensor) -> None:
    """Write chi-square distances into `out`.

    Args:
        queries: (q, d) float32.
        archive: (a, d) float32 on the same device.
        out: (q, a) float32, its rows contiguous.

    Raises:
        ImportError: triton is not installed.
    """
    (count, width), size = queries.shape, len(archive)
    if count == 0 or size == 0:
        return
    grid = (-(-count // QUERIES), -(-size // ARCHIVE))
    _kernel()[grid](
        queries.T.contiguous(),
        archive.T.contiguous(),
        out,
        count,
        size,
        width,
        out.stride(0),
        torch.finfo(torch.float32).tiny,
        QUERIES=QUERIES,
        ARCHIVE=ARCHIVE,
        DIMENSIONS=DIMENSIONS,
        num_warps=WARPS,
    )


@functools.cache
def _kernel() -> Any:
    """Return the kernel, defined when it is first needed.

    Triton is not imported by name, since it is not a dependency that can be declared: torch's builds for accelerators
    bring the version that they need, and others bring none. The kernel reads `tl` from this module's globals.
    """
    global tl
    triton: Any = importlib.import_module("triton")
    tl = importlib.import_module("triton.language")

    @triton.jit  # type: ignore[untyped-decorator]
    def chi2(
        queries: Any,
        archive: Any,
        out: Any,
        count: Any,
        size: Any,
        width: Any,
        out_stride: Any,
        floor: Any,
        QUERIES: tl.constexpr,
        ARCHIVE: tl.constexpr,
        DIMENSIONS: tl.constexpr,
    ) -> None:
        """Write the distances of one tile.

        Args:
            queries: (width, count) float32, contiguous, so that what a tile needs of a dimension lies side by side.
            archive: (width, size), likewise.
            out: (count, size) with `out_stride` numbers from row to row.
            count: Number of queries.
            size: Number of archive rows.
            width: Dimensions of a descriptor.
            out_stride: Numbers from one row of `out` to the next.
            floor: What the denominator is at least, so that 0 / 0 is 0.
            QUERIES: Queries of a tile.
            ARCHIVE: Archive rows of a tile.
            DIMENSIONS: Terms that are added up before they join the sum, which keeps its rounding small.
        """
        rows = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
        columns = tl.program_id(1) * ARCHIVE + tl.arange(0, ARCHIVE)
        total = tl.zeros((QUERIES, ARCHIVE), dtype=tl.float32)
        for first in range(0, width, DIMENSIONS):
            part = tl.zeros((QUERIES, ARCHIVE), dtype=tl.float32)
            for dimension in range(first, min(first + DIMENSIONS, width)):
                u = tl.load(queries + dimension * count + rows, mask=rows < count, other=0.0)[:, None]
                v = tl.load(archive + dimension * size + columns, mask=columns < size, other=0.0)[None, :]
                difference = u - v
                part += difference * tl.div_rn(difference, tl.maximum(u + v, floor))
            total += part
        inside = (rows < count)[:, None] & (columns < size)[None, :]
        tl.store(out + rows[:, None] * out_stride + columns[None, :], 0.5 * total, mask=inside)

    return chi2
