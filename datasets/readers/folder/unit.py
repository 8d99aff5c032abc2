"""Reads one image of a user's own archive, whole, resized, or cut into tiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import IGNORE, Sample
from gridbench.datasets.loading.resampling import resize_classes, resize_image
from gridbench.datasets.readers.base import Outcome
from gridbench.datasets.readers.folder.alignment import GEOREFERENCED, directions
from gridbench.datasets.readers.folder.tiles import Tiling
from gridbench.datasets.readers.formats.drawing import Drawing, draw
from gridbench.datasets.readers.masks.codebook import Codebook, cover
from gridbench.datasets.readers.rasters.conversion import fit, missing_pixels, range_findings
from gridbench.datasets.readers.rasters.form import Form
from gridbench.datasets.readers.rasters.orientation import upright
from gridbench.datasets.readers.rasters.raster import Raster, read_raster, read_shape
from gridbench.datasets.readers.source_files import Unreadable, contents_of, digest_of

__all__ = ["FolderUnit", "Treatment", "read_folder_unit"]


@dataclass(frozen=True)
class Treatment:
    """Processing applied to every image.

    Attributes:
        form: Bands and type.
        size: (height, width) in the archive.
        tiling: How images are cut into tiles, or None for whole images.
        codebook: How masks are read; None without masks.
        class_names: Names of the C classes.
        min_cover: Share of an image or tile from which a class of the mask counts as a scene label.
        min_labelled: Share of a tile that must have a class.
        labels_from_masks: Whether scene labels come from the masks.
    """

    form: Form
    size: tuple[int, int]
    tiling: Tiling | None
    codebook: Codebook | None
    class_names: tuple[str, ...]
    min_cover: float
    min_labelled: float
    labels_from_masks: bool


@dataclass(frozen=True)
class FolderUnit:
    """One image file with what belongs to it.

    Attributes:
        image: The image file.
        mask: Its mask, or None.
        labels: (C,) scene labels from a table, or None.
        clean_labels: (C,) labels from the second table, or None.
        treatment: Processing applied to it.
        clean_mask: Its mask from the second folder, or None.
        drawing: What is drawn as its label map instead of a mask, or None.
        rows: First row of the part that is cut into tiles, and the row after its last; None for the whole image.
    """

    image: Path
    mask: Path | None
    labels: tuple[int, ...] | None
    clean_labels: tuple[int, ...] | None
    treatment: Treatment
    clean_mask: Path | None = None
    rows: tuple[int, int] | None = None
    drawing: Drawing | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The image and its masks."""
        return tuple(path for path in (self.image, self.mask, self.clean_mask) if path is not None)


def read_folder_unit(unit: FolderUnit) -> Outcome:
    """Read an image with its mask.

    Raises:
        Unreadable: One of its files cannot be read, or image and mask do not lie on each other.
    """
    how = unit.treatment
    contents, source = contents_of(unit.files) if unit.rows is None else ({}, digest_of(unit.files))
    raster = read_raster(unit.image, unit.rows, how.form.limits, contents.get(unit.image))
    missing = missing_pixels(raster)
    pixels = fit(raster, how.form, unit.image)
    findings = range_findings(raster, how.form)
    maps = [_decoded(unit, path, raster, contents, findings) for path in (unit.mask, unit.clean_mask)]
    if unit.drawing is not None:
        maps[0] = _drawn(unit, unit.drawing, raster, findings)
    if missing is not None:
        maps = [None if one is None else np.where(missing, np.uint8(IGNORE), one) for one in maps]
    if how.tiling is None:
        pixels = resize_image(pixels, how.size)
        given, clean = (
            None if one is None else np.asarray(resize_classes(one, how.size), np.uint8) for one in maps
        )
        kept = not _left_out(missing, how, findings)
        sample = _sample(unit, pixels, given, clean, source, findings) if kept else None
        return Outcome((sample,), findings)
    tiles = how.tiling.cut(pixels, 0)
    parts = [[None] * len(tiles) if one is None else how.tiling.cut(one, IGNORE) for one in maps]
    gaps = [None] * len(tiles) if missing is None else how.tiling.cut(missing, 0)
    samples = [
        None
        if _left_out(gap, how, findings)
        else _sample(unit, tile, _classes(given), _classes(clean), source, findings)
        for tile, gap, given, clean in zip(tiles, gaps, *parts, strict=True)
    ]
    return Outcome(tuple(samples), findings)


def _left_out(missing: NDArray[np.generic] | None, how: Treatment, findings: Counter[str]) -> bool:
    """Return whether pixels without data leave an image or tile out, and count it either way."""
    if missing is None or not missing.any():
        return False
    what = "images" if how.tiling is None else "tiles"
    if how.form.nodata == "drop":
        findings[f"left out: {what} with pixels without data (--nodata mean or a number keeps them)"] += 1
        return True
    by = "the mean of their band" if how.form.nodata == "mean" else how.form.nodata
    findings[f"{what} with pixels without data, which got {by} and no class (--nodata)"] += 1
    return False


