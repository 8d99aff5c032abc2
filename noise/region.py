"""Regions with a wrong class: connected patches of a label map are relabelled, as when a parcel is misread."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.noise.core.corruption import Corruption, Ints
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.regions import Regions, draw_units, pixel_corruption, repaint
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Parameters", "Region"]


@dataclass(frozen=True)
class Parameters:
    """Definition of a region."""

    smallest: int = parameter(
        1, "pixels that a region has at least; smaller ones are left alone", "ours", low=1
    )


@register_noise()
class Region(NoiseModel):
    """The rate is the share of regions that are relabelled: exactly floor(R * rate / 100) of R, drawn uniformly.

    A region is what pixels of one class form that are connected through their sides. Each gets a class that its
    map does not have, uniformly; two regions of a map may get the same one.
    """

    levels = ("pixel",)
    Parameters = Parameters

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Relabel regions."""
        clean, num_classes = labels.maps, labels.num_classes
        absent = labels.class_pixels == 0
        samples, numbers, classes = self._survey(clean)
        chosen, positives, affected = draw_units(
            classes,
            absent.any(axis=1)[samples],
            num_classes,
            rate,
            "regions",
            "the maps of the others have all classes",
            rng,
        )
        spare = absent[samples[chosen]]
        pick = rng.integers(spare.sum(axis=1)) if len(chosen) else chosen
        after = (spare.cumsum(axis=1) <= pick[:, None]).sum(axis=1)
        noisy = repaint(clean, samples[chosen], numbers[chosen], after)
        return pixel_corruption(clean, noisy, rate, positives, affected)

    def _survey(self, clean: npt.NDArray[Any]) -> tuple[Ints, Ints, Ints]:
        """Return map, number and class of every sufficiently large region."""
        rows = [np.zeros((0, 3), dtype=np.int64)]
        for sample, one in enumerate(clean):
            regions = Regions(one)
            numbers = np.flatnonzero(regions.sizes >= self.parameters.smallest)
            rows.append(np.stack((np.full_like(numbers, sample), numbers, regions.classes[numbers]), axis=1))
        samples, numbers, classes = np.concatenate(rows).T
        return samples, numbers, classes
