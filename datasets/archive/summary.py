"""Summary statistics of a packed archive: counts, classes, splits, and disagreements between its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.core.labels import is_labelled, wrong_pixels
from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.arrayfile import HEADER_BYTES
from gridbench.datasets.archive.indexing import LABEL_MAPS
from gridbench.datasets.archive.layout import IGNORE, SPLITS

__all__ = [
    "ArchiveFacts",
    "ClassFacts",
    "MapFacts",
    "describe",
    "map_pixels",
    "map_presence",
    "pixels_by_split",
]

CHUNK_PIXELS = 1 << 18


@dataclass(frozen=True)
class ClassFacts:
    """Statistics of one class.

    Attributes:
        name: Name of the class.
        images: Split -> number of images with the class.
        pixel_share: Share of the labelled pixels, or None without maps.
        only_labels: Number of images with the class in the scene labels but not in the map, or None without maps.
        only_map: Number of images with the class in the map but not in the scene labels, or None without maps.
    """

    name: str
    images: dict[str, int]
    pixel_share: float | None
    only_labels: int | None
    only_map: int | None


@dataclass(frozen=True)
class MapFacts:
    """Statistics of the label maps as a whole.

    Attributes:
        ignored_share: Share of pixels without a class.
        disagreeing_images: Number of images whose scene labels differ from the classes of their map.
        disagreeing_labels: Number of (image, class) pairs in which the two differ.
    """

    ignored_share: float
    disagreeing_images: int
    disagreeing_labels: int


@dataclass(frozen=True)
class ArchiveFacts:
    """Summary statistics of an archive, as returned by `describe`.

    Attributes:
        splits: Split -> number of images.
        labels_per_image: Number of labels -> number of images.
        mean_labels: Mean number of labels per image.
        classes: Statistics of each class.
        maps: Statistics of the label maps, or None without maps.
        clean_differences: Number of (image, class) pairs in which the clean labels differ, or None without any.
        noisy_images: Split -> share of its images whose given labels differ from the clean ones, without empty splits;
            None without clean labels.
        wrong_pixels: Share of differing pixels among those labelled in both the given and the clean maps, or None
            without clean maps.
        bytes: Size on disk.
    """

    splits: dict[str, int]
    labels_per_image: dict[int, int]
    mean_labels: float
    classes: tuple[ClassFacts, ...]
    maps: MapFacts | None
    clean_differences: int | None
    noisy_images: dict[str, float] | None
    wrong_pixels: float | None
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the statistics as a dictionary that can be written as JSON."""
        return {
            "splits": self.splits,
            "labels_per_image": {str(count): images for count, images in self.labels_per_image.items()},
            "mean_labels": self.mean_labels,
            "classes": [vars(row) for row in self.classes],
            "maps": None if self.maps is None else vars(self.maps),
            "clean_differences": self.clean_differences,
            "noisy_images": self.noisy_images,
            "wrong_pixels": self.wrong_pixels,
            "bytes": self.bytes,
        }


def describe(archive: Archive) -> ArchiveFacts:
    """Compute the summary statistics of an archive; every label map is read once."""
    labels = archive.scene_labels
    positions = {split: archive.indices(split) for split in SPLITS}
    presence: NDArray[np.bool_] | None = None
    pixels: NDArray[np.int64] | None = None
    maps: MapFacts | None = None
    if archive.label_maps is not None:
        presence, pixels, ignored = map_presence(archive.label_maps, archive.num_classes)
        differ = presence != labels.astype(bool)
        share = ignored / max(archive.label_maps.size, 1)
        maps = MapFacts(share, int(differ.any(1).sum()), int(differ.sum()))
    classes = []
    for c, name in enumerate(archive.class_names):
        images = {split: int(labels[rows, c].sum()) for split, rows in positions.items()}
        if presence is None or pixels is None:
            classes.append(ClassFacts(name, images, None, None, None))
            continue
        has = labels[:, c].astype(bool)
        classes.append(
            ClassFacts(
                name,
                images,
                float(pixels[c] / max(int(pixels.sum()), 1)),
                int((has & ~presence[:, c]).sum()),
                int((~has & presence[:, c]).sum()),
            )
        )
    per_image = Counter(labels.sum(1).tolist())
    wrong = None if archive.clean_scene_labels is None else archive.clean_scene_labels != labels
    return ArchiveFacts(
        splits={split: len(rows) for split, rows in positions.items()},
        labels_per_image=dict(sorted(per_image.items())),
        mean_labels=float(labels.sum(1).mean()),
        classes=tuple(classes),
        maps=maps,
        clean_differences=None if wrong is None else int(wrong.sum()),
        noisy_images=None
        if wrong is None
        else {split: float(wrong[rows].any(1).mean()) for split, rows in positions.items() if len(rows)},
        wrong_pixels=_wrong_pixels(archive),
        bytes=sum(path.stat().st_size for path in archive.directory.iterdir()),
    )


