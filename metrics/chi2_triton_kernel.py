"""The chi-square distance as one Triton kernel; import it through `tiled`, which knows where it works.

Triton is not imported by name, since nobody can ask for it: torch's builds for accelerators bring the version that they
need, and others bring none.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["chi2"]

triton: Any = importlib.import_module("triton")
tl: Any = importlib.import_module("triton.language")


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
