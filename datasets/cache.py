"""Where packed archives and fetched source files live."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = [
    "CACHE_VARIABLE",
    "archive_directory",
    "default_cache",
    "prepared_names",
    "sources_directory",
    "unfinished_names",
]

CACHE_VARIABLE = "GRIDBENCH_CACHE"


def default_cache() -> Path:
    """Return the cache folder: the one that GRIDBENCH_CACHE names, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("gridbench"))


def archive_directory(cache: Path, name: str) -> Path:
    """Return the folder of the packed archive of that name."""
    return cache / "archives" / name


def sources_directory(cache: Path) -> Path:
    """Return the folder that keeps fetched source files."""
    return cache / "sources"


def prepared_names(cache: Path) -> list[str]:
    """List the archives that lie packed in the cache, in alphabetical order."""
    folder = cache / "archives"
    if not folder.is_dir():
        return []
    return sorted(
        entry.name for entry in folder.iterdir() if (entry / "index.json").is_file() and entry.name[0] != "."
    )


def unfinished_names(cache: Path) -> list[str]:
    """List the archives that an interrupted command left half packed."""
    folder = cache / "archives"
    found = folder.glob(".*.partial") if folder.is_dir() else ()
    return sorted(path.name.removeprefix(".").removesuffix(".partial") for path in found)