def _wrong_pixels(archive: Archive) -> float | None:
    """Return the share of differing pixels among those labelled in both sets of maps, read one map at a time."""
    if archive.label_maps is None or archive.clean_label_maps is None:
        return None
    wrong = known = 0
    for given, clean in zip(archive.label_maps, archive.clean_label_maps, strict=True):
        wrong += int(wrong_pixels(given, clean).sum())
        known += int((is_labelled(given) & is_labelled(clean)).sum())
    return wrong / max(known, 1)


def map_presence(maps: NDArray[np.uint8], classes: int) -> tuple[NDArray[np.bool_], NDArray[np.int64], int]:
    """Find the classes present in each label map.

    Args:
        maps: (N, H, W) classes, 255 = none; may be a memory map.
        classes: Number of classes C.

    Returns:
        (N, C) bool, presence of each class in each map; (C,) number of pixels of each class; and the number of
        pixels without a class.
    """
    presence = np.zeros((len(maps), classes), dtype=np.bool_)
    total = np.zeros(256, dtype=np.int64)
    for rows, counts in _counted(maps):
        presence[rows] = counts[:, :classes] > 0
        total += counts.sum(0)
    return presence, total[:classes], int(total[IGNORE])


def map_pixels(maps: NDArray[np.uint8], classes: int) -> NDArray[np.int32]:
    """Return the (N, C) number of pixels of each class in each label map.

    Args:
        maps: (N, H, W) classes, 255 = none; may be a memory map.
        classes: Number of classes C.
    """
    pixels = np.zeros((len(maps), classes), dtype=np.int32)
    for rows, counts in _counted(maps):
        pixels[rows] = counts[:, :classes]
    return pixels


def pixels_by_split(archive: Archive) -> dict[str, NDArray[np.int64]]:
    """Count the pixels of each class by split; the maps are read in chunks, because mapped pages count as memory.

    Args:
        archive: An archive with label maps.

    Returns:
        Split -> (256,) number of pixels of each value in its maps; 255 means no class.
    """
    assert archive.label_maps is not None
    totals = {split: np.zeros(256, dtype=np.int64) for split in SPLITS}
    rows = {split: np.isin(np.arange(len(archive)), archive.indices(split)) for split in SPLITS}
    shape = archive.label_maps.shape
    step, size = _step(shape), int(np.prod(shape[1:]))
    with (archive.directory / LABEL_MAPS).open("rb", buffering=0) as file:
        file.seek(HEADER_BYTES)
        for start in range(0, shape[0], step):
            number = min(step, shape[0] - start)
            counts = _counts(np.fromfile(file, dtype=np.uint8, count=number * size).reshape(number, -1))
            for split, chosen in rows.items():
                totals[split] += counts[chosen[start : start + number]].sum(0)
    return totals


def _counted(maps: NDArray[np.uint8]) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """Yield slices of n maps with their (n, 256) histograms."""
    step = _step(maps.shape)
    for start in range(0, len(maps), step):
        rows = slice(start, start + step)
        yield rows, _counts(np.asarray(maps[rows]))


def _step(shape: tuple[int, ...]) -> int:
    return max(1, CHUNK_PIXELS // max(1, int(np.prod(shape[1:]))))


def _counts(block: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the (n, 256) histogram of each map."""
    coded = block.reshape(len(block), -1) + 256 * np.arange(len(block), dtype=np.int32)[:, None]
    return np.bincount(coded.reshape(-1), minlength=256 * len(block)).reshape(len(block), 256)
