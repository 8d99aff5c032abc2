"""Coarse maps: blocks of a label map are set to their majority class, as in a product of lower resolution."""

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
from gridbench.noise.core.regions import draw_units, pixel_corruption
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Coarse", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """How coarse."""

    block: int = parameter(8, "height and width of a block in pixels", "ours", low=2)


@register_noise()
class Coarse(NoiseModel):
    """The rate is the share of blocks with several classes that become one: exactly floor(B * rate / 100) of B.

    Blocks are drawn uniformly; those at the right and lower edge may be smaller. A block takes the class of most of
    its labelled pixels (the lower one if two tie) and counts for that class; its ignored pixels stay.
    """

    levels = ("pixel",)
    Parameters = Parameters

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Make blocks uniform."""
        clean, num_classes = labels.maps, labels.num_classes
        samples, blocks, classes = self._survey(clean, num_classes)
        able = np.ones(len(samples), dtype=np.bool_)
        chosen, positives, affected = draw_units(classes, able, num_classes, rate, "mixed blocks", "", rng)
        noisy, number = clean.copy(), self._block_of(clean.shape[1:])
        become = np.full(int(number.max(initial=-1)) + 1, -1, dtype=np.int64)
        for sample in np.unique(samples[chosen]):
            here = chosen[samples[chosen] == sample]
            become[:] = -1
            become[blocks[here]] = classes[here]
            new = become[number]
            where = (new >= 0) & is_labelled(clean[sample])
            np.copyto(noisy[sample], new, where=where, casting="unsafe")
        return pixel_corruption(clean, noisy, rate, positives, affected)

    def _survey(self, clean: npt.NDArray[Any], num_classes: int) -> tuple[Ints, Ints, Ints]:
        """Return map, number and main class of every block with several classes."""
        number = self._block_of(clean.shape[1:])
        size = (int(number.max(initial=-1)) + 1) * num_classes
        rows = [np.zeros((0, 3), dtype=np.int64)]
        for sample, one in enumerate(clean):
            known = is_labelled(one)
            keys = number[known] * num_classes + one[known].astype(np.int64)
            counts = np.bincount(keys, minlength=size).reshape(-1, num_classes)
            mixed = np.flatnonzero((counts > 0).sum(axis=1) > 1)
            rows.append(np.stack((np.full_like(mixed, sample), mixed, counts[mixed].argmax(axis=1)), axis=1))
        samples, blocks, classes = np.concatenate(rows).T
        return samples, blocks, classes

    def _block_of(self, shape: tuple[int, ...]) -> Ints:
        """Return the number of the block that each pixel (H, W) is in."""
        down, across = (np.arange(side) // self.parameters.block for side in shape)
        number: Ints = down[:, None] * (across.max(initial=-1) + 1) + across[None]
        return number
