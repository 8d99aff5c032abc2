"""Readers that convert image collections on disk to a packed Archive, and batches drawn from it."""

from __future__ import annotations

import importlib
from typing import Any

from gridbench.registry import DATASETS, register_dataset

__all__ = [
    "Archive",
    "ArchiveWriter",
    "GroupLayout",
    "Layout",
    "Progress",
    "Recipe",
    "Sample",
    "archive_directory",
    "build_once",
    "default_cache",
    "open_archive",
    "register_dataset",
    "single_labels",
]

DATASETS.place("bluemarble", "gridbench.datasets.bluemarble", "BLUEMARBLE")
DATASETS.place("bluemarble64", "gridbench.datasets.bluemarble", "BLUEMARBLE64")

# All that a plug-in data set needs is imported from here.
_EXPORTS = {
    "Archive": "gridbench.datasets.archive.archive",
    "ArchiveWriter": "gridbench.datasets.archive.writer",
    "GroupLayout": "gridbench.datasets.archive.layout",
    "Layout": "gridbench.datasets.archive.layout",
    "Progress": "gridbench.datasets.progress",
    "Recipe": "gridbench.datasets.recipe",
    "Sample": "gridbench.datasets.archive.layout",
    "archive_directory": "gridbench.datasets.cache",
    "build_once": "gridbench.datasets.archive.building",
    "default_cache": "gridbench.datasets.cache",
    "open_archive": "gridbench.datasets.open",
    "single_labels": "gridbench.datasets.archive.single_labels",
}


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'gridbench.datasets' has no attribute {name!r}")
