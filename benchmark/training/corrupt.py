"""The corruption of a planned run's training labels, the same for the run itself and for files made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gridbench.core.streams import numpy_stream
from gridbench.datasets import Archive
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.difficulty import NEIGHBOURS, neighbour_difficulty, plain_descriptors
from gridbench.plan import Plan

__all__ = ["corrupt_training_labels", "difficulty_of", "folders_of", "training_images"]

Array = np.ndarray[Any, Any]
IMAGES = 256


def training_images(archive: Archive, count: int | None) -> Array:
    """Return the positions of the first `count` training images, or of all where it is None or 0."""
    train: Array = archive.indices("train")
    return train[:count] if count else train


def corrupt_training_labels(plan: Plan) -> Corruption:
    """Corrupt the labels that a planned run trains on by its noise model.

    A model that needs to know how hard each label is gets `difficulty_of` the training images.

    Raises:
        InputError: The model does not corrupt such labels, or cannot realise the rate.
    """
    archive, config = plan.archive, plan.config
    train = training_images(archive, config.train_size)
    labels = archive.scene_labels[train]
    reads_maps = plan.kind == "pixel" or plan.noise.reads_folders
    maps = archive.label_maps[train] if reads_maps and archive.label_maps is not None else None
    folders = folders_of([archive.names[i] for i in train]) if plan.noise.reads_folders else None
    difficulty = None
    if plan.noise.needs_difficulty and plan.kind == "scene":
        neighbours = getattr(plan.noise.parameters, "neighbours", NEIGHBOURS)
        difficulty = difficulty_of(archive, train, labels, neighbours)
    corruption: Corruption = plan.noise.corrupt(
        labels,
        maps,
        archive.num_classes,
        str(config.slnir),
        numpy_stream(config.noise_seed or 0, "noise"),
        plan.kind,
        **({} if difficulty is None else {"difficulty": difficulty}),
        **({} if folders is None else {"folders": folders}),
    )
    return corruption


def folders_of(names: Sequence[str]) -> Array:
    """Return (n,) the folder that each image lay in: its name up to the last slash, or without its closing number."""
    return np.array([name.rpartition("/")[0] or name.rstrip("0123456789") for name in names], dtype=np.str_)


def difficulty_of(archive: Archive, indices: Array, labels: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Return (n, C) in [0, 1], by how much the most similar images disagree with each label of some images.

    Similar by brightness and roughness of each band (`noise.difficulty.plain_descriptors`), coarser bands at their
    own resolution.

    Args:
        archive: Where the images come from.
        indices: (n,) positions in the archive.
        labels: (n, C) clean scene labels.
        neighbours: How many images are asked.
    """
    descriptors = [plain_descriptors(_parts(group.pixels, indices)) for group in archive.groups]
    return neighbour_difficulty(np.concatenate(descriptors, axis=1), labels, neighbours)


def _parts(pixels: Array, indices: Array) -> Iterator[Array]:
    for first in range(0, len(indices), IMAGES):
        yield np.asarray(pixels[indices[first : first + IMAGES]])
