"""Resampling of image axes by fixed matrices: bicubic with a = -0.5 and half-pixel centres, and nearest."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["cubic_matrix", "resize_classes", "resize_image"]

# Keys (1981): with a = -1/2 the error is of third order in the distance of pixels; GDAL and PIL have it, too.
_A = -0.5


def _kernel(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(distance)
    near = ((_A + 2.0) * x - (_A + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * _A
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


@lru_cache(maxsize=64)
def _matrix(target: int, source: int) -> NDArray[np.float64]:
    step = source / target
    widening = max(step, 1.0)
    centres = (np.arange(target) + 0.5) * step
    weights = _kernel((centres[:, None] - (np.arange(source) + 0.5)[None, :]) / widening)
    return np.asarray(weights / weights.sum(1, keepdims=True))


@lru_cache(maxsize=64)
def _sparse_matrix(target: int, source: int) -> Any:
    """Return the matrix in float32 without its zeros: a row has few numbers, and a product takes as many steps."""
    from scipy.sparse import csr_matrix

    return csr_matrix(_matrix(target, source).astype(np.float32))


def cubic_matrix(target: int, source: int) -> NDArray[np.float64]:
    """Return the matrix that resamples one axis; each row sums to one (Keys 1981, a = -0.5).

    Args:
        target: Length after, at least 1; when it is the shorter one the kernel is widened, so nothing aliases.
        source: Length before, at least 1.

    Returns:
        (target, source) float64.
    """
    if source < 1 or target < 1:
        raise ValueError(f"an axis has at least one pixel, so it cannot go from {source} to {target}")
    return _matrix(target, source).copy()


def resize_image(image: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
    """Resize an image of whole numbers bicubically, rounding and clipping to its type.

    Args:
        image: (bands, H, W) unsigned integers.
        size: (height, width) wanted.
    """
    if image.shape[1:] == size:
        return image
    rows, columns = _sparse_matrix(size[0], image.shape[1]), _sparse_matrix(size[1], image.shape[2])
    smooth = np.stack([(columns @ (rows @ band.astype(np.float32)).T).T for band in image])
    limits = np.iinfo(image.dtype.name)
    return np.asarray(np.rint(smooth).clip(limits.min, limits.max).astype(image.dtype))


def resize_classes(label_map: NDArray[np.generic], size: tuple[int, int]) -> NDArray[np.generic]:
    """Resize a label map to the nearest pixel centre; no class arises that was not there.

    Args:
        label_map: (H, W) class values.
        size: (height, width) wanted.
    """
    if label_map.shape == size:
        return label_map
    rows = ((np.arange(size[0]) + 0.5) * label_map.shape[0] / size[0]).astype(np.int64)
    columns = ((np.arange(size[1]) + 0.5) * label_map.shape[1] / size[1]).astype(np.int64)
    return np.asarray(label_map[np.ix_(rows, columns)])
