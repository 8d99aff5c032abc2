"""Symmetric noise: labels are replaced by a class drawn uniformly, among the other classes or among all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import numpy as np

from gridbench.noise.core.corruption import Corruption, scene_corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NEEDS_SINGLE, NoiseModel
from gridbench.noise.core.rates import realisable
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Parameters", "Symmetric"]


@dataclass(frozen=True)
class Parameters:
    """Definition of the rate."""

    new_class: str = parameter(
        "other",
        "the new class is one of the C - 1 others, so that the rate is realised (other), or one of all C, so that "
        "1 - 1/C of it is (any)",
        "other: Co-teaching, APL; any: DivideMix, ELR, SOP, DISC",
        choices=("other", "any"),
    )


@register_noise()
class Symmetric(NoiseModel):
    """The rate is the share of the N labels that are redrawn: exactly floor(N * rate / 100).

    They are drawn uniformly without replacement, and so is the class that each becomes. Where that may be the label's
    own class, fewer labels change than are drawn: at 10 classes and a rate of 40 about 36 %.
    """

    levels = ("single",)
    refuses: ClassVar[Mapping[str, str]] = {"scene": NEEDS_SINGLE}
    Parameters = Parameters

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Redraw labels."""
        clean = labels.scene_labels
        count, classes = clean.shape
        among = classes - (self.parameters.new_class == "other")
        drawn = realisable(count, count if among else 0, rate, "labels", "there is no other class")
        samples = np.sort(rng.permutation(count)[:drawn])
        before = clean[samples].argmax(axis=1)
        after = rng.integers(max(among, 1), size=drawn)
        if self.parameters.new_class == "other":
            # One of C - 1 numbers; those from the class itself on stand for the class after it.
            after += after >= before
        rows = np.stack((samples, before, after), axis=1)
        return scene_corruption(clean, rows[before != after], rate)
