"""Opening of user-provided files: regular files only, identified by their first bytes instead of their suffix."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from gridbench.core import files

__all__ = [
    "IN_MEMORY",
    "SIGNATURE_BYTES",
    "Unreadable",
    "contents_of",
    "digest_of",
    "driver_of",
    "format_of",
    "open_regular",
    "read_bytes",
]

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "GTiff"),
    (b"MM\x00*", "GTiff"),
    (b"II+\x00", "GTiff"),
    (b"MM\x00+", "GTiff"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
    (b"GIF87a", "BIGGIF"),
    (b"GIF89a", "BIGGIF"),
    (b"BM", "BMP"),
)
SIGNATURE_BYTES = 16
_POINTER = b"version https://git-lfs.github.com/"
_POINTER_BYTES = 1024
_ANY_SIZE = 1 << 62
_CHUNK = 1 << 20
IN_MEMORY = 1 << 26
"""Size in bytes up to which a file is read as a whole before it is decoded."""


class Unreadable(Exception):
    """A source file that cannot be read as what it should be.

    Attributes:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, str]]:
        return Unreadable, (self.path, self.reason)


def driver_of(head: bytes) -> str | None:
    """Return the GDAL driver for a file by its first bytes, or None when its format is not supported.

    Args:
        head: At least the first `SIGNATURE_BYTES` bytes, fewer when the file is shorter.
    """
    for start, driver in _SIGNATURES:
        if head.startswith(start):
            return driver
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] in (b"P5", b"P6") and head[2:3].isspace():
        return "PNM"
    return None


def format_of(path: Path) -> str | None:
    """Return the GDAL driver for a file, or None when it cannot be read or its format is not supported."""
    try:
        with open_regular(path) as file:
            return driver_of(file.read(SIGNATURE_BYTES))
    except (Unreadable, OSError):
        return None


def open_regular(path: Path | str) -> BinaryIO:
    """Open a file for reading bytes if it is a regular file or a link to one; anything else is never opened.

    Raises:
        Unreadable: It is missing, empty, no regular file, or a pointer to one.
    """
    try:
        file = files.open_file(path, _ANY_SIZE)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    size = os.fstat(file.fileno()).st_size
    if size < _POINTER_BYTES:
        reason = _no_content(file.read(_POINTER_BYTES))
        file.seek(0)
        if reason:
            file.close()
            raise Unreadable(path, reason)
    return file


def read_bytes(path: Path | str, largest: int = _ANY_SIZE) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        Unreadable: It is missing, empty, no regular file or a pointer to one, has more than `largest` bytes, or cannot
            be read.
    """
    try:
        content = files.read_bytes(path, largest)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if reason := _no_content(content[:_POINTER_BYTES]):
        raise Unreadable(path, reason)
    return content


def _no_content(start: bytes) -> str:
    """Return why the first bytes of a file are not the content that it should have; empty where they may be."""
    if start.startswith(_POINTER):
        return "is a pointer of Git LFS and not the file itself, which `git lfs pull` fetches"
    return "" if start else "is empty"


def _unreadable(path: Path | str, error: OSError | ValueError) -> Unreadable:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Unreadable(path, "is missing")
    if isinstance(error, files.UnsafeFile):
        return Unreadable(path, str(error).removeprefix(f"{path} "))
    return Unreadable(path, getattr(error, "strerror", None) or str(error))


def contents_of(paths: Sequence[Path]) -> tuple[dict[Path, bytes], bytes]:
    """Return the bytes of some files and the sha256 over all of them, so that each is opened once.

    Returns:
        Path -> bytes; empty when one of the files is larger than `IN_MEMORY`. The hash is that of `digest_of`.

    Raises:
        Unreadable: A file is missing, empty, no regular file, or cannot be read.
    """
    contents: dict[Path, bytes] = {}
    digest = hashlib.sha256()
    for path in paths:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > IN_MEMORY:
                return {}, digest_of(paths)
            try:
                contents[path] = file.read()
            except OSError as error:
                raise Unreadable(path, error.strerror or str(error)) from error
        digest.update(contents[path])
    return contents, digest.digest()


def digest_of(paths: Iterable[Path | str]) -> bytes:
    """Return the sha256 over the bytes of some files, one after the other.

    Raises:
        Unreadable: A file is missing or cannot be read.
    """
    listed = tuple(paths)
    facts = []
    for path in listed:
        try:
            state = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            raise Unreadable(path, "is missing") from None
        facts.append((state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino))
    return _digest(listed, tuple(facts))


# A large image is read in parts, each of which has the hash of the whole file.
@functools.lru_cache(maxsize=4)
def _digest(paths: tuple[Path | str, ...], facts: tuple[tuple[int, ...], ...]) -> bytes:
    digest = hashlib.sha256()
    for path in paths:
        with open_regular(path) as file:
            try:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
            except OSError as error:
                raise Unreadable(path, error.strerror or str(error)) from error
    return digest.digest()
