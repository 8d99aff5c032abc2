"""Lists of a packed archive with an entry for each sample: names, groups and georeferences."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridbench.core.files import LARGEST_TABLE, read_bytes
from gridbench.core.json_files import parse_json
from gridbench.datasets.archive.indexing import GEOREFERENCES, GROUPS, NAMES, damaged_archive
from gridbench.datasets.archive.layout import Georeference
from gridbench.errors import reason_of

__all__ = ["read_georeferences", "read_names", "read_sample_groups"]


def read_names(directory: Path, index: Mapping[str, Any], count: int) -> list[str]:
    """Read the name of each sample.

    Args:
        directory: Folder of the archive.
        index: Its index.
        count: Number of samples.

    Raises:
        InputError: The file cannot be read, has changed, or has another number of entries.
    """
    try:
        content = _content(directory, index, NAMES)
        if b"\0" in content:
            raise ValueError("they hold a zero byte")
        names = content.decode().split("\n")[:-1]
    except (OSError, ValueError) as error:
        raise damaged_archive(directory, f"its names cannot be read ({reason_of(error)})") from error
    return _one_per_sample(directory, names, NAMES, count)


def read_sample_groups(directory: Path, index: Mapping[str, Any], count: int) -> list[str] | None:
    """Read the group of each sample; None for an archive without groups. Arguments and errors as `read_names`."""
    if GROUPS not in index["files"]:
        return None
    try:
        groups = parse_json(_content(directory, index, GROUPS), largest=LARGEST_TABLE)
    except (OSError, ValueError) as error:
        raise damaged_archive(directory, f"its groups cannot be read ({reason_of(error)})") from error
    return _one_per_sample(directory, groups, GROUPS, count)


def read_georeferences(
    directory: Path, index: Mapping[str, Any], count: int
) -> list[Georeference | None] | None:
    """Read the georeference of each sample; None if no sample has one. Arguments and errors as `read_names`."""
    if GEOREFERENCES not in index["files"]:
        return None
    try:
        entries = parse_json(_content(directory, index, GEOREFERENCES), largest=LARGEST_TABLE)
        places = [
            None if entry is None else Georeference(entry[0], tuple(map(float, entry[1])))  # type: ignore[arg-type]
            for entry in entries
        ]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise damaged_archive(directory, f"its georeferences cannot be read ({reason_of(error)})") from error
    return _one_per_sample(directory, places, GEOREFERENCES, count)


def _content(directory: Path, index: Mapping[str, Any], file: str) -> bytes:
    """Return the content of a file, which may have been replaced since the archive was opened.

    Raises:
        ValueError: It is not what was packed.
        OSError: It cannot be read.
    """
    content = read_bytes(directory / file, LARGEST_TABLE)
    if hashlib.sha256(content).hexdigest() != index["files"][file]["sha256"]:
        raise ValueError(f"{file} has changed since it was packed, or since the archive was opened")
    return content


def _one_per_sample(directory: Path, values: Any, file: str, count: int) -> list[Any]:
    if not isinstance(values, list) or len(values) != count:
        raise damaged_archive(directory, f"{file} does not hold one entry per image")
    return values
