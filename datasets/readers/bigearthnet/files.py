"""Discovery of BigEarthNet files on disk: patches of version 1 or 2, reference maps, metadata and LMDBs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridbench.errors import InputError

__all__ = ["BigEarthNetFiles", "find_bigearthnet", "patch_folders", "v2_location"]

_V1_PATCH = re.compile(r"S2[AB]_MSIL2A_\d{8}T\d{5,6}_\d{1,2}_\d{1,2}")
_V2_TILE = re.compile(r"S2[AB]_MSIL2A_\d{8}T\d{6}_N\d{4}_R\d{3}_T[0-9A-Z]{5}")
_DEPTH = 2
_LOOKED_AT = 2000
_METADATA = "metadata.parquet"


@dataclass
class BigEarthNetFiles:
    """Folders and files by what they hold.

    Attributes:
        v1: Folder of the patch folders of version 1, or None.
        v2: Folder of the tile folders of version 2, or None.
        maps: Folder of the tile folders of reference maps, or None.
        metadata: The metadata of version 2, or None.
        lmdb: Folder of an LMDB, or None.
        folders: Every folder that was named, and those that were found, for lists of names.
    """

    v1: Path | None = None
    v2: Path | None = None
    maps: Path | None = None
    metadata: Path | None = None
    lmdb: Path | None = None
    folders: list[Path] = field(default_factory=list)


def find_bigearthnet(roots: Sequence[Path]) -> BigEarthNetFiles:
    """Look for BigEarthNet in some folders and two levels below them.

    Args:
        roots: The folders; each may be the one above the archive, or the archive itself.

    Raises:
        InputError: A folder is missing, or two places hold the same thing.
    """
    found = BigEarthNetFiles()
    for root in roots:
        if not root.is_dir():
            raise InputError(f"There is no folder {root}.")
        found.folders.append(root)
        for folder, names, files in _walk(root, _DEPTH):
            if any(_V1_PATCH.fullmatch(name) for name in names):
                found.v1 = _one(found.v1, folder, "version 1")
            tile = next((name for name in names if _V2_TILE.fullmatch(name)), None)
            if tile is not None:
                if folder.name == "Reference_Maps" or _holds_maps(folder / tile):
                    found.maps = _one(found.maps, folder, "reference maps")
                else:
                    found.v2 = _one(found.v2, folder, "version 2")
            if _METADATA in files:
                found.metadata = _one(found.metadata, folder / _METADATA, "metadata")
            if "data.mdb" in files:
                found.lmdb = _one(found.lmdb, folder, "an LMDB")
            if folder not in found.folders and any(name.endswith((".csv", ".bz2", ".gz")) for name in files):
                found.folders.append(folder)
    return found


def patch_folders(v1: Path) -> set[str]:
    """Return the names of the patch folders of version 1."""
    with os.scandir(v1) as entries:
        return {entry.name for entry in entries if _V1_PATCH.fullmatch(entry.name) and entry.is_dir()}


def v2_location(root: Path, patch: str) -> Path:
    """Return the folder of a patch of version 2: below its tile's folder, or directly below the root.

    Args:
        root: Folder of tiles.
        patch: Name of the patch, the tile's name with column and row.
    """
    nested = root / patch.rsplit("_", 2)[0] / patch
    return nested if nested.is_dir() or not (root / patch).is_dir() else root / patch


def _walk(root: Path, depth: int) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield folders with some of their folders' and files' names; folders of patches and tiles are not entered."""
    names: list[str] = []
    files: list[str] = []
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir():
                if len(names) < _LOOKED_AT:
                    names.append(entry.name)
            elif len(files) < _LOOKED_AT:
                files.append(entry.name)
    yield root, names, files
    if depth == 0:
        return
    for name in sorted(names):
        if not name.startswith((".", "S1A_", "S1B_", "S2A_", "S2B_")):
            yield from _walk(root / name, depth - 1)


def _holds_maps(tile: Path) -> bool:
    patch = next((path for path in sorted(tile.iterdir()) if path.is_dir()), None)
    return patch is not None and any(path.name.endswith("_reference_map.tif") for path in patch.iterdir())


def _one(known: Path | None, new: Path, what: str) -> Path:
    if known is not None and known.resolve() != new.resolve():
        raise InputError(
            f"There are two places with {what}: {known} and {new}. Name the one you mean with --data."
        )
    return new
