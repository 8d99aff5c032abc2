"""Mixup: training on convex combinations of pairs of images (Zhang et al., ICLR 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gridbench.methods._mixing import draw_mixing
from gridbench.methods.base import Batch, StepOutput
from gridbench.methods.losses import SCENE, SINGLE
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["Mixup"]


@register_method()
class Mixup(Plain):
    """Minimises m l(f(x), y) + (1 - m) l(f(x), y') on images x mixed of two with the share m ~ Beta(alpha, alpha).

    One m per mini-batch and a random permutation of it as partners, as in facebookresearch/mixup-cifar10. The output
    for a mixed image is a prediction for neither of the two, so the epochs log none. alpha 0 is plain training.
    """

    losses = (*SINGLE, *SCENE)
    because = "labels of whole images can be mixed, and label maps of two images have no pixels in common"
    recipe: ClassVar[Mapping[str, Any]] = {
        # facebookresearch/mixup-cifar10, train.py; a tenth of the rate at epochs 100 and 150.
        "optimizer": "momentum",
        "momentum": 0.9,
        "learning_rate": 0.1,
        "weight_decay": 1e-4,
        "batch_size": 128,
        "epochs": 200,
        "schedule": "step",
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of mixup."""

        alpha: float = parameter(
            1.0,
            "both parameters of the beta distribution; against label noise 8 to 32",
            "facebookresearch/mixup-cifar10; the paper's values against noise: its Section 3.4",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        )

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean loss of mixed images against both labels of each."""
        if self.p.alpha == 0:
            return super().step(batch)
        mixing = draw_mixing(batch.generator, len(batch.indices), self.p.alpha)
        losses = mixing.losses(self.objective, self.predict(mixing(batch.images)), batch)
        return StepOutput(losses.mean(), losses)
