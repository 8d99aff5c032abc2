"""What the registry of data sets holds: something that opens an Archive and brings recipes along."""

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

    One whose images have several scene labels and label maps may set `single_labels = "dominant class"`: the single
    label of an image is then the class that covers most of its map.

    Attributes:
        summary: One line for `gridbench list datasets`.
        version: Raised when the archive that it builds changes.
        recipes: Recipe for labels of the whole image ("scene"), one label an image ("single", otherwise that of
            "scene") and labels of each pixel ("pixel").
    """

    summary: str
    version: int
    recipes: Mapping[str, Recipe]

    def open(self, cache: Path, progress: Progress | None = None) -> Archive:
        """Return the archive, building it in the cache on first use."""
