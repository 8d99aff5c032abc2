"""Pair noise: labels become the next class, the last class becomes the first."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

import numpy as np

from gridbench.noise.core.corruption import Corruption, scene_corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NEEDS_SINGLE, NoiseModel
from gridbench.noise.core.rates import realisable
from gridbench.registry import register_noise

__all__ = ["Pair"]


@register_noise()
class Pair(NoiseModel):
    """The rate is the share of the N labels that become the next class: exactly floor(N * rate / 100).

    They are drawn uniformly without replacement; class c becomes class c + 1 modulo C (Han et al., "Co-teaching",
    NeurIPS 2018). From 50 % on most labels of a class are those of the class before it, so rates are usually below.
    """

    levels = ("single",)
    refuses: ClassVar[Mapping[str, str]] = {"scene": NEEDS_SINGLE}

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Replace labels by the next class."""
        clean = labels.scene_labels
        count, classes = clean.shape
        drawn = realisable(count, count if classes > 1 else 0, rate, "labels", "there is no other class")
        samples = np.sort(rng.permutation(count)[:drawn])
        before = clean[samples].argmax(axis=1)
        rows = np.stack((samples, before, (before + 1) % classes), axis=1)
        return scene_corruption(clean, rows, rate)
