"""Retrieval results of a run for a few fixed queries: thumbnails, clean labels, and irrelevant results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridbench.records.record import StoredRun

__all__ = ["Picture", "Strip", "strips_of"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A small picture with the names of its clean labels; `wrong` when it shares none with the query."""

    pixels: Pixels
    labels: tuple[str, ...]
    wrong: bool = False


@dataclass(frozen=True)
class Strip:
    """A query and what was retrieved for it, nearest first."""

    query: Picture
    retrieved: tuple[Picture, ...]


def strips_of(stored: StoredRun) -> list[Strip]:
    """Read the strips of a record.

    Returns:
        One strip per fixed query; none when the record keeps no pictures or they cannot be read.
    """
    try:
        arrays = stored.retrieval()
        queries = np.asarray(arrays["thumbnail.query_images"])
        retrieved = np.asarray(arrays["thumbnail.retrieved_images"])
    except (OSError, ValueError, KeyError):
        return []
    if queries.dtype != np.uint8 or retrieved.dtype != np.uint8 or queries.ndim != 4 or retrieved.ndim != 5:
        return []
    if retrieved.shape[0] != len(queries):
        return []
    query_labels = _labels(arrays.get("thumbnail.query_labels"), queries.shape[:1])
    retrieved_labels = _labels(arrays.get("thumbnail.retrieved_labels"), retrieved.shape[:2])
    names = [str(name) for name in arrays.get("thumbnail.class_names", np.array([], dtype="U1"))]
    strips = []
    for at in range(len(queries)):
        own = None if query_labels is None else query_labels[at]
        pictures = []
        for place in range(retrieved.shape[1]):
            theirs = None if retrieved_labels is None else retrieved_labels[at, place]
            wrong = own is not None and theirs is not None and not (own & theirs).any()
            pictures.append(Picture(retrieved[at, place], _names(theirs, names), bool(wrong)))
        strips.append(Strip(Picture(queries[at], _names(own, names)), tuple(pictures)))
    return strips


def _labels(array: npt.NDArray[np.generic] | None, shape: tuple[int, ...]) -> npt.NDArray[np.bool_] | None:
    """Return multi-hot labels, or None when the record has none of that shape."""
    if array is None or array.ndim != len(shape) + 1 or array.shape[:-1] != shape:
        return None
    return np.asarray(array).astype(bool)


def _names(labels: npt.NDArray[np.bool_] | None, names: list[str]) -> tuple[str, ...]:
    if labels is None:
        return ()
    return tuple(names[at] if at < len(names) else f"class {at}" for at in np.flatnonzero(labels))
