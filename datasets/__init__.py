"""Readers that turn what people have on disk into one packed Archive, and the batches drawn from it."""

from __future__ import annotations

import importlib
from typing import Any

from gridbench.registry import DATASETS

__all__ = ["Archive", "Recipe", "default_cache", "open_archive"]

DATASETS.place("bluemarble", "gridbench.datasets.bluemarble", "BLUEMARBLE")
DATASETS.place("bluemarble64", "gridbench.datasets.bluemarble", "BLUEMARBLE64")

_EXPORTS = {
    "Archive": "gridbench.datasets.archive.archive",
    "Recipe": "gridbench.datasets.recipe",
    "default_cache": "gridbench.datasets.cache",
    "open_archive": "gridbench.datasets.open",
}


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'gridbench.datasets' has no attribute {name!r}")
