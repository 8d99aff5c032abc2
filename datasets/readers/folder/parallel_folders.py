"""Folders that hold the images and masks of the same scenes, which are not classes."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from gridbench.datasets.readers.rasters.raster import read_raster
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError

__all__ = ["refuse_parallel_folders"]

_MOST_FOLDERS = 6
_LOOKED_AT = 3
_WORD = re.compile(
    r"mask|label|annot|segment|ground.?truth|(?<![a-z])(gts?|seg|ann|anns|targets?|lulc|land.?cover)(?![a-z])"
)


def refuse_parallel_folders(folders: Mapping[str, Mapping[str, Path]]) -> list[str]:
    """Refuse to take folders for classes when one holds the masks of another's images.

    Args:
        folders: Name of each folder -> name of each file in it, without its ending -> the file.

    Returns:
        A sentence about folders that hold files of the same names, which classes may have too.

    Raises:
        InputError: Two folders hold files of the same names, and those of one are of another kind: by their ending,
            by what is in them, or by the folder's name.
    """
    if len(folders) > _MOST_FOLDERS:
        return []
    same = []
    for one, other in itertools.combinations(sorted(folders), 2):
        shared = sorted(folders[one].keys() & folders[other].keys())
        if not shared or 2 * len(shared) < min(len(folders[one]), len(folders[other])):
            continue
        same.append((one, other))
        masks = next((name for name in (other, one) if _WORD.search(name.lower())), None)
        if masks is None and _differ_in_kind(folders[one], folders[other], shared):
            masks = other
        if masks is None:
            continue
        images = one if masks == other else other
        places = [folders[name][shared[0]].parent for name in (images, masks)]
        raise InputError(
            f"The folders {one!r} and {other!r} hold files of the same names, such as {shared[0]}, of which those in "
            f"one may be the masks or another view of those in the other: --images {shlex.quote(str(places[0]))} "
            f"--masks {shlex.quote(str(places[1]))}. If they are classes, list them with --classes FILE, one "
            "name per line."
        )
    if not same:
        return []
    return [
        f"the folders {same[0][0]!r} and {same[0][1]!r}, which are read as classes, hold files of the same names; if "
        "one holds the masks of the other: --images DIR --masks DIR"
    ]


def _differ_in_kind(one: Mapping[str, Path], other: Mapping[str, Path], shared: list[str]) -> bool:
    endings = [{path.suffix.lower() for path in each.values()} for each in (one, other)]
    if endings[0].isdisjoint(endings[1]):
        return True
    kinds = {(_kind(one[name]), _kind(other[name])) for name in shared[:_LOOKED_AT]}
    return len(kinds) == 1 and len(set(*kinds)) == 2


def _kind(path: Path) -> tuple[object, ...]:
    """Return what distinguishes photographs from masks and other sensors: bands, type, and palette."""
    try:
        raster = read_raster(path)
    except Unreadable:
        return ()
    return len(raster.pixels), raster.pixels.dtype.name, raster.palette is not None
