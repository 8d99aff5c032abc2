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
    """

    image: Path
    mask: Path | None
    labels: tuple[int, ...] | None
    clean_labels: tuple[int, ...] | None
    treatment: Treatment


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
    label_map = None
    if unit.mask is not None and how.codebook is not None:
        label_map, unknown = how.codebook.decode(read_raster(unit.mask), unit.mask)
        if label_map.shape != pixels.shape[1:]:
            raise Unreadable(
                unit.mask, f"is {_size(label_map.shape)}, its image {_size(pixels.shape[1:])} pixels"
            )
        for word, count in unknown.items():
            findings[f"mask pixels of the value {word}, which no class has; they are ignored"] += count
    source = digest_of([unit.image] if unit.mask is None else [unit.image, unit.mask])
    if how.tile is None:
        pixels = resize_image(pixels, how.size)
        label_map = None if label_map is None else np.asarray(resize_classes(label_map, how.size), np.uint8)
        return Outcome((_sample(unit, pixels, label_map, source, findings),), findings)
    samples = []
    for row, column in tile_corners(pixels.shape[1], pixels.shape[2], how.tile):
        window = (slice(row, row + how.tile), slice(column, column + how.tile))
        part = None if label_map is None else label_map[window]
        samples.append(_sample(unit, pixels[:, window[0], window[1]], part, source, findings))
    return Outcome(tuple(samples), findings)


def _sample(
    unit: FolderUnit,
    pixels: NDArray[np.generic],
    label_map: NDArray[np.uint8] | None,
    source: bytes,
    findings: Counter[str],
) -> Sample | None:
    how = unit.treatment
    if label_map is not None and (label_map != IGNORE).mean() < how.min_labelled:
        findings["left out: too little of the mask has a class"] += 1
        return None
    if how.labels_from_masks and label_map is not None:
        share = cover(label_map, how.classes)
        labels = ((share >= how.min_cover) & (share > 0)).astype(np.uint8)
    else:
        labels = np.array(unit.labels, dtype=np.uint8)
    if not labels.any():
        findings["left out: no scene label"] += 1
        return None
    clean = None if unit.clean_labels is None else np.array(unit.clean_labels, dtype=np.uint8)
    return Sample((pixels,), labels, label_map, clean, source)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
