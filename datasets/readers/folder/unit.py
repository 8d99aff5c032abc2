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
from gridbench.datasets.readers.images import Form, fit
from gridbench.datasets.readers.masks import Codebook, cover
from gridbench.datasets.readers.raster import Unreadable, digest_of, read_raster

__all__ = ["FolderUnit", "Treatment", "read_folder_unit", "tile_corners"]


@dataclass(frozen=True)
class Treatment:
    """What is done to every image.

    Attributes:
        form: Bands and type.
        size: (height, width) in the archive.
        tile: Side of the tiles, or None for whole images.
        codebook: How masks are read; None without masks.
        classes: Number of classes C.
        min_cover: Share of an image or tile from which a class of the mask counts as a scene label.
        min_labelled: Share of a tile that must have a class.
        labels_from_masks: Whether scene labels come from the masks.
    """

    form: Form
    size: tuple[int, int]
    tile: int | None
    codebook: Codebook | None
    classes: int
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


def tile_corners(height: int, width: int, tile: int) -> list[tuple[int, int]]:
    """Return the upper-left corners of the tiles that lie side by side within an image, row by row."""
    return [
        (row, column)
        for row in range(0, height - tile + 1, tile)
        for column in range(0, width - tile + 1, tile)
    ]


def read_folder_unit(unit: FolderUnit) -> Outcome:
    """Read an image with its mask.

    Raises:
        Unreadable: One of its files cannot be read, or image and mask do not lie on each other.
    """
    how = unit.treatment
    pixels = fit(read_raster(unit.image), how.form, unit.image)
    findings: Counter[str] = Counter()
    maps = [_decoded(path, pixels.shape[1:], how.codebook, findings) for path in (unit.mask, unit.clean_mask)]
    source = digest_of(unit.files)
    if how.tile is None:
        pixels = resize_image(pixels, how.size)
        given, clean = (
            None if one is None else np.asarray(resize_classes(one, how.size), np.uint8) for one in maps
        )
        return Outcome((_sample(unit, pixels, given, clean, source, findings),), findings)
    samples = []
    for row, column in tile_corners(pixels.shape[1], pixels.shape[2], how.tile):
        window = (slice(row, row + how.tile), slice(column, column + how.tile))
        given, clean = (None if one is None else one[window] for one in maps)
        samples.append(_sample(unit, pixels[:, window[0], window[1]], given, clean, source, findings))
    return Outcome(tuple(samples), findings)


def _decoded(
    path: Path | None, size: tuple[int, ...], codebook: Codebook | None, findings: Counter[str]
) -> NDArray[np.uint8] | None:
    if path is None or codebook is None:
        return None
    label_map, unknown = codebook.decode(read_raster(path), path)
    if label_map.shape != size:
        raise Unreadable(path, f"is {_size(label_map.shape)}, its image {_size(size)} pixels")
    for word, count in unknown.items():
        findings[f"mask pixels of the value {word}, which no class has; they are ignored"] += count
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
        labels = _covered(label_map, how)
        if clean_map is not None and clean is None:
            clean = _covered(clean_map, how)
    else:
        labels = np.array(unit.labels, dtype=np.uint8)
    if not labels.any():
        findings["left out: no scene label"] += 1
        return None
    return Sample((pixels,), labels, label_map, clean, source, clean_map)


def _covered(label_map: NDArray[np.uint8], how: Treatment) -> NDArray[np.uint8]:
    """Return the (C,) classes that cover enough of a map to count as scene labels."""
    share = cover(label_map, how.classes)
    return ((share >= how.min_cover) & (share > 0)).astype(np.uint8)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
