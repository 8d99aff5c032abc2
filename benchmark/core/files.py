"""Safe file access: only regular files of limited size are read, and files are written atomically.

Input files are not trusted: a named pipe blocks, a device never ends, and a small archive may unpack to gigabytes.
Every limit below is multiplied by the environment variable GRIDBENCH_LIMIT_FACTOR (a number, 1 by default).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import io
import math
import os
import shlex
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from gridbench.errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "FACTOR",
    "LARGEST_FILE",
    "LARGEST_TABLE",
    "LARGEST_TEXT",
    "NO_ROOM",
    "UnsafeFile",
    "all_or_nothing",
    "check_folder",
    "check_free",
    "check_target",
    "check_writable",
    "file_hash",
    "has_files",
    "image_paths",
    "limited",
    "open_file",
    "read_bytes",
    "read_text",
    "write_arrays",
    "write_bytes",
]

# The largest of each kind that real use needs, with room: a label table of 600,000 rows and 43 classes has 70 MB,
# weights of the largest ViT 2.5 GB.
LARGEST_TEXT = 2**20
LARGEST_TABLE = 256 * 2**20
LARGEST_FILE = 8 * 2**30

PIECE = 2**20
_READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
FACTOR = "GRIDBENCH_LIMIT_FACTOR"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors of a disk, a quota or a file that is full."""


class UnsafeFile(InputError, OSError):
    """A file that is not read or replaced: a link, a device, a named pipe, too large, or read-only."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        # Callers quote this attribute of an OSError.
        self.strerror = message

    def __str__(self) -> str:
        return str(self.args[0])


def limited(limit: int) -> int:
    """Return a limit in bytes, multiplied by GRIDBENCH_LIMIT_FACTOR.

    Raises:
        InputError: The variable holds no number above 0.
    """
    return int(limit * _factor(os.environ.get(FACTOR, "1")))


@functools.lru_cache(maxsize=1)
def _factor(given: str) -> float:
    try:
        factor = float(given)
    except ValueError:
        factor = math.nan
    if not 0 < factor < 1e6:
        raise InputError(f"{FACTOR} is {given!r}; it must be a number above 0, such as 4.")
    return factor


# Reading


def open_file(path: Path | str, largest: int = LARGEST_FILE) -> BinaryIO:
    """Open a regular file of limited size for reading; never blocks.

    Args:
        path: The file, or a link to one.
        largest: The most bytes that it may have.

    Raises:
        UnsafeFile: It is a folder, a device, a named pipe or a socket, or larger than that.
        OSError: It cannot be opened.
    """
    handle, _ = _open_regular(path, largest)
    try:
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _open_regular(path: Path | str, largest: int) -> tuple[int, int]:
    """Return the descriptor and the size in bytes of a regular file of limited size."""
    most = limited(largest)
    # Opening a device may have an effect of its own, so that it is looked at first.
    _require_regular(path, os.stat(path), most)  # noqa: PTH116
    # In between, the file may have been replaced; a pipe then blocks neither opening nor reading.
    handle = os.open(path, _READ_ONLY)
    try:
        found = os.fstat(handle)
        _require_regular(path, found, most)
        if not found.st_size and not _is_empty(handle):
            raise UnsafeFile(f"{path} is not a regular file: it holds more than its size tells")
    except BaseException:
        os.close(handle)
        raise
    return handle, found.st_size


def _require_regular(path: Path | str, found: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{path} is {_kind(found.st_mode)}, not a regular file")
    if found.st_size > most:
        raise UnsafeFile(
            f"{path} has {found.st_size:,} bytes; such a file may have {most:,} (to raise the limit: {FACTOR}=4)"
        )


def _is_empty(handle: int) -> bool:
    """Return whether an open file ends at once; files of /proc say that they are empty, and some never end."""
    try:
        return os.read(handle, 1) == b""
    except BlockingIOError:
        return False


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
        stat.S_IFLNK: "a link",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def read_bytes(path: Path | str, largest: int = LARGEST_FILE) -> bytes:
    """Return the content of a regular file of limited size.

    Raises:
        UnsafeFile: It is none, or larger than `largest`.
        OSError: It cannot be read.
    """
    handle, size = _open_regular(path, largest)
    pieces, left = [], size + 1
    try:
        while left and (piece := os.read(handle, left)):
            pieces.append(piece)
            left -= len(piece)
    finally:
        os.close(handle)
    if not left:
        raise UnsafeFile(f"{path} is not a regular file: it holds more than its size tells")
    return b"".join(pieces)


def read_text(path: Path, largest: int = LARGEST_TABLE, encoding: str = "utf-8") -> str:
    """Return the text in a file; what holds a zero byte is no text.

    Raises:
        UnsafeFile: It is no regular file, or larger than `largest`.
        UnicodeDecodeError: It is no text of that encoding.
        OSError: It cannot be read.
    """
    with open_file(path, largest) as file:
        start: bytes | None = file.read(4096)
    if start and b"\0" in start and not encoding.startswith("utf-16"):
        raise UnicodeDecodeError(encoding, start, start.index(b"\0"), start.index(b"\0") + 1, "a zero byte")
    return read_bytes(path, largest).decode(encoding)


def file_hash(path: Path) -> str:
    """Return the sha256 of a regular file, read in pieces."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (piece := file.read(min(left, PIECE))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


