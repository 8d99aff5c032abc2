"""Corruption of the training labels of a planned run, shared by training and by the export of corrupted labels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from gridbench.core.streams import numpy_stream
from gridbench.datasets import Archive
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.difficulty import NEIGHBOURS, neighbour_difficulty, plain_descriptors
from gridbench.noise.core.label_set import LabelSet
from gridbench.plan import Plan

__all__ = ["corrupt_training_labels", "difficulty_of", "training_images"]

Array = np.ndarray[Any, Any]
IMAGES = 256


def training_images(archive: Archive, count: int | None) -> Array:
    """Return the positions of the first `count` training images, or of all where it is None or 0."""
    train: Array = archive.indices("train")
    return train[:count] if count else train


def corrupt_training_labels(plan: Plan) -> Corruption:
    """Corrupt the labels that a planned run trains on by its noise model.

    Raises:
        InputError: The model does not corrupt such labels, or cannot realise the rate.
    """
    archive, config = plan.archive, plan.config
    train = training_images(archive, config.train_size)
    scene_labels = archive.scene_labels[train]
    labels = LabelSet(
        archive.num_classes,
        scene_labels,
        maps=(lambda: archive.label_maps[train]) if archive.has_maps else None,
        names=[archive.names[i] for i in train],
        difficulty=partial(difficulty_of, archive, train, scene_labels),
        descriptors=partial(_descriptors, archive, train),
    )
    rng = numpy_stream(config.noise_seed or 0, "noise")
    corruption: Corruption = plan.noise.apply(labels, str(config.slnir), rng, plan.kind)
    return corruption


def difficulty_of(archive: Archive, indices: Array, labels: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Return (n, C) in [0, 1], by how much the most similar images disagree with each label of some images.

    Similar by brightness and roughness of each band (`noise.core.difficulty.plain_descriptors`), coarser bands at their
    own resolution.

    Args:
        archive: Where the images come from.
        indices: (n,) positions in the archive.
        labels: (n, C) clean scene labels.
        neighbours: How many images each is compared with.
    """
    return neighbour_difficulty(_descriptors(archive, indices), labels, neighbours)


def _descriptors(archive: Archive, indices: Array) -> Array:
    """Return (n, D) the plain descriptors of some images, over all bands."""
    return np.concatenate(
        [plain_descriptors(_parts(group.pixels, indices)) for group in archive.groups], axis=1
    )


def _parts(pixels: Array, indices: Array) -> Iterator[Array]:
    for first in range(0, len(indices), IMAGES):
        yield np.asarray(pixels[indices[first : first + IMAGES]])
