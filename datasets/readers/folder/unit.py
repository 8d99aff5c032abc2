"""Reads one image of a user's own archive, whole, resized, or cut into tiles."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import IGNORE, Sample
from gridbench.datasets.loading.resampling import resize_classes, resize_image
from gridbench.datasets.readers.base import Outcome
from gridbench.datasets.readers.folder.alignment import aligned
from gridbench.datasets.readers.folder.tiles import Tiling
from gridbench.datasets.readers.images import Form, fit
from gridbench.datasets.readers.masks import Codebook, cover
from gridbench.datasets.readers.raster import Unreadable, digest_of, read_raster

__all__ = ["FolderUnit", "Treatment", "read_folder_unit"]


@dataclass(frozen=True)
class Treatment:
    """What is done to every image.

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
        treatment: What is done to it.
        clean_mask: Its mask from the second folder, or None.
    """

    image: Path
    mask: Path | None
    labels: tuple[int, ...] | None
    clean_labels: tuple[int, ...] | None
    treatment: Treatment
    clean_mask: Path | None = None

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
    raster = read_raster(unit.image)
    pixels = fit(raster, how.form, unit.image)
    findings: Counter[str] = Counter()
    if how.form.value_range is not None:
        low, high = how.form.value_range
        values = np.asarray(raster.pixels, dtype=np.float64)
        clipped = int(((values < low) | (values > high)).sum())
        if clipped:
            findings[f"numbers outside --value-range {low:g} {high:g}, clipped to it"] += clipped
    maps = [_decoded(unit, path, pixels.shape[1:], findings) for path in (unit.mask, unit.clean_mask)]
    source = digest_of(unit.files)
    if how.tiling is None:
        pixels = resize_image(pixels, how.size)
        given, clean = (
            None if one is None else np.asarray(resize_classes(one, how.size), np.uint8) for one in maps
        )
        return Outcome((_sample(unit, pixels, given, clean, source, findings),), findings)
    tiles = how.tiling.cut(pixels, 0)
    parts = [[None] * len(tiles) if one is None else how.tiling.cut(one, IGNORE) for one in maps]
    samples = [
        _sample(unit, tile, _classes(given), _classes(clean), source, findings)
        for tile, given, clean in zip(tiles, *parts, strict=True)
    ]
    return Outcome(tuple(samples), findings)


def _decoded(
    unit: FolderUnit, path: Path | None, size: tuple[int, ...], findings: Counter[str]
) -> NDArray[np.uint8] | None:
    codebook = unit.treatment.codebook
    if path is None or codebook is None:
        return None
    label_map, unknown = codebook.decode(read_raster(path), path)
    if label_map.shape != size:
        raise Unreadable(path, f"is {_size(label_map.shape)}, its image {_size(size)} pixels")
    for word, count in unknown.items():
        findings[f"mask pixels of the value {word}, which no class has; they are ignored"] += count
    return aligned(label_map, unit.image, path)


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
