"""Builds an archive once, however many processes ask for it, and gives the folder its name only when complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.arrayfile import fsync_directory
from gridbench.datasets.archive.indexing import INDEX

__all__ = ["build_once"]


def build_once(directory: Path, build: Callable[[Path], None], *, force: bool = False) -> Archive:
    """Open an archive, building it first when it is not there; processes that ask at once build it once.

    Args:
        directory: Where the archive belongs.
        build: Fills the folder that it is given completely, or raises; what it leaves there is offered again
            to the next attempt.
        force: Whether to build anew and replace what is there.
    """
    if (directory / INDEX).is_file() and not force:
        return Archive.open(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.with_name(f".{directory.name}.lock")):
        if (directory / INDEX).is_file() and not force:
            return Archive.open(directory)
        partial = directory.with_name(f".{directory.name}.partial")
        build(partial)
        if directory.exists():
            shutil.rmtree(directory)
        partial.replace(directory)
        fsync_directory(directory.parent)
    return Archive.open(directory)
