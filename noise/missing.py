"""Missing labels: a share of all labels is removed and nothing takes their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.noise.core.corruption import Corruption, scene_corruption
from gridbench.noise.core.labels import checked_scene_labels
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import Rate, exact_rate, realisable
from gridbench.noise.core.sampling import capped_pairs
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Missing", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """How much is left of an image's labels."""

    keep: int = parameter(0, "Labels that every image keeps at least, if it has them.", "ours", low=0)


@register_noise()
class Missing(NoiseModel):
    """The rate is the share of labels that are removed: exactly floor(P * rate / 100) of P.

    Labels are drawn one after another, each uniformly among those of images that can still give one up.
    """

    kinds = ("scene",)
    Parameters = Parameters

    def scene(
        self,
        labels: npt.NDArray[Any],
        rate: Rate,
        rng: np.random.Generator,
        difficulty: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Remove labels."""
        clean, percent = checked_scene_labels(labels), exact_rate(rate)
        present = clean != 0
        room = np.maximum(present.sum(axis=1, dtype=np.int64) - self.parameters.keep, 0)
        why = f"every image keeps {self.parameters.keep} of its labels"
        count = realisable(int(present.sum()), int(room.sum()), percent, "labels", why)
        samples, before = capped_pairs(present, room, count, rng)
        return scene_corruption(clean, np.stack((samples, before, np.full_like(before, -1)), axis=1), percent)
