"""Missing small objects: small patches of a label map are replaced by the surrounding class."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import is_labelled
from gridbench.noise.core.corruption import Corruption, Ints
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import exact_rate, share_of
from gridbench.noise.core.regions import Regions, draw_units, pixel_corruption, repaint
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["MissingObjects", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """Definition of a small object."""

    largest: float = parameter(
        5.0, "percent of the map that an object covers at most", "ours", low=0, low_open=True, high=100
    )


@register_noise()
class MissingObjects(NoiseModel):
    """The rate is the share of small objects that vanish: exactly floor(R * rate / 100) of R, drawn uniformly.

    An object is what pixels of one class form that are connected through their sides. It takes the class that its
    sides touch most often in the clean map (the lower one if two tie). One that touches no other labelled pixel
    cannot vanish.
    """

    levels = ("pixel",)
    Parameters = Parameters

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Paint small objects over."""
        clean, num_classes = labels.maps, labels.num_classes
        samples, numbers, classes, around = self._survey(clean, num_classes)
        why = "the others touch no labelled pixel"
        chosen, positives, affected = draw_units(
            classes, around >= 0, num_classes, rate, "small objects", why, rng
        )
        after = around[chosen]
        noisy = repaint(clean, samples[chosen], numbers[chosen], after)
        return pixel_corruption(clean, noisy, rate, positives, affected)

    def _survey(self, clean: npt.NDArray[Any], num_classes: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Return map, number, class and surrounding class (-1: none) of every small object."""
        most = share_of(clean.shape[1] * clean.shape[2], exact_rate(self.parameters.largest, "largest"))
        rows = [np.zeros((0, 4), dtype=np.int64)]
        for sample, one in enumerate(clean):
            regions = Regions(one)
            numbers = np.flatnonzero(regions.sizes <= most)
            if len(numbers):
                touched = _touched(one, regions, num_classes)[numbers]
                around = np.where(touched.any(axis=1), touched.argmax(axis=1), -1)
                rows.append(
                    np.stack(
                        (np.full_like(numbers, sample), numbers, regions.classes[numbers], around), axis=1
                    )
                )
        samples, numbers, classes, around = np.concatenate(rows).T
        return samples, numbers, classes, around


def _touched(one: npt.NDArray[Any], regions: Regions, num_classes: int) -> Ints:
    """Count, for each region, the sides that its pixels share with pixels of each other class: (R, C)."""
    counts = np.zeros(len(regions.classes) * num_classes, dtype=np.int64)
    known = is_labelled(one)
    for here, there in (
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:-1], np.s_[1:]),
    ):
        border = known[here] & known[there] & (one[here] != one[there])
        keys = regions.numbers[here][border] * num_classes + one[there][border].astype(np.int64)
        counts += np.bincount(keys, minlength=len(counts))
    return counts.reshape(-1, num_classes)