def _decoded(
    unit: FolderUnit,
    path: Path | None,
    image: Raster,
    contents: Mapping[Path, bytes],
    findings: Counter[str],
) -> NDArray[np.uint8] | None:
    codebook, size, limits = unit.treatment.codebook, image.pixels.shape[1:], unit.treatment.form.limits
    if path is None or codebook is None:
        return None
    if unit.rows is not None and (whole := read_shape(path, limits)[1:3]) != (
        other := read_shape(unit.image, limits)[1:3]
    ):
        raise Unreadable(path, f"is {_size(whole)}, its image {_size(other)} pixels")
    flipped_rows = flipped_columns = False
    if image.driver in GEOREFERENCED:
        flipped_rows, flipped_columns = directions(unit.image, path, limits)
    rows = unit.rows
    if rows is not None and flipped_rows:
        height = read_shape(path, limits).height
        rows = (height - rows[1], height - rows[0])
    raster = read_raster(path, rows, limits, contents.get(path))
    label_map, unknown = codebook.decode(raster, path)
    if raster.orientation == 1:
        label_map = _turned_like(image, label_map, findings)
    if label_map.shape != size:
        raise Unreadable(path, f"is {_size(label_map.shape)}, its image {_size(size)} pixels")
    for word, count in unknown.items():
        findings[f"mask pixels of the value {word}, which no class has; they are ignored"] += count
    return np.ascontiguousarray(label_map[:: -1 if flipped_rows else 1, :: -1 if flipped_columns else 1])


def _drawn(unit: FolderUnit, drawing: Drawing, image: Raster, findings: Counter[str]) -> NDArray[np.uint8]:
    """Draw the label map of an image, or of the rows of it that are read."""
    size = image.pixels.shape[1:]
    if unit.rows is not None:
        size = read_shape(unit.image, unit.treatment.form.limits)[1:3]
    height, width = drawing.outlines.size or size
    stored = size[::-1] if image.orientation > 4 else size
    if (height, width) not in (size, stored):
        raise Unreadable(
            unit.image, f"is {_size(size)} pixels, and its annotations are of {height} x {width} pixels"
        )
    try:
        label_map = _turned_like(image, draw(drawing, (height, width)), findings)
    except ValueError as error:
        raise Unreadable(unit.image, f"has an annotation that {error}") from error
    return label_map if unit.rows is None else label_map[unit.rows[0] : unit.rows[1]]


def _turned_like(image: Raster, label_map: NDArray[np.uint8], findings: Counter[str]) -> NDArray[np.uint8]:
    """Turn a map of an image that was turned upright, when it has the size of the stored image only."""
    size = image.pixels.shape[1:]
    stored = size[::-1] if image.orientation > 4 else size
    if image.orientation == 1:
        return label_map
    if label_map.shape == stored != size:
        findings["masks drawn on the stored image, turned like it (EXIF orientation)"] += 1
        return np.asarray(upright(label_map[None], image.orientation)[0], np.uint8)
    if stored == size:
        findings["masks without the EXIF orientation that their image has, taken as drawn upright"] += 1
    return label_map


def _sample(
    unit: FolderUnit,
    pixels: NDArray[np.generic],
    label_map: NDArray[np.uint8] | None,
    clean_map: NDArray[np.uint8] | None,
    source: bytes,
    findings: Counter[str],
) -> Sample | None:
    how = unit.treatment
    if label_map is not None and (label_map != IGNORE).mean() < how.min_labelled:
        findings["left out: too little of the mask has a class"] += 1
        return None
    clean = None if unit.clean_labels is None else np.array(unit.clean_labels, dtype=np.uint8)
    if how.labels_from_masks and label_map is not None:
        labels = _covered(label_map, how, findings)
        if clean_map is not None and clean is None:
            clean = _covered(clean_map, how, Counter())
    else:
        labels = np.array(unit.labels, dtype=np.uint8)
    if not labels.any():
        findings["left out: no scene label"] += 1
        return None
    return Sample((pixels,), labels, label_map, clean, source, clean_map)


def _covered(label_map: NDArray[np.uint8], how: Treatment, findings: Counter[str]) -> NDArray[np.uint8]:
    """Return the (C,) classes that cover enough of a map to count as scene labels, and count those that do not."""
    share = cover(label_map, len(how.class_names))
    for c in np.flatnonzero((share > 0) & (share < how.min_cover)).tolist():
        name = how.class_names[c]
        findings[f"{name} covers less than {100 * how.min_cover:g} % (--min-cover), no scene label"] += 1
    return ((share >= how.min_cover) & (share > 0)).astype(np.uint8)


def _classes(label_map: NDArray[np.generic] | None) -> NDArray[np.uint8] | None:
    return None if label_map is None else np.asarray(label_map, dtype=np.uint8)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
