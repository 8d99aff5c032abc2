"""Instance-dependent noise by random projections: the appearance of an image determines its wrong class.

Follows the generator of X. Xia et al., "Part-dependent Label Noise: Towards Instance-dependent Label Noise" (NeurIPS
2020): the flip rate q of an image is drawn from a normal distribution around the rate, cut to [0, 1], and a random
matrix W for each class turns the features x of an image into the probabilities softmax(x W) of its new class, the own
class left out. Two things differ. Exactly floor(N * rate / 100) labels change, drawn in proportion to q. And x is the
standardised descriptors of `noise.core.difficulty` instead of the pixels, which are all positive and send most images
of a class to one target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption, Ints
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NEEDS_SINGLE, NoiseModel
from gridbench.noise.core.transition import replace_by_weight
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["InstanceLinear", "Parameters"]

Floats = npt.NDArray[np.float64]

STEPS = 256
"""Features and weights are rounded to so many steps a unit, so that their products are exact on any machine."""


@dataclass(frozen=True)
class Parameters:
    """How much the flip rates of images differ."""

    spread: float = parameter(
        0.1, "standard deviation of an image's own flip rate around the rate", "Xia et al.", low=0, high=1
    )


@register_noise()
class InstanceLinear(NoiseModel):
    """The rate is the share of all labels that are replaced: exactly floor(N * rate / 100).

    Labels are drawn one after another in proportion to the flip rate of their image (`transition.replace_by_weight`).
    """

    levels = ("single",)
    refuses: ClassVar[Mapping[str, str]] = {"scene": NEEDS_SINGLE}
    Parameters = Parameters

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Replace labels by what their images look like under a random projection."""
        clean = labels.scene_labels
        descriptors = labels.descriptors
        if descriptors is None or len(descriptors) != len(clean):
            raise InputError(
                "The noise model 'instance_linear' needs the descriptors of the images: descriptors (N, D)."
            )
        flips = np.clip(rng.normal(float(rate) / 100, self.parameters.spread, len(clean)), 0, 1)
        # An image that is never flipped comes last, not never, so that every rate can be realised.
        source = np.maximum(flips, 1e-12)
        weights = _projected(descriptors, clean.argmax(axis=1), clean.shape[1], rng)
        why = "there is no other class"
        return replace_by_weight(clean, rate, source, lambda samples, _: weights[samples], why, rng)


def _projected(descriptors: Ints, classes: Ints, num_classes: int, rng: np.random.Generator) -> Floats:
    """Return (N, C) the probabilities of each image's new class, 0 for its own."""
    centred = descriptors - descriptors.mean(axis=0)
    scale = descriptors.std(axis=0)
    features = np.rint(STEPS * centred / np.where(scale > 0, scale, 1))
    weights = np.zeros((len(descriptors), num_classes))
    for c in range(num_classes):
        matrix = np.rint(STEPS * rng.standard_normal((features.shape[1], num_classes)))
        here = classes == c
        logits = features[here] @ matrix / STEPS**2
        logits[:, c] = -np.inf
        highest = logits.max(axis=1, initial=np.finfo(np.float64).min, keepdims=True)
        # The least likely classes keep a weight, so that no image is left without one.
        weights[here] = np.where(np.arange(num_classes) == c, 0, np.maximum(np.exp(logits - highest), 1e-300))
    return weights