# Writing


def check_folder(path: Path) -> None:
    """Refuse a folder to write in that is a link, a device or a named pipe; one that is not there yet is fine.

    Raises:
        UnsafeFile: With the reason.
    """
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(
            f"{path} is {_kind(found.st_mode)}, not a folder of gridbench's own; nothing was written. Move it away."
        )


def check_target(path: Path) -> None:
    """Refuse to replace what is no regular file, or is read-only.

    Raises:
        UnsafeFile: With the reason.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{path} is {_kind(found.st_mode)}, which is not replaced; name another file")
    if not found.st_mode & 0o222:
        raise UnsafeFile(
            f"{path} is read-only, so it is not replaced; name another file, or: "
            f"chmod u+w {shlex.quote(str(path))}"
        )


def check_writable(folder: Path) -> None:
    """Refuse a folder in which no file can be made, or in which it cannot be made itself.

    Raises:
        InputError: With the reason.
    """
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    if not os.access(there, os.W_OK):
        raise InputError(f"Nothing can be written to the folder {str(there)!r}. Name another folder.")


def has_files(path: Path) -> bool:
    """Return whether something is at a path besides folders without files, which an earlier attempt may have left."""
    if path.is_symlink() or not path.is_dir():
        return path.is_symlink() or path.exists()
    return any(not below.is_dir() for below in path.rglob("*"))


def check_free(paths: Collection[Path], force: bool) -> None:
    """Refuse to replace files that are there, unless that was asked for.

    Raises:
        InputError: One of them is there.
    """
    there = [path for path in paths if has_files(path)]
    if there and not force:
        more = f" and {len(there) - 1} more files" if len(there) > 1 else ""
        raise InputError(
            f"{there[0]}{more} would be replaced. Name another folder, or say --force to replace what is there."
        )


def image_paths(folder: Path, names: Sequence[str], suffixes: Sequence[str]) -> list[Path]:
    """Return a file below a folder for each image of an archive; a name that would lead out of it is kept inside.

    Args:
        folder: The folder.
        names: n names of the images.
        suffixes: n suffixes of the files, such as `.png`.

    Raises:
        InputError: Two images would have the same file.
    """
    paths = []
    for name, suffix in zip(names, suffixes, strict=True):
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
        paths.append(folder.joinpath(*parts[:-1], f"{(parts or ['_'])[-1]}{suffix}"))
    if len(set(paths)) < len(paths):
        raise InputError("Two images would have the same file; their names differ only in '..' or '\\'.")
    return paths


_STAGED: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("staged", default=None)
"""Temporary and final name of each file whose turn comes when all are written."""


@contextlib.contextmanager
def all_or_nothing() -> Iterator[None]:
    """Give the files that are written meanwhile their names at the end; after an error none of them is there.

    For outputs of several files that are refused where some are there already: the same command goes on then.
    """
    staged: list[tuple[Path, Path]] = []
    token = _STAGED.set(staged)
    try:
        yield
        for temporary, path in staged:
            temporary.replace(path)
    except BaseException:
        for temporary, _ in staged:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise
    finally:
        _STAGED.reset(token)


def write_bytes(path: Path, content: bytes) -> str:
    """Write a file atomically and return the sha256 of its content.

    Raises:
        UnsafeFile: The name is taken by a link, a device, a named pipe, a folder or a read-only file.
        OSError: It cannot be written.
    """
    check_target(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
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
        # On a disk that is read-only this fails, too, and would hide what failed first.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # Of a full disk it names none, and of a folder that cannot be written the temporary file.
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
