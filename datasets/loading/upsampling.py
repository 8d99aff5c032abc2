"""Bicubic upsampling of batches with the kernel a = -0.5 and half-pixel centres, as GDAL and PIL have it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from gridbench.datasets.loading.resampling import cubic_matrix

__all__ = ["upsample"]

_BLOCK = 40
_IMAGES = 16


class _Block(NamedTuple):
    """Some output positions of one axis, the inputs that they need, and the weights."""

    out: slice
    into: slice
    weights: Tensor


@lru_cache(maxsize=32)
def _blocks(target: int, source: int) -> tuple[_Block, ...]:
    """Divide an axis's matrix into blocks of rows: four inputs matter for each output, so most of it is zero."""
    matrix = torch.from_numpy(cubic_matrix(target, source)).to(torch.float32)
    blocks = []
    for start in range(0, target, _BLOCK):
        rows = matrix[start : start + _BLOCK]
        used = (rows != 0).any(0).nonzero().view(-1)
        into = slice(int(used[0]), int(used[-1]) + 1)
        blocks.append(_Block(slice(start, start + len(rows)), into, rows[:, into].contiguous()))
    return tuple(blocks)


def upsample(images: Tensor, size: tuple[int, int], out: Tensor | None = None) -> Tensor:
    """Upsample images along both axes by two fixed matrices, without clipping.

    Args:
        images: (B, bands, h, w) float32.
        size: (H, W) wanted, at least (h, w).
        out: (B, bands, H, W) to write into, or None.

    Returns:
        (B, bands, H, W) float32: `out`, or the input itself when it has that size already and there is no `out`.
    """
    count, bands, h, w = images.shape
    if (h, w) == size:
        return images if out is None else out.copy_(images)
    if size[0] < h or size[1] < w:
        raise ValueError(f"upsampling goes to a larger image, not from {h} x {w} to {size[0]} x {size[1]}")
    if out is None:
        out = images.new_empty(count, bands, *size)
    if images.device.type != "cpu":
        rows = torch.from_numpy(cubic_matrix(size[0], h)).to(images)
        columns = torch.from_numpy(cubic_matrix(size[1], w)).to(images)
        return out.copy_(rows @ images @ columns.mT)
    wide = images.new_empty(min(count, _IMAGES), bands, h, size[1])
    for start in range(0, count, _IMAGES):
        some = images[start : start + _IMAGES]
        _upsample_some(some, wide[: len(some)], out[start : start + _IMAGES])
    return out


def _upsample_some(images: Tensor, wide: Tensor, out: Tensor) -> None:
    """Upsample a few images by way of `wide`, which stays in the processor's cache."""
    h, w = images.shape[2:]
    flat, flat_wide = images.reshape(-1, w), wide.view(-1, wide.shape[3])
    for block in _blocks(wide.shape[3], w):
        torch.mm(flat[:, block.into], block.weights.mT, out=flat_wide[:, block.out])
    for band in range(images.shape[1]):
        for block in _blocks(out.shape[2], h):
            weights = block.weights.expand(len(images), -1, -1)
            torch.bmm(weights, wide[:, band, block.into], out=out[:, band, block.out])
