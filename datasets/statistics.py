"""Mean and standard deviation of each band over the stored pixels, exact for integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["band_statistics"]

_CHUNK_BYTES = 1 << 23


def band_statistics(
    pixels: NDArray[np.generic], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute each band's mean and population standard deviation over some images.

    Args:
        pixels: (N, bands, H, W) unsigned integers of at most 16 bits; may be a memory map.
        rows: Which images count; at least one.

    Returns:
        Two (bands,) arrays. The sums are exact integers, so neither order nor chunking changes them.
    """
    bands = pixels.shape[1]
    sums, squares = [0] * bands, [0] * bands
    per_image = max(1, int(np.prod(pixels.shape[1:])) * 8)
    step = max(1, _CHUNK_BYTES // per_image)
    for start in range(0, len(rows), step):
        block = np.asarray(pixels[rows[start : start + step]]).astype(np.uint64)
        flat = block.transpose(1, 0, 2, 3).reshape(bands, -1)
        for band in range(bands):
            sums[band] += int(flat[band].sum())
            squares[band] += int(np.dot(flat[band], flat[band]))
    count = len(rows) * pixels.shape[2] * pixels.shape[3]
    variances = [Fraction(q, count) - Fraction(s, count) ** 2 for s, q in zip(sums, squares, strict=True)]
    mean = np.array([s / count for s in sums], dtype=np.float64)
    return mean, np.array([math.sqrt(v) for v in variances], dtype=np.float64)
