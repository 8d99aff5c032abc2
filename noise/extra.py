"""Extra labels: images get labels of classes that they do not have, and keep all of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

import numpy as np

from gridbench.noise.core.corruption import Corruption, scene_corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import realisable
from gridbench.registry import register_noise

__all__ = ["Extra"]


@register_noise()
class Extra(NoiseModel):
    """The rate is the number of labels added as a share of those there are: exactly floor(P * rate / 100).

    They are drawn uniformly without replacement from all pairs of an image and a class that it does not have.
    """

    levels = ("scene",)
    refuses: ClassVar[Mapping[str, str]] = {
        "single": "it adds labels, and of single labels every image keeps exactly one"
    }

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Add labels."""
        clean = labels.scene_labels
        absent = np.flatnonzero(clean == 0)
        why = "the images have all other classes already"
        count = realisable(clean.size - len(absent), len(absent), rate, "labels", why)
        chosen = np.sort(rng.choice(absent, count, replace=False, shuffle=False))
        samples, after = np.divmod(chosen, max(1, clean.shape[1]))
        return scene_corruption(clean, np.stack((samples, np.full_like(after, -1), after), axis=1), rate)
