"""Finds photographs and label maps of UC Merced and DLRSD, in the original layout or in copies of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridbench.datasets.readers.files import raster_files
from gridbench.datasets.readers.landuse.classes import parse_name
from gridbench.datasets.readers.source_files import digest_of, format_of
from gridbench.errors import InputError, counted

__all__ = ["LandUseFiles", "find_files"]

_PHOTOGRAPHS = {"GTiff", "JPEG"}
# For files that are damaged: they are to be named among what cannot be read.
_BY_ENDING = {".tif": "GTiff", ".tiff": "GTiff", ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
_MAP_FOLDERS = {"labels", "label", "masks", "mask", "annotations"}


@dataclass
class LandUseFiles:
    """Files by the name of their image.

    Attributes:
        photographs: Name -> photograph.
        maps: Name -> label map.
        notes: What the user should know.
    """

    photographs: dict[str, Path] = field(default_factory=dict)
    maps: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_files(roots: Sequence[Path]) -> LandUseFiles:
    """Find photographs and label maps below some folders.

    Both archives name their files alike, and `Images` holds label maps in the original DLRSD and photographs in its
    mirrors; so a TIFF or JPEG is a photograph and a PNG a label map, except that of two PNGs of one name the one
    below a folder called Labels (or masks, annotations) is the map.

    Args:
        roots: Folders to look in.

    Raises:
        InputError: There is no such folder, nothing is found, or two different files claim one image.
    """
    for root in roots:
        if not root.is_dir():
            raise InputError(f"There is no folder {root}.")
    found: dict[str, list[Path]] = {}
    others = 0
    for root in roots:
        for path in raster_files(root):
            name = path.stem.lower()
            if parse_name(name) is None:
                others += 1
            else:
                found.setdefault(name, []).append(path)
    files = LandUseFiles()
    for name in sorted(found):
        formats = {path: format_of(path) or _BY_ENDING.get(path.suffix.lower()) for path in found[name]}
        photographs = [path for path in found[name] if formats[path] in _PHOTOGRAPHS]
        pngs = [path for path in found[name] if formats[path] == "PNG"]
        marked = [path for path in pngs if _below_map_folder(path)]
        if not photographs and marked and len(marked) < len(pngs):
            photographs = [path for path in pngs if path not in marked]
            pngs = marked
        if photographs:
            files.photographs[name] = _only(name, photographs, "photographs")
        if pngs:
            files.maps[name] = _only(name, pngs, "label maps")
    if not found:
        raise InputError(
            f"There is no image of UC Merced below {', '.join(map(str, roots))}: files are called like "
            "agricultural00.tif, in the 21 scenes."
        )
    if others:
        files.notes.append(f"passed over: {counted(others, 'file')} with the name of no UC Merced image")
    return files


def _below_map_folder(path: Path) -> bool:
    return any(part.lower() in _MAP_FOLDERS for part in path.parts[:-1])


def _only(name: str, paths: Sequence[Path], what: str) -> Path:
    if len(paths) > 1 and len({digest_of([path]) for path in paths}) > 1:
        listed = ", ".join(str(path) for path in paths[:3])
        raise InputError(f"There are two different {what} of {name}: {listed}. Name one folder with --data.")
    return paths[0]
