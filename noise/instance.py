"""Instance-dependent noise: labels that a model finds hard are mislabelled more often, and plausibly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.difficulty import NEIGHBOURS
from gridbench.noise.core.labels import checked_scene_labels
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import Rate, exact_rate
from gridbench.noise.core.transition import replace_by_weight
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Instance", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """How strongly the noise follows the difficulty."""

    sharpness: float = parameter(
        4.0, "Power of an entry's rank by difficulty; 0 ignores the difficulty.", "ours", low=0, high=20
    )
    neighbours: int = parameter(
        NEIGHBOURS,
        "How many similar images are asked how hard a label is, where a run computes the difficulty.",
        "ours",
        low=1,
        high=10_000,
    )


@register_noise()
class Instance(NoiseModel):
    """The rate is the share of all labels that are replaced: exactly floor(P * rate / 100).

    `difficulty` (N, C) tells how easily each entry is got wrong, for example the loss of a model trained on clean
    labels: high for a present class that the model misses and for an absent class that it sees. Labels are offered
    in proportion to the power `sharpness` of their rank among the labels, and become an absent class in proportion
    to that of its rank among the absent entries; see `transition.replace_by_weight`. Ranks make any scale do.

    A run trains nothing to learn it: an entry is hard as far as the training images that look most alike, by
    brightness and roughness of their bands, have another clean label there (`difficulty.neighbour_difficulty`).
    """

    kinds = ("scene",)
    needs_difficulty = True
    Parameters = Parameters

    def scene(
        self,
        labels: npt.NDArray[Any],
        rate: Rate,
        rng: np.random.Generator,
        difficulty: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Replace hard labels by plausible ones."""
        clean, percent = checked_scene_labels(labels), exact_rate(rate)
        if difficulty is None:
            raise InputError(
                "The noise model 'instance' needs to know how hard each label is: difficulty (N, C)."
            )
        hard = np.asarray(difficulty)
        if hard.shape != clean.shape or hard.dtype.kind not in "biuf" or not np.isfinite(hard).all():
            raise InputError(
                f"The difficulty has shape {hard.shape} and type {hard.dtype}; expected finite numbers {clean.shape}."
            )
        present = clean != 0
        weights = np.zeros(clean.shape)
        weights[present] = self._by_rank(hard[present])
        weights[~present] = self._by_rank(hard[~present])
        why = "the images of the others have all classes"
        return replace_by_weight(
            clean, percent, weights[present], lambda samples, _: weights[samples], why, rng
        )

    def _by_rank(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        # Equal values share the mean of their ranks, so that their order in memory means nothing.
        rank = rankdata(values) / max(1, len(values))
        weights: npt.NDArray[np.float64] = rank**self.parameters.sharpness
        return weights
