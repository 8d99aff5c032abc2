"""Label noise of GRID's published preparation of DLRSD: drawn per folder, with labels derived from the noisy maps.

Where the paper draws once from the whole training set, that code draws floor(P * SLNIR / 100) of the P pairs of an
image and a class in the table of scene labels within each folder of UC Merced, so that every land use is equally noisy
and fewer pairs change in all. A drawn class becomes any other one, with all the pixels that it has in the clean map, so
that two regions may merge and a label may vanish without another in its place. The scene labels are then the classes of
the noisy maps; at SLNIR 0 they stay what they were. It can be applied to any archive; the protocol `authors_code` uses
it for DLRSD.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption, Ints, scene_corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.labels import class_pixels
from gridbench.noise.core.model import NoiseModel
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
        "scene labels are corrupted themselves (own), or are the classes of the corrupted label maps (maps)",
        "GRID's published code, preparation of DLRSD: maps",
        choices=("own", "maps"),
    )


@register_noise()
class FolderSwap(NoiseModel):
    """Replaces the same share of the (image, class) pairs of every folder by any other class."""

    levels = ("scene", "pixel", "single")
    version = 2
    # With label maps, pairs whose class the map does not have are drawn, too.
    counts_drawn = True
    Parameters = Parameters

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Corrupt the scene labels themselves, or derive them from corrupted maps.

        Raises:
            InputError: There are no label maps to derive labels from, or one holds a class out of range.
        """
        clean = labels.scene_labels
        if self.parameters.labels == "own":
            own = scene_corruption(clean, _draw(labels.present, labels.folders, rate, rng), rate)
            return replace(own, merging=True)
        if not labels.has_maps:
            raise InputError(
                "The noise model 'folder_swap' was asked to read labels off label maps, and there are none. For scene "
                "labels take: --noise-parameter labels=own."
            )
        noise = self.corrupt_maps(labels, rate, rng)
        rows = noise.changed
        if noise.affected.any():
            noisy = class_pixels(noise.labels, labels.num_classes) > 0
            rows = _difference(labels.present, noisy, noise.changed)
        read = scene_corruption(clean, rows, rate)
        return replace(read, positives=noise.positives, affected=noise.affected)

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Relabel all pixels that the drawn classes have in the clean map.

        Without folders all samples are one folder, without scene labels the pairs are those of the maps. The rate
        counts the pairs that were drawn, also those whose class the map does not have.
        """
        clean = labels.maps
        there = labels.class_pixels > 0
        present = labels.present if labels.has_scene_labels else there
        if present.shape != there.shape:
            raise InputError(
                f"The scene labels are {present.shape} and the label maps are of {there.shape} images and classes; "
                "they must belong to the same images."
            )
        drawn = _draw(present, labels.folders, rate, rng)
        changed = drawn[there[drawn[:, 0], drawn[:, 1]]]
        noisy = clean.copy()
        for sample, before, after in changed.tolist():
            np.copyto(noisy[sample], after, where=clean[sample] == before, casting="unsafe")
        affected = np.bincount(drawn[:, 1], minlength=labels.num_classes)
        positives = present.sum(axis=0, dtype=np.int64)
        return Corruption(noisy, changed, rate, "pixel", positives, affected, merging=True)


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


def _difference(present: Flags, noisy: Flags, drawn: Ints) -> Ints:
    """Return the changes that turn labels (N, C) into others, those that were drawn as pairs of before and after."""
    lost, found = present & ~noisy, noisy & ~present
    drawn = drawn[lost[drawn[:, 0], drawn[:, 1]] & found[drawn[:, 0], drawn[:, 2]]]
    # If several classes of an image became the same one, only the first pair is kept.
    _, first = np.unique(drawn[:, [0, 2]], axis=0, return_index=True)
    pairs = drawn[first]
    lost[pairs[:, 0], pairs[:, 1]] = False
    found[pairs[:, 0], pairs[:, 2]] = False
    off, on = np.argwhere(lost), np.argwhere(found)
    return np.concatenate(
        (pairs, np.insert(off, 2, -1, axis=1), np.insert(on, 1, -1, axis=1)), dtype=np.int64
    )
