"""Cuts large images into tiles: side by side or overlapping, with or without the rest at the edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tiling"]


@dataclass(frozen=True)
class Tiling:
    """Square tiles on a grid.

    Attributes:
        side: Side of a tile in pixels.
        overlap: Pixels that neighbouring tiles share, less than the side.
        pad: Whether the last row and column are filled up to whole tiles; otherwise the rest is left out.
    """

    side: int
    overlap: int = 0
    pad: bool = False

    def starts(self, length: int) -> list[int]:
        """Return where tiles begin along an edge.

        >>> Tiling(4).starts(10), Tiling(4, pad=True).starts(10), Tiling(4, overlap=2).starts(10)
        ([0, 4], [0, 4, 8], [0, 2, 4, 6])
        """
        step = self.side - self.overlap
        whole = list(range(0, length - self.side + 1, step))
        if not self.pad:
            return whole
        end = whole[-1] + self.side if whole else 0
        return whole if end == length else [*whole, whole[-1] + step if whole else 0]

    def names(self, height: int, width: int) -> list[str]:
        """Return the name of each tile, row by row."""
        rows, columns = len(self.starts(height)), len(self.starts(width))
        return [f"r{row:03d}_c{column:03d}" for row in range(rows) for column in range(columns)]

    def covered(self, height: int, width: int) -> int:
        """Return how many pixels of an image are in at least one tile."""

        def along(length: int) -> int:
            starts = self.starts(length)
            return min(length, starts[-1] + self.side) if starts else 0

        return along(height) * along(width)

    def cut(self, array: NDArray[np.generic], fill: int) -> list[NDArray[np.generic]]:
        """Return the tiles of an array, row by row.

        Args:
            array: (..., H, W).
            fill: Number beyond the edges.

        Returns:
            Arrays of (..., side, side).
        """
        height, width = array.shape[-2:]
        rows, columns = self.starts(height), self.starts(width)
        below = max(0, (rows[-1] if rows else 0) + self.side - height) if self.pad else 0
        right = max(0, (columns[-1] if columns else 0) + self.side - width) if self.pad else 0
        if below or right:
            edges = [(0, 0)] * (array.ndim - 2) + [(0, below), (0, right)]
            array = np.pad(array, edges, constant_values=fill)
        side = self.side
        return [array[..., row : row + side, column : column + side] for row in rows for column in columns]
