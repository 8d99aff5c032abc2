"""Validation of bundles before their contents are used: no path traversal, no pickle, no zip bomb."""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from gridbench.core.files import LARGEST_FILE, NO_ROOM, limited, open_file
from gridbench.core.json_files import LARGEST_JSON, parse_json
from gridbench.core.zip_files import ZIP_ERRORS, check_arrays, check_zip, read_member
from gridbench.errors import InputError, reason_of
from gridbench.leaderboard.records.run import is_hash
from gridbench.leaderboard.tables.text import clean

__all__ = ["CONTENTS", "Bundle", "check_content", "opened", "refuse"]

CONTENTS = "bundle.json"
MOST_REASONS = 10
PIECE = 2**20


@dataclass(frozen=True)
class Bundle:
    """An open bundle whose list of contents was checked; its members are checked when they are read.

    Attributes:
        path: The file.
        archive: The open zip file.
        contents: What bundle.json says.
        files: Member -> sha256, in the order of the list.
    """

    path: Path
    archive: zipfile.ZipFile
    contents: dict[str, Any]
    files: dict[str, str]

    def read(self, name: str, largest: int) -> bytes:
        """Return a member whose hash is the one in the list.

        Raises:
            ValueError: It is not, or it is larger than `largest`.
        """
        content = read_member(self.archive, name, largest)
        if hashlib.sha256(content).hexdigest() != self.files[name]:
            raise ValueError(f"{name!r}: its hash is wrong, so it was changed or damaged")
        return content

    def extract(self, name: str, target: Path) -> None:
        """Copy a member to a new file, piece by piece, comparing its hash.

        Raises:
            ValueError: The hash is wrong, or the member is larger than it says.
        """
        left, digest = self.archive.getinfo(name).file_size, hashlib.sha256()
        try:
            with self.archive.open(name) as member, target.open("xb") as file:
                while piece := member.read(PIECE):
                    left -= len(piece)
                    if left < 0:
                        raise ValueError(f"{name!r}: its size is not what the list says")
                    digest.update(piece)
                    file.write(piece)
        except OSError as error:
            if error.errno in NO_ROOM:
                # It names no file by itself.
                error.filename = str(target)
            raise
        if digest.hexdigest() != self.files[name]:
            raise ValueError(f"{name!r}: its hash is wrong, so it was changed or damaged")


@contextmanager
def opened(path: Path, check_name: Callable[[str], None]) -> Iterator[Bundle]:
    """Open a bundle and check its list of contents; nothing but that list is read.

    Args:
        path: The file.
        check_name: Raises ValueError for a name that such a bundle does not hold.

    Raises:
        InputError: With every reason for which the file is refused, also for what is found while it is read.
    """
    try:
        with open_file(path, LARGEST_FILE) as file, zipfile.ZipFile(file) as archive:
            check_zip(archive, os.fstat(file.fileno()).st_size)
            if CONTENTS not in archive.namelist():
                raise ValueError(f"{CONTENTS} is missing, so it is not a bundle of gridbench")
            contents = _contents(archive)
            _refuse_all(path, list(_wrong_names(archive, contents["files"], check_name)))
            yield Bundle(path, archive, contents, contents["files"])
    except InputError:
        raise
    except ValueError as error:
        refuse(path, [str(error)])
    except (OSError, *ZIP_ERRORS) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            # The full disk is the one that the content is written to while it is read.
            raise
        raise InputError(f"The bundle {str(path)!r} cannot be read: {reason_of(error, path)}") from None


def _contents(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        contents = parse_json(read_member(archive, CONTENTS, LARGEST_JSON))
    except ValueError as error:
        raise ValueError(f"{CONTENTS}: {error}") from None
    files = contents.get("files") if isinstance(contents, dict) else None
    if not isinstance(files, dict) or contents.get("schema") != 1:
        raise ValueError(f"{CONTENTS}: it is of another format than 1")
    if not all(is_hash(value) for value in files.values()):
        raise ValueError(f"{CONTENTS}: it holds something that is not a hash")
    return dict(contents)


def _wrong_names(
    archive: zipfile.ZipFile, files: dict[str, str], check_name: Callable[[str], None]
) -> Iterator[str]:
    names = set(archive.namelist()) - {CONTENTS}
    for name in sorted(names | files.keys()):
        try:
            check_name(name)
        except ValueError as error:
            yield f"{name!r}: {error}"
            continue
        if name not in files:
            yield f"{name!r} is not listed in {CONTENTS}"
        elif name not in names:
            yield f"{name!r} is listed but missing"
        elif archive.getinfo(name).file_size > limited(LARGEST_FILE):
            size = archive.getinfo(name).file_size
            yield f"{name!r}: it has {size:,} bytes, more than such a file can need"


def _refuse_all(path: Path, reasons: Sequence[str]) -> None:
    if reasons:
        refuse(path, reasons)


def refuse(path: Path, reasons: Sequence[str]) -> NoReturn:
    """Raise the error for a file that is rejected.

    Raises:
        InputError: With the first ten of the reasons.
    """
    shown = [clean(reason, 300) for reason in reasons[:MOST_REASONS]]
    more = [f"and {len(reasons) - MOST_REASONS} more"] if len(reasons) > MOST_REASONS else []
    listed = "\n".join(f"  {reason}" for reason in [*shown, *more])
    raise InputError(f"The bundle {str(path)!r} is refused:\n{listed}")


def check_content(name: str, file: Path) -> None:
    """Check what a file of a record holds, by its name.

    Raises:
        ValueError: With the reason.
    """
    if name.endswith(".npz"):
        check_arrays(file)
    elif name.endswith(".safetensors"):
        with open_file(file) as content:
            _check_weights(content, file.stat().st_size)
    else:
        with open_file(file, LARGEST_JSON) as content:
            parse_json(content.read(), strict=True)


def _check_weights(file: IO[bytes], size: int) -> None:
    """Check the header of a safetensors file: JSON of known size whose tensors lie within the file."""
    start = file.read(8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
    if length > min(size - 8, LARGEST_JSON):
        raise ValueError("it is not a safetensors file")
    header = parse_json(file.read(length), strict=True)
    if not isinstance(header, dict):
        raise ValueError("it is not a safetensors file")
    room = size - 8 - length
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
