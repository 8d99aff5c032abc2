"""The interface of registered data sets, which open an Archive and provide recipes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.progress import Progress, silent
from gridbench.datasets.recipe import Recipe

__all__ = ["Dataset", "Progress", "silent"]


class Dataset(Protocol):
    """A data set that gridbench can open by name.

    A data set with several scene labels per image and label maps may set `single_labels = "dominant class"`: the single
    label of an image is then the class that covers most of its map.

    Attributes:
        summary: One-line summary for `gridbench list datasets`.
        version: Incremented when the archive that it builds changes.
        recipes: Recipe for labels of the whole image ("scene"), one label per image ("single", otherwise that of
            "scene") and labels of each pixel ("pixel").
    """

    summary: str
    version: int
    recipes: Mapping[str, Recipe]

    def open(self, cache: Path, progress: Progress | None = None) -> Archive:
        """Return the archive, building it in the cache on first use."""
