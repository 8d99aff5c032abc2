"""Listing and naming of image files below a folder, and matching of files to the rows of a table."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from gridbench.datasets.readers.source_files import format_of
from gridbench.errors import InputError

__all__ = [
    "RASTER_SUFFIXES",
    "FileIndex",
    "canonical",
    "files_by_key",
    "is_raster",
    "other_kinds",
    "raster_files",
    "walk_files",
]

RASTER_SUFFIXES = frozenset(
    f".{ending}"
    for ending in [
        "tif",
        "tiff",
        "png",
        "jpg",
        "jpeg",
        "jp2",
        "j2k",
        "bmp",
        "gif",
        "webp",
        "img",
        "ntf",
        "pgm",
        "ppm",
    ]
)


_MOST_KINDS = 5
_HIDDEN = (".", "@eaDir")
"""How folders begin that systems keep for themselves; Synology's hold small copies of all images."""
_UPLOAD_PREFIX = re.compile("^[0-9a-f]{8}-")
"""What Label Studio puts before the names of uploaded files."""
_SIDE_CARS = (".ovr", ".msk")
"""Overviews and masks that GDAL keeps beside a file, which are TIFF by their first bytes."""


def walk_files(folder: Path, apart_from: Iterable[Path] = ()) -> Iterator[Path]:
    """Yield the files below a folder, through linked folders too, each folder once, hidden ones never.

    What is not a regular file is passed over unless it is called like an image: then its reader says what it is.

    Args:
        folder: Where to look.
        apart_from: Folders that are not entered.

    Raises:
        InputError: A folder cannot be listed, or a name is not UTF-8.
    """
    seen = {os.path.realpath(path) for path in apart_from}

    def fail(error: OSError) -> None:
        raise InputError(f"The folder {error.filename} cannot be listed: {error.strerror}.")

    for base, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        real = os.path.realpath(base)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(_HIDDEN))
        for name in sorted(names):
            path = Path(base, name)
            if name.startswith(".") or not (_is_named_as_image(path) or path.is_file()):
                continue
            _refuse_undecodable(path)
            yield path


def raster_files(folder: Path, apart_from: Iterable[Path] = ()) -> list[Path]:
    """List the raster files below a folder in the order of their paths, hidden ones left out.

    A file is one by its ending, whatever it holds, or by its first bytes.

    Args:
        folder: Where to look; links to other folders are followed.
        apart_from: Folders that are not entered.
    """
    return sorted(path for path in walk_files(folder, apart_from) if is_raster(path))


def is_raster(path: Path) -> bool:
    """Whether a file is called like an image, or begins like one and is not a side-car of another."""
    named = _is_named_as_image(path)
    return named or (path.suffix.lower() not in _SIDE_CARS and format_of(path) is not None)


def _is_named_as_image(path: Path) -> bool:
    return path.suffix.lower() in RASTER_SUFFIXES


def other_kinds(folder: Path) -> str:
    """Return the endings of the files below a folder that are not images, and how many have each; empty for none."""
    counts = Counter(
        path.suffix.lower() for path in walk_files(folder) if path.suffix and not is_raster(path)
    )
    return ", ".join(f"{ending} ({count})" for ending, count in counts.most_common(_MOST_KINDS))


def files_by_key(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    """Name files by their path below a folder without the suffix; with it where two would be alike."""
    below = [canonical(path.relative_to(folder).as_posix()) for path in files]
    bare = [name[: len(name) - len(canonical(path.suffix))] for name, path in zip(below, files, strict=True)]
    stems = Counter(bare)
    named: dict[str, Path] = {}
    for path, stem, whole in zip(files, bare, below, strict=True):
        key = stem if stems[stem] == 1 else whole
        if key in named:
            raise InputError(
                f"The names of two files differ in their Unicode form only: {named[key]} and {path}. Rename one."
            )
        named[key] = path
    return named


def canonical(name: str) -> str:
    r"""Return a name in Unicode's composed form, in which the same letters are the same characters.

    >>> canonical("e\u0301.png") == "\u00e9.png"
    True
    """
    return unicodedata.normalize("NFC", name)


class FileIndex:
    """Finds the files that a cell of a table may name: by path, by file name, or without the suffix.

    Args:
        files: Key of each file -> its path.
    """

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._keys = list(files)
        self._full: dict[str, list[str]] = {}
        self._bare: dict[str, list[str]] = {}
        for key, path in files.items():
            parts = canonical(path.as_posix()).split("/")
            tails = {"/".join(parts[-n:]) for n in range(1, len(parts) + 1)}
            for tail in tails:
                self._full.setdefault(tail, []).append(key)
            for tail in {key, *(tail[: -len(path.suffix)] for tail in tails if path.suffix)}:
                self._bare.setdefault(tail, []).append(key)

    def __len__(self) -> int:
        return len(self._keys)

    def examples(self, count: int = 3) -> list[str]:
        """Return the keys of the first few files."""
        return self._keys[:count]

    def names(self) -> list[str]:
        """Return the names and paths by which files are found, with and without their endings."""
        return [*self._full, *self._bare]

    def find(self, cell: str) -> list[str]:
        """Return the keys of the files that a cell may mean.

        Leading folders, as of another machine, may be others as long as the folder that the file is in is the same.
        """
        return self._found(cell)[0]

    def has_full_name(self, cell: str) -> bool:
        """Whether a cell names a file with its suffix, so that it cannot be a mere number."""
        return self._found(cell)[1]

    def _found(self, cell: str) -> tuple[list[str], bool]:
        word = self._word(cell)
        found = self._named(word)
        name = word.rpartition("/")[2]
        if not found[0] and (short := _UPLOAD_PREFIX.sub("", name)) != name:
            found = self._named(short)
        return found

    def _named(self, word: str) -> tuple[list[str], bool]:
        while True:
            if word in self._full:
                return self._full[word], True
            if word in self._bare:
                return self._bare[word], False
            word = word.partition("/")[2]
            if "/" not in word:
                return [], False

    @staticmethod
    def _word(cell: str) -> str:
        return canonical(cell.strip().replace("\\", "/")).removeprefix("./")

    def match(self, cells: Sequence[str], where: str) -> dict[str, int]:
        """Return the row that belongs to each file.

        Args:
            cells: Name of a file in each row.
            where: The table, for messages.

        Returns:
            Key of a file -> row. Files without a row are not in it.

        Raises:
            InputError: A row fits several files, or two rows fit one.
        """
        found: dict[str, int] = {}
        for row, name in enumerate(cells):
            fitting = self.find(name)
            if len(fitting) > 1:
                raise InputError(f"{where}: {name!r} fits several files ({', '.join(sorted(fitting)[:3])}).")
            if fitting:
                if fitting[0] in found:
                    raise InputError(
                        f"{where}: two rows fit the file {fitting[0]}: {cells[found[fitting[0]]]!r} and {name!r}. Give "
                        "each image one row; several labels stand in one cell, divided by semicolons."
                    )
                found[fitting[0]] = row
        return found


def _refuse_undecodable(path: Path) -> None:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"The name of the file {str(path).encode('utf-8', 'backslashreplace').decode()} is not UTF-8 "
            "(an archive unpacked with another encoding?). Rename it."
        ) from None
