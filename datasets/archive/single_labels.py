"""One class for each image of an archive: its only scene label, or the class that covers most of its label map."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.summary import map_pixels
from gridbench.errors import InputError
from gridbench.registry import DATASETS

__all__ = ["SINGLE_LABELS", "single_label_source", "single_labels", "with_single_labels"]

SINGLE_LABELS = 1
"""Raised when another class becomes the single label of an image."""

DOMINANT = "dominant class"
NAMED = 5


def single_label_source(archive: Archive) -> str | None:
    """Return where the single labels of an archive come from.

    Args:
        archive: An open archive.

    Returns:
        `"scene labels"` where every image has exactly one, `"dominant class"` where the data set says that it is the
        class that covers most of the label map, None where images have no single label.
    """
    tables = [archive.scene_labels]
    tables += [] if archive.clean_scene_labels is None else [archive.clean_scene_labels]
    if all(bool((table.sum(axis=1) == 1).all()) for table in tables):
        return "scene labels"
    return DOMINANT if archive.has_maps and _is_dominant(archive.name) else None


def single_labels(archive: Archive, *, clean: bool = False, instead: str = "bce") -> NDArray[np.uint8]:
    """Return the single labels of an archive as one-hot rows.

    Args:
        archive: An open archive.
        clean: Whether to take the cleanest labels known instead of those that methods learn from.
        instead: A loss for several labels per image, for the message.

    Returns:
        (N, C) uint8 of 0 and 1, one 1 a row; of classes that cover equally much of a map the lower index counts.

    Raises:
        InputError: Images have no label or several; the message has their number and the first five names.
    """
    scene = archive.true_scene_labels if clean else archive.scene_labels
    source = single_label_source(archive)
    if source == DOMINANT:
        maps = archive.true_label_maps if clean else archive.label_maps
        assert maps is not None
        pixels = map_pixels(maps, archive.num_classes)
        labels = np.zeros(scene.shape, dtype=np.uint8)
        covered = np.flatnonzero(pixels.any(axis=1))
        labels[covered, pixels[covered].argmax(axis=1)] = 1
        _refuse_unless_single(archive, labels, instead)
        return labels
    for table in (archive.scene_labels, scene):
        _refuse_unless_single(archive, table, instead)
    return scene.astype(np.uint8)


def with_single_labels(archive: Archive, instead: str = "bce") -> Archive:
    """Return the same archive with its single labels in place of its scene labels.

    Args:
        archive: An open archive, which stays as it is.
        instead: A loss for several labels per image, for the message.

    Raises:
        InputError: Images have no label or several; the message has their number and the first five names.
    """
    view = copy.copy(archive)
    view.scene_labels = single_labels(archive, instead=instead)
    if archive.has_clean_labels:
        view.clean_scene_labels = single_labels(archive, clean=True, instead=instead)
    return view


def _refuse_unless_single(archive: Archive, labels: NDArray[np.uint8], instead: str) -> None:
    counts = labels.sum(axis=1)
    wrong = np.flatnonzero(counts != 1)
    if not len(wrong):
        return
    none, several = int((counts == 0).sum()), int((counts > 1).sum())
    found = [f"{none} with none"] * bool(none) + [f"{several} with several"] * bool(several)
    first = ", ".join(f"{archive.names[i]} ({counts[i]})" for i in wrong[:NAMED].tolist())
    raise InputError(
        f"A single-label loss needs exactly one label per image, and the data set {archive.name!r} has "
        f"{' and '.join(found)} among {len(archive)} images; the first, with their numbers of labels: {first}. "
        f"For several labels per image: gridbench run --dataset {archive.name} --loss {instead}"
    )


def _is_dominant(name: str) -> bool:
    return name in DATASETS and getattr(DATASETS.get(name), "single_labels", None) == DOMINANT
