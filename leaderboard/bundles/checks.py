"""What a bundle's files must be before any of them is believed: no path outside, no pickle, no code, no nonsense."""

from __future__ import annotations

import io
import json
import math
import re
import stat
import struct
import zipfile
from typing import Any, NoReturn

import numpy as np

from gridbench.leaderboard.bundles.bundle import CONTENTS, DONE, FILES

__all__ = ["check_content", "check_entry", "check_plain", "is_hash", "parse_json"]

LARGEST_JSON = 32 * 2**20
LARGEST_FILE = 4 * 2**30
LARGEST_ARRAY = 2 * 2**30
LONGEST_STRING = 100_000
DEEPEST = 40

_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@=-]{0,199}")
_HASH = re.compile(r"[0-9a-f]{64}")


def check_entry(entry: zipfile.ZipInfo) -> None:
    """Check the name, kind and size of a zip entry before it is read.

    Raises:
        ValueError: With the reason.
    """
    name = entry.filename
    if name != CONTENTS:
        folder, _, file = name.partition("/")
        if ".." in name or "\\" in name or name.startswith("/") or ":" in name:
            raise ValueError("its path leads outside")
        if not _FOLDER.fullmatch(folder) or file not in (*FILES, DONE):
            raise ValueError("no record has a file of that name")
    small = name == CONTENTS or name.endswith((".json", f"/{DONE}"))
    check_plain(entry, LARGEST_JSON if small else LARGEST_FILE)


def check_plain(entry: zipfile.ZipInfo, largest: int) -> None:
    """Check that a zip entry is a plain file of bearable size.

    Args:
        entry: The entry.
        largest: The most bytes that it may have.

    Raises:
        ValueError: With the reason.
    """
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise ValueError("it is no plain file")
    if entry.flag_bits & 1:
        raise ValueError("it is encrypted")
    if entry.file_size > largest:
        raise ValueError(f"it has {entry.file_size:,} bytes, more than such a file can need")


def check_content(name: str, content: bytes) -> None:
    """Check what a file holds, by its name.

    Raises:
        ValueError: With the reason.
    """
    if name.endswith(".npz"):
        _check_arrays(content)
    elif name.endswith(".safetensors"):
        _check_weights(content)
    else:
        parse_json(content)


def parse_json(content: bytes) -> Any:
    """Read JSON that holds no NaN, no endless nesting and no huge string.

    Raises:
        ValueError: With the reason.
    """
    try:
        value = json.loads(content, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    _check_value(value, 0)
    return value


def is_hash(value: object) -> bool:
    """Tell whether a value is a sha256 in hexadecimal."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")


def _check_value(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str) and len(value) > LONGEST_STRING:
        raise ValueError(f"it holds a text of {len(value):,} characters")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it holds a number out of range")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_value(key, depth + 1)
            _check_value(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_value(item, depth + 1)


def _check_arrays(content: bytes) -> None:
    """Read the header of every array; one that would need pickle, or more memory than sense, is refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as arrays:
            for entry in arrays.infolist():
                with arrays.open(entry) as file:
                    version = np.lib.format.read_magic(file)
                    read = {
                        (1, 0): np.lib.format.read_array_header_1_0,
                        (2, 0): np.lib.format.read_array_header_2_0,
                    }.get(version)
                    if read is None:
                        raise ValueError("an array is of an unknown version")
                    shape, _, dtype = read(file)
                if dtype.hasobject:
                    raise ValueError(f"the array {entry.filename!r} is pickled Python objects")
                if math.prod(shape) * dtype.itemsize > LARGEST_ARRAY:
                    raise ValueError(f"the array {entry.filename!r} has the shape {shape}")
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(f"it is no archive of arrays ({error})") from None


def _check_weights(content: bytes) -> None:
    """Check the header of a safetensors file: JSON of known size whose tensors lie within the file."""
    if len(content) < 8:
        raise ValueError("it is no safetensors file")
    (length,) = struct.unpack("<Q", content[:8])
    if length > min(len(content) - 8, LARGEST_JSON):
        raise ValueError("it is no safetensors file")
    header = parse_json(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("it is no safetensors file")
    room = len(content) - 8 - length
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if (
            not isinstance(offsets, list)
            or len(offsets) != 2
            or not all(isinstance(offset, int) for offset in offsets)
            or not 0 <= offsets[0] <= offsets[1] <= room
        ):
            raise ValueError("its tensors lie outside the file")
