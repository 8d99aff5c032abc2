"""Bicubic upsampling by exactly two as one compiled loop, used on the CPU when numba is installed.

The numbers are those of the matrices in `upsampling`, to rounding; one archive is read with one of the two.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.loading.resampling import cubic_matrix

__all__ = ["WORTH_COMPILING", "double", "has_numba"]

WORTH_COMPILING = 1000
"""Images in an archive from which compiling (2 s) costs less than the loop saves."""

# The cubic kernel reaches two inputs to either side; closer to the edge, its weights are others.
_BORDER = 2


def has_numba() -> bool:
    """Return whether the compiled loop is available."""
    return _kernel() is not None


def double(images: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Upsample images to twice their size along both axes.

    Args:
        images: (B, bands, h, w), h and w at least 4.
        out: (B, bands, 2h, 2w), written.

    Raises:
        RuntimeError: numba is not installed; `has_numba()` tells.
    """
    kernel = _kernel()
    if kernel is None:
        raise RuntimeError("The compiled loop needs numba; `has_numba()` tells whether it is there.")
    height, width = images.shape[2:]
    kernel(images, out, _matrix(height), _matrix(width))


@functools.lru_cache(maxsize=16)
def _matrix(source: int) -> NDArray[np.float32]:
    return cubic_matrix(2 * source, source).astype(np.float32)


@functools.cache
def _kernel() -> Callable[..., None] | None:
    try:
        import numba
    except ImportError:
        return None

    @numba.njit(nogil=True, fastmath={"reassoc", "contract"})
    def kernel(images: Any, out: Any, rows: Any, columns: Any) -> None:
        count, bands, height, width = images.shape
        tall = np.empty((2 * height, width), np.float32)
        middle = 2 * _BORDER
        a, b, c, d = rows[middle, 0], rows[middle, 1], rows[middle, 2], rows[middle, 3]
        for image in range(count):
            for band in range(bands):
                source = images[image, band]
                target = out[image, band]
                for y in range(_BORDER, height - _BORDER):
                    v, w, x, z, last = source[y - 2], source[y - 1], source[y], source[y + 1], source[y + 2]
                    even, odd = tall[2 * y], tall[2 * y + 1]
                    for i in range(width):
                        even[i] = a * v[i] + b * w[i] + c * x[i] + d * z[i]
                        odd[i] = d * w[i] + c * x[i] + b * z[i] + a * last[i]
                for y in range(middle):
                    for i in range(width):
                        start, end = np.float32(0.0), np.float32(0.0)
                        for k in range(middle):
                            start += rows[y, k] * source[k, i]
                            end += (
                                rows[2 * height - middle + y, height - middle + k]
                                * source[height - middle + k, i]
                            )
                        tall[y, i] = start
                        tall[2 * height - middle + y, i] = end
                for y in range(2 * height):
                    line, wide = tall[y], target[y]
                    inner = width - 2 * _BORDER
                    v, w, x, z, last = line[0:], line[1:], line[2:], line[3:], line[4:]
                    pairs = wide[middle:]
                    for i in range(inner):
                        pairs[2 * i] = a * v[i] + b * w[i] + c * x[i] + d * z[i]
                        pairs[2 * i + 1] = d * w[i] + c * x[i] + b * z[i] + a * last[i]
                    for i in range(middle):
                        start, end = np.float32(0.0), np.float32(0.0)
                        for k in range(middle):
                            start += columns[i, k] * line[k]
                            end += (
                                columns[2 * width - middle + i, width - middle + k] * line[width - middle + k]
                            )
                        wide[i] = start
                        wide[2 * width - middle + i] = end

    compiled: Callable[..., None] = kernel
    return compiled
