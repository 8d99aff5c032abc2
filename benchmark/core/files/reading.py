"""Only regular files of limited size are read, because input files are not trusted.

A named pipe blocks, a device never ends, and a small archive may unpack to gigabytes.
Every limit below is multiplied by the environment variable GRIDBENCH_LIMIT_FACTOR (a number, 1 by default).
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import stat
from pathlib import Path
from typing import BinaryIO

from gridbench.errors import InputError

__all__ = [
    "FACTOR",
    "LARGEST_FILE",
    "LARGEST_TABLE",
    "LARGEST_TEXT",
    "UnsafeFile",
    "file_hash",
    "kind_of",
    "limited",
    "open_file",
    "read_bytes",
    "read_text",
]

# The largest of each kind that real use needs, with room: a label table of 600,000 rows and 43 classes has 70 MB,
# weights of the largest ViT 2.5 GB.
LARGEST_TEXT = 2**20
LARGEST_TABLE = 256 * 2**20
LARGEST_FILE = 8 * 2**30

PIECE = 2**20
_READ_ONLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
FACTOR = "GRIDBENCH_LIMIT_FACTOR"


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
        raise UnsafeFile(f"{path} is {kind_of(found.st_mode)}, not a regular file")
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


def kind_of(mode: int) -> str:
    """Return the name of a directory entry's type for messages, from its mode in `os.stat`."""
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
    """Return the text in a file; what holds a zero byte is not text.

    Raises:
        UnsafeFile: It is not a regular file, or larger than `largest`.
        UnicodeDecodeError: It is not text of that encoding.
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
