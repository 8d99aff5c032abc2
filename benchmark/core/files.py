"""Safe file access: only regular files of limited size are read, and files are written atomically.

Input files are not trusted: a named pipe blocks, a device never ends, and a small archive may unpack to gigabytes.
Every limit below is multiplied by the environment variable GRIDBENCH_LIMIT_FACTOR (a number, 1 by default).
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from gridbench.errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "FACTOR",
    "LARGEST_FILE",
    "LARGEST_JSON",
    "LARGEST_TABLE",
    "LARGEST_TEXT",
    "UnsafeFile",
    "check_folder",
    "check_free",
    "file_hash",
    "limited",
    "open_file",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_text",
    "write_arrays",
    "write_bytes",
    "write_json",
]

# The largest of each kind that real use needs, with room: a record's JSON is below 1 MB after 1,000 epochs, a label
# table of 600,000 rows and 43 classes has 70 MB, weights of the largest ViT 2.5 GB.
LARGEST_TEXT = 2**20
LARGEST_JSON = 8 * 2**20
LARGEST_TABLE = 256 * 2**20
LARGEST_FILE = 8 * 2**30

DEEPEST_JSON = 40
# Lists and objects: an epoch of a history takes about five, a decision of an audit one.
MOST_NESTED = 200_000
# Size of a short name, its number and the space between them; the Python object is ten times as large.
BYTES_A_VALUE = 8
LONGEST_NUMBER = 25
LONGEST_TEXT = 100_000
PIECE = 2**20
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
    given = os.environ.get(FACTOR, "1")
    try:
        factor = float(given)
    except ValueError:
        factor = math.nan
    if not 0 < factor < 1e6:
        raise InputError(f"{FACTOR} is {given!r}; it must be a number above 0, such as 4.")
    return int(limit * factor)


# Reading


def open_file(path: Path, largest: int = LARGEST_FILE) -> BinaryIO:
    """Open a regular file of limited size for reading; never blocks.

    Args:
        path: The file, or a link to one.
        largest: The most bytes that it may have.

    Raises:
        UnsafeFile: It is a folder, a device, a named pipe or a socket, or larger than that.
        OSError: It cannot be opened.
    """
    _require_regular(path, path.stat(), largest)
    # Between the two looks a file may have been replaced; a pipe then blocks neither opening nor reading.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(handle)
        _require_regular(path, found, largest)
        if not found.st_size and not _is_empty(handle):
            raise UnsafeFile(f"{path} is not a regular file: it holds more than its size tells")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _require_regular(path: Path, found: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{path} is {_kind(found.st_mode)}, not a regular file")
    if found.st_size > limited(largest):
        raise UnsafeFile(
            f"{path} has {found.st_size:,} bytes; such a file may have {limited(largest):,} "
            f"(to raise the limit: {FACTOR}=4)"
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


def read_bytes(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """Return the content of a regular file of limited size.

    Raises:
        UnsafeFile: It is none, or larger than `largest`.
        OSError: It cannot be read.
    """
    with open_file(path, largest) as file:
        size = os.fstat(file.fileno()).st_size
        # Files of /proc say that they are empty, and some never end.
        content: bytes | None = file.read(size + 1)
    if content is None or len(content) > size:
        raise UnsafeFile(f"{path} is not a regular file: it holds more than its size tells")
    return content


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


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: It is not JSON, or holds what no record does.
        OSError: It cannot be read.
    """
    return parse_json(read_bytes(path, largest), largest=largest)


_QUOTES, _OPENING, _BRACKETS = b'"', b"[{", b"[]{}"
_NO_STRUCTURE = bytes(set(range(256)) - set(_QUOTES + _BRACKETS))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(content: bytes, strict: bool = False, largest: int = LARGEST_JSON) -> Any:
    """Read JSON without deep or endless nesting, numbers of hundreds of digits and text that is no Unicode.

    Args:
        content: UTF-8 text.
        strict: Whether NaN, numbers out of range and texts of 100,000 characters are refused, too.
        largest: The most bytes that it may have, by which the number of its values is limited.

    Raises:
        ValueError: With the reason.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    longest = _check_structure(content, largest)
    options: dict[str, Any] = {"parse_constant": _no_constant, "parse_float": _finite} if strict else {}
    value = json.loads(text, parse_int=_integer, **options)
    if strict and longest > LONGEST_TEXT:
        raise ValueError(f"it holds a text of {longest:,} characters")
    if _SURROGATE.search(content):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds text that is no Unicode") from None
    return value


def _check_structure(content: bytes, largest: int) -> int:
    """Refuse JSON of too many values or levels before any value is made; return the bytes of its longest text, if long.

    Raises:
        ValueError: With the reason.
    """
    most, nested = limited(largest // BYTES_A_VALUE), limited(MOST_NESTED)
    if content.count(b",") + content.count(b":") > most or content.count(_QUOTES) > 2 * most:
        raise ValueError(f"it holds more than {most:,} values")
    opened = content.count(b"[") + content.count(b"{")
    if opened > nested:
        raise ValueError(f"it holds more than {nested:,} lists and objects")
    if opened <= DEEPEST_JSON and len(content) <= LONGEST_TEXT:
        return 0
    # Without escapes, every second piece between quotes is a text.
    pieces = content.replace(b"\\\\", b"..").replace(b'\\"', b"..").split(_QUOTES)
    depth = 0
    for code in b"".join(pieces[::2]).translate(None, _NO_STRUCTURE):
        depth += 1 if code in _OPENING else -1
        if depth > DEEPEST_JSON:
            raise ValueError("it is nested too deeply")
    return max(map(len, pieces[1::2]), default=0)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"it holds a number out of range, of {len(text):,} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("it holds a number out of range")
    return value


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
            f"{path} is read-only, so it is not replaced; name another file, or: chmod u+w {path}"
        )


def check_free(paths: Collection[Path], force: bool) -> None:
    """Refuse to replace files that are there, unless that was asked for.

    Raises:
        InputError: One of them is there.
    """
    there = [path for path in paths if path.is_symlink() or path.exists()]
    if there and not force:
        more = f" and {len(there) - 1} more files" if len(there) > 1 else ""
        raise InputError(
            f"{there[0]}{more} would be replaced. Name another folder, or say --force to replace what is there."
        )


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
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return hashlib.sha256(content).hexdigest()


def _new(path: Path) -> BinaryIO:
    """Open a file that was not there: a link of that name is not followed, and an earlier attempt is removed."""
    try:
        return path.open("xb")
    except FileExistsError:
        path.unlink()
        return path.open("xb")


def write_json(path: Path, value: Any) -> str:
    """Write JSON with sorted keys and without NaN, atomically; return its sha256."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return write_bytes(path, (text + "\n").encode())


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    """Write arrays as an npz without pickle, atomically and with the same bytes for the same arrays."""
    # Commands that only show their help need no numpy, whose import is a third of their time.
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return write_bytes(path, buffer.getvalue())
