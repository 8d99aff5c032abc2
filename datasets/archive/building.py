"""Atomic construction of archives: built once among concurrent processes, and renamed when complete."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.arrayfile import fsync_directory
from gridbench.datasets.archive.indexing import INDEX
from gridbench.errors import GridbenchError

__all__ = ["SOURCE", "NotPacked", "build_once", "nothing_built", "packed_from"]

SOURCE: ContextVar[str | None] = ContextVar("source", default=None)
"""sha256 of the file of the plug-in that packs; None for any other reader."""

_MAY_BUILD: ContextVar[bool] = ContextVar("may_build", default=True)


class NotPacked(GridbenchError):
    """An archive that would have to be built, where nothing is to be built."""

    exit_code = 2


@contextmanager
def nothing_built(dry_run: bool = True) -> Iterator[None]:
    """Refuse to build archives meanwhile, for commands that were asked only to show what they would do."""
    token = _MAY_BUILD.set(not dry_run)
    try:
        yield
    finally:
        _MAY_BUILD.reset(token)


@contextmanager
def packed_from(source: str | None) -> Iterator[None]:
    """Note in archives that are built meanwhile the sha256 of the plug-in's file that packs them."""
    token = SOURCE.set(source)
    try:
        yield
    finally:
        SOURCE.reset(token)


def build_once(directory: Path, build: Callable[[Path], None], *, force: bool = False) -> Archive:
    """Open an archive, building it first when it is not there; processes that ask at once build it once.

    Args:
        directory: Folder of the archive.
        build: Fills the folder that it is given completely, or raises; what it leaves there is offered again
            to the next attempt.
        force: Whether to rebuild and replace an existing archive.

    Returns:
        The opened archive.

    Raises:
        NotPacked: It is not there, and `nothing_built` holds.
    """
    if (directory / INDEX).is_file() and not force:
        return Archive.open(directory)
    if not _MAY_BUILD.get():
        raise NotPacked(
            f"The archive {directory.name!r} is not packed yet in {directory.parent}, and --dry-run packs nothing; "
            f"what would run depends on its content. Pack it with: gridbench data info {directory.name} "
            f"--cache {shlex.quote(str(directory.parent.parent))}"
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(directory.with_name(f".{directory.name}.lock")):
        if (directory / INDEX).is_file() and not force:
            return Archive.open(directory)
        partial = directory.with_name(f".{directory.name}.partial")
        try:
            build(partial)
        except OSError as error:
            if error.errno is not None and error.filename is None:
                error.filename = str(partial)
            raise
        # Removing the old archive takes a while, during which others may open it or this process may be killed.
        replaced = directory.with_name(f".{directory.name}.replaced")
        if replaced.exists():
            shutil.rmtree(replaced)
        if directory.exists():
            directory.replace(replaced)
        partial.replace(directory)
        fsync_directory(directory.parent)
        shutil.rmtree(replaced, ignore_errors=True)
    return Archive.open(directory)
