"""Mean and standard deviation of each band over the stored pixels, exact for integers, in bounded memory."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.arrayfile import HEADER_BYTES

__all__ = ["band_statistics"]

CHUNK_PIXELS = 1 << 20


def band_statistics(
    path: Path, shape: tuple[int, int, int, int], dtype: str, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute each band's mean and population standard deviation over some images of a file.

    The file is read in pieces rather than mapped, because mapped pages would count as memory of this process.

    Args:
        path: A `.npy` file with our header.
        shape: (N, bands, H, W).
        dtype: `"uint8"` or `"uint16"`.
        rows: Which images count, ascending; at least one.

    Returns:
        Two (bands,) arrays. The sums are exact integers, so neither order nor chunking changes them.
    """
    count, bands, height, width = shape
    wanted = np.zeros(count, dtype=np.bool_)
    wanted[rows] = True
    per_image = bands * height * width
    step = max(1, CHUNK_PIXELS // per_image)
    sums, squares = [0] * bands, [0] * bands
    stored = np.dtype(dtype).newbyteorder("<")
    with path.open("rb", buffering=0) as file:
        for start in range(0, count, step):
            chosen = wanted[start : start + step]
            if not chosen.any():
                continue
            file.seek(HEADER_BYTES + start * per_image * stored.itemsize)
            block = np.fromfile(file, dtype=stored, count=len(chosen) * per_image)
            images = block.reshape(len(chosen), bands, height * width)[chosen]
            for band in range(bands):
                total, square = _sums(images[:, band])
                sums[band] += total
                squares[band] += square
    pixels = len(rows) * height * width
    variances = [Fraction(q, pixels) - Fraction(s, pixels) ** 2 for s, q in zip(sums, squares, strict=True)]
    mean = np.array([s / pixels for s in sums], dtype=np.float64)
    return mean, np.array([math.sqrt(v) for v in variances], dtype=np.float64)


def _sums(values: NDArray[np.generic]) -> tuple[int, int]:
    """Return the exact sum and sum of squares: float64 holds those of so few 16-bit numbers without rounding."""
    flat = values.reshape(-1)
    total = square = 0
    for start in range(0, len(flat), CHUNK_PIXELS):
        exact = flat[start : start + CHUNK_PIXELS].astype(np.float64)
        total += int(exact.sum())
        square += int(np.dot(exact, exact))
    return total, square
