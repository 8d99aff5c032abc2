"""The label noise of GRID's published preparation of DLRSD: drawn folder by folder, labels read off the noisy maps.

Where the paper draws once from the whole training set, that code draws floor(P * SLNIR / 100) of the P pairs of an
image and a class in its map within each folder of UC Merced, so that every land use is equally noisy and fewer pairs
go in all. A drawn class becomes any other one, read off the clean map, so that two regions may merge and a label may
vanish without another in its place. The scene labels are then the classes of the noisy map; at SLNIR 0 they stay what
they were. As a noise model of its own it goes with any archive; the protocol `authors_code` takes it for DLRSD.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption, Ints, Kind, scene_corruption
from gridbench.noise.core.labels import checked_maps, checked_scene_labels, class_pixels
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import Rate, exact_rate
from gridbench.noise.core.sampling import Flags
from gridbench.noise.swap import draw_any
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["FolderSwap", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """Where scene labels come from."""

    labels: str = parameter(
        "own",
        "Scene labels are corrupted themselves (own), or are the classes of the corrupted label maps (maps).",
        "GRID's published code, preparation of DLRSD: maps",
        choices=("own", "maps"),
    )


@register_noise()
class FolderSwap(NoiseModel):
    """Replaces the same share of the (image, class) pairs of every folder by any other class."""

    kinds = ("scene", "pixel")
    reads_folders = True
    Parameters = Parameters

    def corrupt(
        self,
        scene_labels: npt.NDArray[Any],
        label_maps: npt.NDArray[Any] | None,
        num_classes: int,
        rate: Rate,
        rng: np.random.Generator,
        kind: Kind,
        difficulty: npt.NDArray[Any] | None = None,
        folders: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Corrupt the labels that a method learns from; see `NoiseModel.corrupt`.

        Without `folders` all samples are one folder. The rate counts the pairs that were drawn; those of label maps
        where scene labels are read off the maps.

        Raises:
            InputError: There are no label maps to corrupt or to read labels off, or one holds a class out of range.
        """
        own = kind == "scene" and self.parameters.labels == "own"
        if own:
            return self.scene(scene_labels, rate, rng, folders=folders)
        if label_maps is None:
            raise InputError(
                "The noise model 'folder_swap' was asked to corrupt label maps, or to read labels off them, and there "
                "are none. For scene labels take: --noise-parameter labels=own."
            )
        noise = self.pixel(label_maps, num_classes, rate, rng, folders)
        if kind == "pixel":
            return noise
        clean = checked_scene_labels(scene_labels)
        present = class_pixels(label_maps, num_classes) > 0
        read = scene_corruption(clean, _read_off(clean, present, noise.changed), noise.requested)
        return replace(read, positives=noise.positives, affected=noise.affected)

    def scene(
        self,
        labels: npt.NDArray[Any],
        rate: Rate,
        rng: np.random.Generator,
        difficulty: npt.NDArray[Any] | None = None,
        folders: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Corrupt scene labels themselves."""
        clean, exact = checked_scene_labels(labels), exact_rate(rate)
        return scene_corruption(clean, _draw(clean != 0, folders, exact, rng), exact)

    def pixel(
        self,
        maps: npt.NDArray[Any],
        num_classes: int,
        rate: Rate,
        rng: np.random.Generator,
        folders: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Relabel all pixels of the drawn classes, read off the clean map."""
        clean, exact = checked_maps(maps, num_classes), exact_rate(rate)
        present = class_pixels(clean, num_classes) > 0
        changed = _draw(present, folders, exact, rng)
        noisy = clean.copy()
        for sample, before, after in changed.tolist():
            np.copyto(noisy[sample], after, where=clean[sample] == before, casting="unsafe")
        affected = np.bincount(changed[:, 1], minlength=num_classes)
        return Corruption(noisy, changed, exact, "pixel", present.sum(axis=0, dtype=np.int64), affected)


def _draw(present: Flags, folders: npt.NDArray[Any] | None, rate: Decimal, rng: np.random.Generator) -> Ints:
    """Draw within each folder, in the order of the folders' names; (K, 3), sorted by sample."""
    if folders is None:
        return draw_any(present, rate, rng)
    parts = []
    for folder in np.unique(folders):
        members = np.flatnonzero(folders == folder)
        part = draw_any(present[members], rate, rng)
        part[:, 0] = members[part[:, 0]]
        parts.append(part)
    changed: Ints = np.concatenate(parts) if parts else np.empty((0, 3), np.int64)
    return changed[np.argsort(changed[:, 0], kind="stable")]


def _read_off(labels: npt.NDArray[Any], present: Flags, changed: Ints) -> Ints:
    """Return the changes that turn scene labels (N, C) into the classes of the noisy maps; none without any drawn."""
    if not len(changed):
        return changed
    off = (labels != 0) & ~present
    gained = present & (labels == 0)
    gained[changed[:, 0], changed[:, 1]] = False
    of_labels = changed.copy()
    # A class of the map that the labels never had cannot go from them.
    of_labels[labels[changed[:, 0], changed[:, 1]] == 0, 1] = -1
    nowhere = np.full((int(off.sum() + gained.sum()), 1), -1)
    lost = np.column_stack((np.argwhere(off), nowhere[: int(off.sum())]))
    found = np.argwhere(gained)
    extra = np.column_stack((found[:, :1], nowhere[: len(found)], found[:, 1:]))
    return np.concatenate((of_labels, lost, extra))
