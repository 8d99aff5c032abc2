"""Files are written atomically: whole or not at all, also several together."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gridbench.core.files.targets import check_target, temporary_name

if TYPE_CHECKING:
    import numpy as np

__all__ = ["NO_ROOM", "all_or_nothing", "write_arrays", "write_bytes"]

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors of a disk, a quota or a file that is full."""

_STAGED: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("staged", default=None)
"""Temporary and final name of each file whose turn comes when all are written."""


@contextlib.contextmanager
def all_or_nothing(folder: Path) -> Iterator[None]:
    """Rename the files written inside the block at its end; if one cannot be written, none is left.

    The folder that they go to is made where it is not there, and taken away again if nothing is written to it.

    For outputs of several files that are refused where some are there already: the same command goes on then.
    What takes room has been done when the first file gets its name. A target that cannot be replaced any more by then
    is found before that; a kill or a failing disk between the first name and the last leaves those that have theirs.
    """
    staged: list[tuple[Path, Path]] = []
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    token = _STAGED.set(staged)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
        for _, path in staged:
            check_target(path)
        for temporary, path in staged:
            temporary.replace(path)
    except BaseException:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise
    finally:
        _STAGED.reset(token)
        for path in (*(sorted(folder.rglob("*"), reverse=True) if made else ()), *made):
            # Only empty folders.
            with contextlib.suppress(OSError):
                path.rmdir()


def write_bytes(path: Path, content: bytes) -> str:
    """Write a file atomically and return the sha256 of its content.

    Raises:
        UnsafeFile: The name is taken by a link, a device, a named pipe, a folder or a read-only file.
        OSError: It cannot be written.
    """
    check_target(path)
    temporary = temporary_name(path)
    try:
        with _new(temporary) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged = _STAGED.get()
        if staged is None:
            temporary.replace(path)
        else:
            staged.append((temporary, path))
    except BaseException as error:
        # On a read-only disk this fails, too, and would hide the first error.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # The error names no file if the disk is full, and the temporary file if the folder cannot be written.
            error.filename = str(path)
        raise
    return hashlib.sha256(content).hexdigest()


def _new(path: Path) -> BinaryIO:
    """Open a file that was not there: a link of that name is not followed, and an earlier attempt is removed."""
    try:
        return path.open("xb")
    except FileExistsError:
        path.unlink()
        return path.open("xb")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Write arrays as an npz without pickle, atomically and with the same bytes for the same arrays."""
    # Commands that only show their help need no numpy, whose import is a third of their time.
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return write_bytes(path, buffer.getvalue())
