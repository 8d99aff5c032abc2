"""Reads one image of UC Merced or DLRSD with its label map, whichever way that is encoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import IGNORE, Sample
from gridbench.datasets.loading.resampling import resize_classes, resize_image
from gridbench.datasets.readers.base import Outcome
from gridbench.datasets.readers.landuse.classes import CLASS_NAMES, COLOURS
from gridbench.datasets.readers.masks.codebook import Codebook
from gridbench.datasets.readers.rasters.conversion import fit
from gridbench.datasets.readers.rasters.form import Form
from gridbench.datasets.readers.rasters.raster import Raster, colours_of, read_raster
from gridbench.datasets.readers.source_files import Unreadable, contents_of
from gridbench.errors import InputError

__all__ = ["LandUseUnit", "index_base", "is_label_map", "read_landuse_unit"]

_FORM = Form(3, "uint8", ("uint8",))
_CLASSES = len(CLASS_NAMES)
_ODD = 0.1
"""44 photographs of UC Merced are not 256 x 256 (TensorFlow Datasets 4.9.10); they lack or exceed a few pixels."""


@dataclass(frozen=True)
class LandUseUnit:
    """One image.

    Attributes:
        photograph: The photograph.
        label_map: Its label map, or None.
        labels: (17,) scene labels, or None to take them from the map.
        base: Index of the first class in maps that hold plain indices; None when there are none.
        size: (height, width) in the archive.
    """

    photograph: Path
    label_map: Path | None
    labels: tuple[int, ...] | None
    base: int | None
    size: tuple[int, int]

    @property
    def files(self) -> tuple[Path, ...]:
        """The photograph and its label map."""
        return (self.photograph,) if self.label_map is None else (self.photograph, self.label_map)


def read_landuse_unit(unit: LandUseUnit) -> Outcome:
    """Read a photograph and its label map; odd sizes are brought to the archive's, maps to the nearest pixel.

    Raises:
        Unreadable: A file cannot be read as what it should be.
    """
    findings: Counter[str] = Counter()
    contents, source = contents_of(unit.files)
    pixels = fit(read_raster(unit.photograph, content=contents.get(unit.photograph)), _FORM, unit.photograph)
    height, width = pixels.shape[1:]
    if any(abs(side - usual) > _ODD * usual for side, usual in zip((height, width), unit.size, strict=True)):
        raise Unreadable(
            unit.photograph,
            f"is {height} x {width} pixels, the others {unit.size[0]} x {unit.size[1]}; the odd ones of UC Merced "
            f"differ by less than {100 * _ODD:g} %",
        )
    if (height, width) != unit.size:
        findings[f"photographs of an odd size, resized to {unit.size[0]} x {unit.size[1]}"] += 1
        pixels = resize_image(pixels, unit.size)
    label_map = None
    if unit.label_map is not None:
        label_map, unknown = _decode(
            read_raster(unit.label_map, content=contents.get(unit.label_map)), unit.label_map, unit.base
        )
        for word, count in unknown.items():
            findings[f"map pixels of the value {word}, which no class has; they are ignored"] += count
        if label_map.shape not in (unit.size, (height, width)):
            raise Unreadable(
                unit.label_map,
                f"is {label_map.shape[0]} x {label_map.shape[1]} pixels, its photograph {height} x {width}",
            )
        if label_map.shape != unit.size:
            findings[f"label maps of an odd size, resized to {unit.size[0]} x {unit.size[1]}"] += 1
            label_map = np.asarray(resize_classes(label_map, unit.size), np.uint8)
    if unit.labels is not None:
        labels = np.array(unit.labels, dtype=np.uint8)
    else:
        present = set() if label_map is None else set(np.unique(label_map).tolist())
        labels = np.array([c in present for c in range(_CLASSES)], dtype=np.uint8)
    if not labels.any():
        return Outcome((None,), {"left out: no scene label": 1})
    return Outcome((Sample((pixels,), labels, label_map, None, source),), findings)


def index_base(maps: Iterable[Path], given: int | None = None) -> tuple[int | None, list[str]]:
    """Decide over all label maps whether plain indices count the classes from 0 or from 1.

    Maps with the legend's colours, as a palette or as pixels, do not take part; the indices of any other palette
    count from 1, as in the original.

    Args:
        maps: Every label map of the data set.
        given: What the user said (`--map-base`), or None.

    Returns:
        The index of the first class, None when no map holds plain indices; and sentences about it.

    Raises:
        InputError: The values do not tell, contradict what the user said, or are not indices at all.
    """
    seen: set[int] = set()
    for path in maps:
        try:
            raster = read_raster(path)
        except Unreadable:
            continue
        if not _has_colours(raster):
            values = set(np.unique(raster.pixels[0]).tolist()) - {IGNORE}
            if max(values, default=0) > _CLASSES:
                raise InputError(
                    f"The label map {path} holds the value {max(values)}; indices go to {_CLASSES}. It looks like a "
                    "picture that was turned grey; take the original map."
                )
            if raster.palette is None:
                seen |= values
    if not seen:
        if given is not None:
            raise InputError(
                "--map-base is about label maps of plain indices, and these hold colours or palettes. Leave it out."
            )
        return None, []
    if given == 0 and _CLASSES in seen:
        raise InputError(
            f"--map-base 0 contradicts the label maps: they hold {_CLASSES}, and from 0 the classes go to "
            f"{_CLASSES - 1}."
        )
    if given is not None:
        return given, [
            "label maps hold 0, which is not a class when they count from 1"
        ] if given and 0 in seen else []
    if 0 in seen and _CLASSES in seen:
        return 1, [f"label maps hold 0 beside 1 to {_CLASSES}; 0 is taken for no class"]
    if 0 not in seen and _CLASSES not in seen:
        raise InputError(
            f"The label maps hold {min(seen)} to {max(seen)}, so they may count the classes from 0 or from 1. "
            "Say which: --map-base 0 or --map-base 1."
        )
    return (0 if 0 in seen else 1), []


def is_label_map(raster: Raster) -> bool:
    """Return whether a file holds a palette, indices, or nothing but the legend's colours: no photograph does."""
    if raster.palette is not None or len(raster.pixels) < 3:
        return True
    colours = np.unique(raster.pixels[:3].reshape(3, -1), axis=1).T
    return all((int(r), int(g), int(b)) in COLOURS for r, g, b in colours)


def _has_colours(raster: Raster) -> bool:
    if raster.palette is None:
        return len(raster.pixels) >= 3
    used = raster.palette[np.unique(raster.pixels[0])]
    return all((int(r), int(g), int(b)) in COLOURS for r, g, b in used)


def _decode(raster: Raster, path: Path, base: int | None) -> tuple[NDArray[np.uint8], dict[str, int]]:
    if _has_colours(raster):
        return _codebook(None).decode(Raster(np.asarray(colours_of(raster)), None), path)
    if raster.palette is not None:
        return _codebook(1).decode(Raster(raster.pixels, None), path)
    if base is None:
        raise Unreadable(path, "holds plain indices, and no other map told from where they count")
    return _codebook(base).decode(Raster(raster.pixels[:1], None), path)


def _codebook(base: int | None) -> Codebook:
    key = -1 if base is None else base
    if key not in _CODEBOOKS:
        values: dict[int, int | None] = {} if base is None else {c + base: c for c in range(_CLASSES)}
        _CODEBOOKS[key] = Codebook(values | {IGNORE: None}, COLOURS if base is None else {})
    return _CODEBOOKS[key]


# The table of colours takes 16 MB to make, so each process makes it once.
_CODEBOOKS: dict[int, Codebook] = {}
