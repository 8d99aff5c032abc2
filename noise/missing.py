"""Missing labels: a share of all labels is removed and nothing takes their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import numpy as np

from gridbench.noise.core.corruption import Corruption, scene_corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import realisable
from gridbench.noise.core.sampling import capped_pairs
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Missing", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """How much is left of an image's labels."""

    keep: int = parameter(0, "labels that every image keeps at least, if it has them", "ours", low=0)


@register_noise()
class Missing(NoiseModel):
    """The rate is the share of labels that are removed: exactly floor(P * rate / 100) of P.

    Labels are drawn one after another, each uniformly among those of images that can still give one up.
    """

    levels = ("scene",)
    refuses: ClassVar[Mapping[str, str]] = {
        "single": "it removes labels, and of single labels every image keeps exactly one"
    }
    Parameters = Parameters

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Remove labels."""
        clean = labels.scene_labels
        present = clean != 0
        room = np.maximum(present.sum(axis=1, dtype=np.int64) - self.parameters.keep, 0)
        why = f"every image keeps {self.parameters.keep} of its labels"
        count = realisable(int(present.sum()), int(room.sum()), rate, "labels", why)
        samples, before = capped_pairs(present, room, count, rng)
        return scene_corruption(clean, np.stack((samples, before, np.full_like(before, -1)), axis=1), rate)
