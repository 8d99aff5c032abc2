"""Training labels of a planned run: corrupted, reduced to some images, and compared with the clean ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np

from gridbench.core.labels import IGNORE
from gridbench.core.streams import numpy_stream
from gridbench.datasets import Archive
from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.difficulty import NEIGHBOURS, neighbour_difficulty, plain_descriptors
from gridbench.noise.core.label_set import LabelSet
from gridbench.plan import Plan
from gridbench.training.epoch_metrics import Truth

__all__ = [
    "check_labelled",
    "check_noise",
    "corrupt_training_labels",
    "difficulty_of",
    "labels_of",
    "training_images",
    "truth_of",
]

Array = np.ndarray[Any, Any]
IMAGES = 256
"""Images that are read at once to describe them, so that an archive need not fit into memory."""


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
        class_names=archive.class_names,
    )
    rng = numpy_stream(config.noise_seed or 0, "noise")
    corruption: Corruption = plan.noise.apply(labels, str(config.slnir), rng, plan.level)
    return corruption


def labels_of(kept: Array, corruption: Corruption, total: int) -> Corruption:
    """Return the labels and changes of some training images, which are counted from the first of these on.

    Args:
        kept: Their sorted positions among the training images.
        corruption: The labels and changes of all training images.
        total: Number of all training images.
    """
    place = np.full(total, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    changed = corruption.changed[place[corruption.changed[:, 0]] >= 0].copy()
    changed[:, 0] = place[changed[:, 0]]
    return replace(corruption, labels=corruption.labels[kept], changed=changed)


def check_labelled(plan: Plan, labels: Array) -> None:
    """Refuse to learn from label maps without a single labelled pixel.

    Raises:
        InputError: Every pixel of the training maps is to be ignored.
    """
    if plan.level == "pixel" and bool((labels == IGNORE).all()):
        raise InputError(
            f"No pixel of the {len(labels)} training maps of {plan.config.dataset!r} is labelled "
            f"(all are {IGNORE}, ignored); a pixel loss has nothing to learn. Use a scene loss: --loss bce."
        )


def check_noise(plans: Iterable[Plan]) -> None:
    """Refuse labels that cannot be corrupted as runs want them, before any of them begins.

    Runs that share an archive and a noise model are tried from the highest rate down to the first that can be realised,
    with one seed: what is left is realised with fewer of the same labels.

    Raises:
        InputError: With each rate that cannot be realised, and why.
    """
    shared: dict[tuple[object, ...], dict[Decimal, Plan]] = {}
    for plan in plans:
        config = plan.config
        noise = (config.noise, str(config.noise_parameters), plan.versions.get("noise_files"))
        labels = (config.dataset, plan.archive.fingerprint, plan.level, config.train_size)
        shared.setdefault((*labels, *noise), {}).setdefault(config.slnir, plan)
    refused = {}
    for by_rate in shared.values():
        for rate in sorted(by_rate, reverse=True):
            plan = by_rate[rate]
            try:
                check_labelled(plan, corrupt_training_labels(plan).labels)
                break
            except InputError as error:
                refused[f"{plan.config.dataset}, noise {plan.config.noise}, SLNIR {rate}"] = str(error)
    if refused:
        lines = "\n".join(f"  {what}: {why}" for what, why in refused.items())
        raise InputError(f"Not every run could begin; nothing was computed:\n{lines}")


def truth_of(plan: Plan, images: Array, labels: Array) -> Truth:
    """Compare training labels with the cleanest ones known.

    Args:
        plan: The plan.
        images: (N,) positions of the training images in the archive.
        labels: Their corrupted labels, (N, C) or (N, H, W).
    """
    archive = plan.archive
    real = archive.clean_label_maps if plan.level == "pixel" else archive.clean_scene_labels
    # Fewer single labels may change than were drawn; then the number that really changed is flagged.
    injected = float(plan.config.slnir) if real is None and plan.level != "single" else None
    if plan.level == "pixel":
        clean = (archive.true_label_maps[i] for i in images)
        return Truth.of_label_maps(labels, clean, archive.num_classes, injected)
    return Truth.of_scene_labels(labels, archive.true_scene_labels[images], injected)


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
