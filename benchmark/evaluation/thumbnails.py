"""Small pictures of a handful of fixed queries and what was retrieved for them, kept in the record."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbench.datasets.archive.archive import Archive

__all__ = ["fixed_queries", "thumbnails"]

Array = np.ndarray[Any, Any]
SIDE = 64


def fixed_queries(num_queries: int, count: int = 6) -> Array:
    """Return evenly spaced query positions, the same for every method of a cell."""
    queries: Array = np.unique(
        np.linspace(0, max(num_queries - 1, 0), min(count, num_queries)).astype(np.int64)
    )
    return queries


def thumbnails(archive: Archive, indices: Array) -> Array:
    """Return (n, h, w, 3) uint8 pictures, at most 64 px a side, stretched between the 2nd and 98th percentile.

    Args:
        archive: The archive; its first three bands are shown as red, green, blue, a single band as grey.
        indices: (n,) positions in the archive.
    """
    pixels = archive.gather(indices).numpy()
    pixels = pixels[:, :3] if pixels.shape[1] >= 3 else np.repeat(pixels[:, :1], 3, axis=1)
    step = -(-max(pixels.shape[2:]) // SIDE)
    pixels = pixels[:, :, ::step, ::step].transpose(0, 2, 3, 1)
    if archive.groups[0].pixels.dtype == np.uint8:
        whole: Array = pixels.clip(0, 255).astype(np.uint8)
        return whole
    low, high = np.percentile(pixels, (2, 98), axis=(0, 1, 2))
    stretched = (pixels - low) / np.maximum(high - low, 1e-9)
    pictures: Array = (stretched.clip(0, 1) * 255).astype(np.uint8)
    return pictures
