"""Lists of BigEarthNet patches: the paper's three, and the user's own.

The paper's subset is Serbia in summer: the date of the Sentinel-2 acquisition (not of the paired Sentinel-1 one) is
in June to August, without the patches under snow or clouds and those without one of the 19 classes; it is split as
the official lists of version 1 split it.
"""

from __future__ import annotations

import csv
import functools
import gzip
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from gridbench.core.zip_files import read_packed
from gridbench.datasets.archive.layout import SPLITS
from gridbench.datasets.readers.splitting import read_split
from gridbench.errors import InputError, reason_of

__all__ = ["PATCH", "excluded_names", "find_split_lists", "paper_lists", "read_names"]

PATCH = re.compile(r"S2[AB]_MSIL2A_(\d{8})T\d{5,6}(?:_N\d{4}_R\d{3}_T[0-9A-Z]{5})?_\d{1,2}_\d{1,2}")
"""Name of a patch in version 1 (time of 5 or 6 digits, column and row not padded) or in version 2."""

_LIST = re.compile(r"(?:bigearthnet-)?(train|val|validation|test)\.(?:csv|txt)(?:\.gz|\.bz2)?", re.IGNORECASE)
_EXCLUSION = re.compile(r"patches_with_.*\.(?:csv|txt)(?:\.gz|\.bz2)?", re.IGNORECASE)


def read_names(path: Path) -> list[str]:
    """Read a list of patches: one or two columns, with or without a header, any line ends, blank lines or not.

    Args:
        path: A text file, or one packed by gzip or bzip2.

    Returns:
        The Sentinel-2 names in order.

    Raises:
        InputError: It cannot be read, or a row after the first holds no name of a patch.
    """
    try:
        text = read_packed(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"The list {path} cannot be read: {reason_of(error, path)}.") from error
    names: list[str] = []
    for number, row in enumerate(_rows(path, text)):
        name = next((cell.strip() for cell in row if PATCH.fullmatch(cell.strip())), None)
        if name is not None:
            names.append(name)
        elif number > 0 and any(cell.strip() for cell in row):
            raise InputError(
                f"The list {path} holds {','.join(row)!r} in line {number + 1}, which is not a patch."
            )
    if not names:
        raise InputError(f"The list {path} holds no patch.")
    return names


def _rows(path: Path, text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise InputError(f"The list {path} cannot be read: {error}.") from None


def find_split_lists(folder: Path) -> dict[str, list[str]]:
    """Read the lists called train, val (or validation) and test, with or without `bigearthnet-`, of a folder.

    Returns:
        Split -> names; empty when there is no list.

    Raises:
        InputError: A patch is in two of them, or there are two lists of one split.
    """
    lists: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        found = _LIST.fullmatch(path.name)
        if found and path.is_file():
            split = read_split(found[1])
            if split in lists:
                raise InputError(f"There are two lists of the split {split} in {folder}.")
            lists[split] = read_names(path)
    _refuse_overlap(lists, str(folder))
    return lists


def excluded_names(folders: Iterable[Path], files: Iterable[Path] = ()) -> dict[Path, set[str]]:
    """Read the lists of patches to leave out: those named, and `patches_with_*` of some folders."""
    found = {path: set(read_names(path)) for path in files}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if _EXCLUSION.fullmatch(path.name) and path.is_file() and path not in found:
                found[path] = set(read_names(path))
    return found


@functools.cache
def paper_lists() -> Mapping[str, tuple[str, ...]]:
    """Return the paper's three lists, Serbia in summer: 7,761 / 3,508 / 3,563 patches."""
    folder = resources.files("gridbench.datasets.readers.bigearthnet") / "published"
    lists = {}
    for split in SPLITS:
        text = gzip.decompress((folder / f"serbia_summer_{split}.txt.gz").read_bytes()).decode("ascii")
        lists[split] = tuple(text.split())
    return lists


def _refuse_overlap(lists: Mapping[str, Sequence[str]], where: str) -> None:
    owner: dict[str, str] = {}
    for split, names in lists.items():
        for name in names:
            if owner.setdefault(name, split) != split:
                raise InputError(f"The patch {name} is in two lists of {where}: {owner[name]} and {split}.")
