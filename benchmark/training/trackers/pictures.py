"""The pictures of retrieved images and the files of a record, as trackers show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["record_files", "retrieved_pictures"]

GAP = 4
MARK = 2
RIGHT, WRONG = (0, 114, 178), (213, 94, 0)
"""Blue and vermilion of Okabe and Ito, which the colour-blind tell apart."""


def record_files(record: Path) -> list[Path]:
    """Return the files of a finished record, but for what a tracker or a checkpoint left beside them."""
    return sorted(
        path for path in record.iterdir() if path.is_file() and not path.name.startswith((".", "checkpoint"))
    )


def retrieved_pictures(record: Path) -> list[np.ndarray[Any, Any]]:
    """Return a picture for each of the record's fixed queries: the query, then what was retrieved for it.

    Args:
        record: Folder of a finished run.

    Returns:
        (h, w, 3) uint8 each; frames are blue where an image shares a label with the query, and vermilion where not.
        Nothing where the record keeps no pictures.
    """
    with np.load(record / "retrieval.npz", allow_pickle=False) as arrays:
        if "thumbnail.query_images" not in arrays:
            return []
        queries, retrieved = arrays["thumbnail.query_images"], arrays["thumbnail.retrieved_images"]
        shared = (arrays["thumbnail.retrieved_labels"] & arrays["thumbnail.query_labels"][:, None]).any(2)
    return [
        _row(
            [
                _framed(query, None),
                *(_framed(image, bool(same)) for image, same in zip(images, right, strict=True)),
            ]
        )
        for query, images, right in zip(queries, retrieved, shared, strict=True)
    ]


def _framed(image: np.ndarray[Any, Any], right: bool | None) -> np.ndarray[Any, Any]:
    colour = (0, 0, 0) if right is None else RIGHT if right else WRONG
    frame = np.empty((image.shape[0] + 2 * MARK, image.shape[1] + 2 * MARK, 3), np.uint8)
    frame[:] = colour
    frame[MARK:-MARK, MARK:-MARK] = image
    return frame


def _row(images: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    gap = np.full((images[0].shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([part for image in images for part in (image, gap)][:-1], axis=1)
