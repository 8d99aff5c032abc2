"""Bicubic upsampling with the kernel a = -0.5 and half-pixel centres, as GDAL and PIL have it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["cubic_matrix", "upsample"]

_A = -0.5


def _kernel(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    x = np.abs(distance)
    near = ((_A + 2.0) * x - (_A + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * _A
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


@lru_cache(maxsize=32)
def _matrix(target: int, source: int) -> NDArray[np.float64]:
    centres = (np.arange(target) + 0.5) * (source / target)
    weights = _kernel(centres[:, None] - (np.arange(source) + 0.5)[None, :])
    return np.asarray(weights / weights.sum(1, keepdims=True))


def cubic_matrix(target: int, source: int) -> NDArray[np.float64]:
    """Return the (target, source) matrix that upsamples one axis; each row sums to one (Keys 1981, a = -0.5).

    Args:
        target: Length after, at least `source`.
        source: Length before, at least 1.
    """
    if source < 1 or target < source:
        raise ValueError(
            f"upsampling goes from a shorter axis to a longer one, not from {source} to {target}"
        )
    return _matrix(target, source).copy()


def upsample(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample images along both axes by two fixed matrices, without clipping.

    Args:
        images: (..., h, w) float32.
        size: (H, W) wanted, at least (h, w).

    Returns:
        (..., H, W) float32; the input itself when it has that size already.
    """
    h, w = images.shape[-2:]
    if (h, w) == size:
        return images
    rows = torch.from_numpy(cubic_matrix(size[0], h)).to(images)
    columns = torch.from_numpy(cubic_matrix(size[1], w)).to(images)
    return rows @ images @ columns.mT
