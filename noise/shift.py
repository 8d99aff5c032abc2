"""Shifted maps: whole label maps are displaced against their images, as by a registration error."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import is_labelled
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import realisable, share_of
from gridbench.noise.core.regions import pixel_corruption
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Parameters", "Shift"]


@dataclass(frozen=True)
class Parameters:
    """How far."""

    distance: int = parameter(3, "pixels that a map is displaced by at most, down and across", "ours", low=1)


@register_noise()
class Shift(NoiseModel):
    """The rate is the share of maps that are displaced: exactly floor(N * rate / 100) of N maps with a label.

    Maps are drawn uniformly among those that a displacement changes, and each displacement uniformly among those
    that change its map. What comes in at an edge repeats the edge; ignored pixels stay, and where an ignored pixel
    would come to lie the class stays. A map counts for the class that covers most of it.
    """

    levels = ("pixel",)
    Parameters = Parameters

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Displace maps."""
        clean, num_classes = labels.maps, labels.num_classes
        pixels = labels.class_pixels
        main, known = pixels.argmax(axis=1), np.flatnonzero(pixels.any(axis=1))
        wanted = share_of(len(known), rate)
        noisy = clean.copy()
        moved: list[int] = []
        for sample in rng.permutation(known):
            if len(moved) == wanted:
                break
            if np.count_nonzero(pixels[sample]) > 1 and self._displace(clean[sample], noisy[sample], rng):
                moved.append(int(sample))
        realisable(len(known), len(moved), rate, "maps", "no displacement changes the others")
        positives = np.bincount(main[known], minlength=num_classes)
        affected = np.bincount(main[np.array(moved, dtype=np.int64)], minlength=num_classes)
        return pixel_corruption(clean, noisy, rate, positives, affected)

    def _displace(self, one: npt.NDArray[Any], out: npt.NDArray[Any], rng: np.random.Generator) -> bool:
        """Write a displaced map, and say whether any displacement changes it."""
        side = 2 * self.parameters.distance + 1
        height, width = one.shape
        for step in rng.permutation(side * side):
            down, across = (
                int(step) // side - self.parameters.distance,
                int(step) % side - self.parameters.distance,
            )
            rows = np.clip(np.arange(height) - down, 0, height - 1)
            columns = np.clip(np.arange(width) - across, 0, width - 1)
            came = one[rows[:, None], columns]
            out[:] = np.where(is_labelled(one) & is_labelled(came), came, one)
            if (out != one).any():
                return True
        return False
