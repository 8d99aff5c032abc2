"""The paper's swap noise restricted to a few groups of images, as for an unreliable annotator or kind of scene."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption, Ints, scene_corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import realisable
from gridbench.noise.core.sampling import Flags, capped_pairs, free_classes, spare_classes
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Grouped", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """The groups and how many of them are noisy."""

    groups: int = parameter(10, "groups that the images are divided into, of equal size", "ours", low=1)
    noisy: int = parameter(5, "groups, drawn at random, that hold all the noise", "ours", low=1)
    by: str = parameter(
        "labels",
        "images with similar label sets form a group (labels), or any images (random)",
        "ours",
        choices=("labels", "random"),
    )


@register_noise()
class Grouped(NoiseModel):
    """The rate is the share of all labels that are replaced: exactly floor(P * rate / 100), all in noisy groups.

    Within them the draw is that of the swap. Groups by labels are cut from the images sorted by their label sets.
    """

    levels = ("scene", "single")
    Parameters = Parameters

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Replace labels of the images in the noisy groups."""
        clean = labels.scene_labels
        wanted = self.parameters
        if wanted.noisy > wanted.groups:
            raise InputError(
                f"{wanted.noisy} of {wanted.groups} groups cannot be noisy; allowed is noisy from 1 to {wanted.groups}."
            )
        present = clean != 0
        group = self._group_of(present, rng)
        noisy = np.isin(group, rng.choice(wanted.groups, wanted.noisy, replace=False))
        room = np.where(noisy, spare_classes(present), 0)
        why = f"{wanted.noisy} of {wanted.groups} groups are noisy, and their images have no more classes to spare"
        count = realisable(int(present.sum()), int(room.sum()), rate, "labels", why)
        samples, before = capped_pairs(present, room, count, rng)
        after = free_classes(present, samples, rng)
        return scene_corruption(clean, np.stack((samples, before, after), axis=1), rate)

    def _group_of(self, present: Flags, rng: np.random.Generator) -> Ints:
        order = rng.permutation(len(present))
        if self.parameters.by == "labels":
            # Shuffled first, so that equal label sets are cut at random.
            order = order[np.lexsort(present[order].T[::-1])]
        group = np.empty(len(present), dtype=np.int64)
        group[order] = np.arange(len(present)) * self.parameters.groups // max(1, len(present))
        return group
