"""No synthetic noise: the labels stay as they are, for clean runs and for archives whose labels are noisy already."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption, Kind
from gridbench.noise.core.labels import checked_maps, checked_scene_labels, class_pixels
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import Rate, exact_rate
from gridbench.registry import register_noise

__all__ = ["Unchanged"]


@register_noise()
class Unchanged(NoiseModel):
    """The identity; the only rate is 0."""

    kinds = ("scene", "pixel")

    def scene(
        self,
        labels: npt.NDArray[Any],
        rate: Rate,
        rng: np.random.Generator,
        difficulty: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Return a copy of the labels."""
        return _identity(checked_scene_labels(labels), checked_scene_labels(labels) != 0, rate, "scene")

    def pixel(
        self, maps: npt.NDArray[Any], num_classes: int, rate: Rate, rng: np.random.Generator
    ) -> Corruption:
        """Return a copy of the maps."""
        clean = checked_maps(maps, num_classes)
        return _identity(clean, class_pixels(clean, num_classes) > 0, rate, "pixel")


def _identity(clean: npt.NDArray[Any], present: npt.NDArray[np.bool_], rate: Rate, kind: Kind) -> Corruption:
    requested = exact_rate(rate)
    if requested:
        raise InputError(
            f"The noise model 'none' changes nothing, so a rate of {requested} % is not possible. "
            "Leave the rate at 0, or choose a model: gridbench list noise."
        )
    positives = present.sum(axis=0, dtype=np.int64)
    nothing = np.zeros((0, 3), dtype=np.int64)
    return Corruption(clean.copy(), nothing, requested, kind, positives, np.zeros_like(positives))
