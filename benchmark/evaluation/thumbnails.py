"""Thumbnails of a few fixed queries and of the images that are retrieved for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbench.datasets.archive.archive import Archive
from gridbench.evaluation.retrieval import Splits

__all__ = ["thumbnail_arrays", "thumbnails"]

Array = np.ndarray[Any, Any]
SIDE = 64


def thumbnail_arrays(archive: Archive, splits: Splits, ranking: Array) -> dict[str, Array]:
    """Return pictures and labels of a few fixed queries and of what is retrieved for them.

    Args:
        archive: The archive.
        splits: Its training images, which are the queries, and its test images, which are searched.
        ranking: (n, k) positions of the test images that were retrieved for each training image.
    """
    arrays: dict[str, Array] = {}
    shown = _fixed_queries(len(splits.train))
    queries, retrieved = splits.train[shown], splits.test[ranking[shown][:, :10]]
    labels = archive.true_scene_labels
    arrays["thumbnail.queries"] = queries
    arrays["thumbnail.retrieved"] = retrieved
    arrays["thumbnail.query_labels"] = labels[queries].astype(bool)
    arrays["thumbnail.retrieved_labels"] = labels[retrieved].astype(bool)
    arrays["thumbnail.class_names"] = np.array(archive.class_names)
    arrays["thumbnail.query_images"] = thumbnails(archive, queries)
    flat = thumbnails(archive, retrieved.reshape(-1))
    arrays["thumbnail.retrieved_images"] = flat.reshape(*retrieved.shape, *flat.shape[1:])
    return arrays


def _fixed_queries(num_queries: int, count: int = 6) -> Array:
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
