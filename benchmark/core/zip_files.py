"""Safe reading of compressed files and arrays: the unpacked size is limited, and checked in advance if possible."""

from __future__ import annotations

import bz2
import gzip
import io
import math
import stat
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from gridbench.core.files import FACTOR, LARGEST_TABLE, limited, open_file, read_bytes
from gridbench.errors import reason_of

__all__ = [
    "ZIP_ERRORS",
    "check_array_header",
    "check_arrays",
    "check_ratio",
    "check_zip",
    "read_arrays",
    "read_member",
    "read_packed",
]

# Unpacked size that is allowed at any compression ratio, and the largest ratio beyond it: real records stay below 20,
# runs of zeros reach 1,032.
UNPACKED_FREELY = 64 * 2**20
LARGEST_RATIO = 100

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
)
"""Errors of `zipfile`, besides OSError and ValueError, for damaged, encrypted or unsupported files (a RuntimeError)."""

# Errors of numpy for a header that is not a Python literal or does not describe an array.
_HEADER_ERRORS = (
    SyntaxError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
)


def check_ratio(packed: int, unpacked: int) -> None:
    """Refuse what unpacks to far more than its size.

    Raises:
        ValueError: It does.
    """
    if unpacked > max(limited(UNPACKED_FREELY), limited(LARGEST_RATIO) * packed):
        raise ValueError(f"{packed:,} bytes would unpack to {unpacked:,} (to raise the limit: {FACTOR}=4)")


def check_zip(archive: zipfile.ZipFile, size: int) -> None:
    """Check a zip file's directory: plain files, each once, not encrypted, of an acceptable compression ratio.

    Args:
        archive: The open zip file.
        size: Its own size in bytes.

    Raises:
        ValueError: With the reason.
    """
    entries = archive.infolist()
    names = {entry.filename for entry in entries}
    if len(names) < len(entries):
        raise ValueError("it holds a file twice")
    for entry in entries:
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ValueError(f"{entry.filename!r}: it is not a plain file")
        if entry.flag_bits & 1:
            raise ValueError(f"{entry.filename!r}: it is encrypted")
    # Members may overlap: what they claim together is compared with the size of the file, not with their own.
    check_ratio(size, sum(entry.file_size for entry in entries))


def read_packed(path: Path) -> bytes:
    """Return the content of a file, unpacked if its first bytes are those of gzip or bzip2.

    Raises:
        ValueError: It is damaged, or would unpack to far more than its size.
        OSError: It cannot be read.
    """
    content = read_bytes(path, LARGEST_TABLE)
    file = io.BytesIO(content)
    is_gzip, is_bzip2 = content.startswith(b"\x1f\x8b"), content.startswith(b"BZh")
    if not (is_gzip or is_bzip2):
        return content
    most = max(limited(UNPACKED_FREELY), limited(LARGEST_RATIO) * len(content))
    try:
        with gzip.open(file) if is_gzip else bz2.open(file) as packed:
            unpacked: bytes = packed.read(most + 1)
    except (zlib.error, EOFError, OSError) as error:
        raise ValueError(f"it is damaged ({reason_of(error)})") from None
    if len(unpacked) > most:
        raise ValueError(f"it would unpack to more than {most:,} bytes (to raise the limit: {FACTOR}=4)")
    return unpacked


def read_member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """Return a member of a zip file, refusing one larger than declared or than `largest`.

    Raises:
        ValueError: It is.
    """
    entry = archive.getinfo(name)
    if entry.file_size > limited(largest):
        raise ValueError(f"{name!r}: it has {entry.file_size:,} bytes, more than such a file can need")
    with archive.open(entry) as member:
        content = member.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise ValueError(f"{name!r}: its size is not what the list says")
    return content


def read_arrays(
    source: Path | bytes, wanted: Callable[[str], object] | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Read arrays from an npz file whose headers were checked first: no pickle, no more bytes than it holds.

    Args:
        source: The file, or its content.
        wanted: Whether an array of that name is to be read; None for all.

    Raises:
        ValueError: It is not an archive of arrays, or would unpack to far more than its size.
        OSError: It cannot be read.
    """
    file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else open_file(source)
    with file:
        size = file.seek(0, io.SEEK_END)
        try:
            with zipfile.ZipFile(file) as archive:
                check_zip(archive, size)
                found = {}
                for entry in archive.infolist():
                    name = entry.filename.removesuffix(".npy")
                    if wanted is None or wanted(name):
                        found[name] = _array(archive, entry)
                return found
        except ZIP_ERRORS as error:
            raise ValueError(f"it is not an archive of arrays ({error})") from None


def check_arrays(path: Path) -> None:
    """Check an npz file by only the headers of its arrays.

    Raises:
        ValueError: It is not an archive of arrays, holds pickled objects, or would unpack to far more than its size.
        OSError: It cannot be read.
    """
    with open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                check_zip(archive, path.stat().st_size)
                for entry in archive.infolist():
                    with archive.open(entry) as member:
                        check_array_header(member, entry.filename, entry.file_size)
        except ZIP_ERRORS as error:
            raise ValueError(f"it is not an archive of arrays ({error})") from None


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    with archive.open(entry) as member:
        check_array_header(member, entry.filename, entry.file_size)
    with archive.open(entry) as member:
        array: np.ndarray[Any, Any] = np.lib.format.read_array(member, allow_pickle=False)
        return array


def check_array_header(member: IO[bytes], name: str, size: int) -> None:
    """Check the header of an npy file: a known version, plain numbers, and as many of them as its size holds.

    Raises:
        ValueError: With the reason.
    """
    version = np.lib.format.read_magic(member)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"the array {name!r} is of an unknown version")
    try:
        shape, _, dtype = readers[version](member)
    except _HEADER_ERRORS as error:
        raise ValueError(f"the header of the array {name!r} is damaged ({error})") from None
    if dtype.hasobject:
        raise ValueError(f"the array {name!r} is pickled Python objects")
    if min(shape, default=0) < 0 or math.prod(shape) * max(dtype.itemsize, 1) > size:
        raise ValueError(f"the array {name!r} has the shape {shape} and {size:,} bytes")
