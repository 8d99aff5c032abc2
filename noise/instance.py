"""Instance-dependent noise: difficult labels are flipped more often, and to plausible classes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.difficulty import NEIGHBOURS
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.transition import replace_by_weight
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Instance", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """How strongly the noise follows the difficulty."""

    sharpness: float = parameter(
        4.0, "power of an entry's rank by difficulty; 0 ignores the difficulty", "ours", low=0, high=20
    )
    neighbours: int = parameter(
        NEIGHBOURS,
        "how many similar images a label is compared with, where a run computes the difficulty",
        "ours",
        low=1,
        high=10_000,
    )


@register_noise()
class Instance(NoiseModel):
    """The rate is the share of all labels that are replaced: exactly floor(P * rate / 100).

    `difficulty` (N, C) tells how easily each entry is got wrong, for example the loss of a model trained on clean
    labels: high for a present class that the model misses and for an absent class that it sees. Labels are drawn one
    after another, each in proportion to the power `sharpness` of its rank among all labels, from those that are left,
    so that at high rates easy labels follow when the hard ones are used up. A label becomes an absent class in
    proportion to that power of its rank among the absent entries; see `transition.replace_by_weight`. Only ranks count,
    so the difficulty may have any scale.

    In a run it is estimated without training: the difficulty of an entry is the share of the most similar training
    images, by brightness and roughness of their bands, whose clean label differs (`difficulty.neighbour_difficulty`).
    """

    levels = ("scene", "single")
    Parameters = Parameters

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Replace hard labels by plausible ones."""
        clean = labels.scene_labels
        difficulty = labels.difficulty(self.parameters.neighbours)
        if difficulty is None:
            raise InputError(
                "The noise model 'instance' needs to know how hard each label is: difficulty (N, C)."
            )
        hard = np.asarray(difficulty)
        if hard.shape != clean.shape or hard.dtype.kind not in "biuf" or not np.isfinite(hard).all():
            raise InputError(
                f"The difficulty has shape {hard.shape} and type {hard.dtype}; expected finite numbers {clean.shape}."
            )
        present = labels.present
        weights = np.zeros(clean.shape)
        weights[present] = self._by_rank(hard[present])
        weights[~present] = self._by_rank(hard[~present])
        why = "the images of the others have all classes"
        return replace_by_weight(clean, rate, weights[present], lambda samples, _: weights[samples], why, rng)

    def _by_rank(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        # Equal values share the mean of their ranks, so that their order in memory means nothing.
        rank = rankdata(values) / max(1, len(values))
        weights: npt.NDArray[np.float64] = rank**self.parameters.sharpness
        return weights
