"""No synthetic noise: the labels stay as they are, for clean runs and for archives whose labels are noisy already."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption, Level
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.registry import register_noise

__all__ = ["Unchanged"]


@register_noise()
class Unchanged(NoiseModel):
    """The identity; the only rate is 0."""

    levels = ("scene", "pixel", "single")

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Return a copy of the labels."""
        return _identity(labels.scene_labels, labels.present, rate, "scene")

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Return a copy of the maps."""
        return _identity(labels.maps, labels.class_pixels > 0, rate, "pixel")


def _identity(
    clean: npt.NDArray[Any], present: npt.NDArray[np.bool_], rate: Decimal, level: Level
) -> Corruption:
    if rate:
        raise InputError(
            f"The noise model 'none' changes nothing, so a rate of {rate} % is not possible. "
            "Leave the rate at 0, or choose a model: gridbench list noise."
        )
    positives = present.sum(axis=0, dtype=np.int64)
    nothing = np.zeros((0, 3), dtype=np.int64)
    return Corruption(clean.copy(), nothing, rate, level, positives, np.zeros_like(positives))
