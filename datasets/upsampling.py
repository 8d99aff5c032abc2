"""Bicubic upsampling of batches with the kernel a = -0.5 and half-pixel centres, as GDAL and PIL have it."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.datasets.resampling import cubic_matrix

__all__ = ["upsample"]


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
    if size[0] < h or size[1] < w:
        raise ValueError(f"upsampling goes to a larger image, not from {h} x {w} to {size[0]} x {size[1]}")
    rows = torch.from_numpy(cubic_matrix(size[0], h)).to(images)
    columns = torch.from_numpy(cubic_matrix(size[1], w)).to(images)
    return rows @ images @ columns.mT
