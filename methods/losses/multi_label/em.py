"""Entropy maximisation of absent labels, which are treated as unknown."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.multi_label.an_ls import negative_log
from gridbench.methods.tasks.classification import Classification
from gridbench.parameters import parameter
from gridbench.registry import register_loss

__all__ = ["EntropyMaximisation"]


@register_loss()
class EntropyMaximisation(Loss):
    """n(p) of a present class, -alpha H(p) of an absent one, mean over classes (Zhou et al., ECCV 2022, eqs. 3 and 4).

    n(z) = -log(z + 1e-5), and H the entropy p n(p) + (1 - p) n(1 - p). No label is treated as negative, so
    probabilities lie high; that of an absent class moves towards one half. An absent class costs less than nothing.
    """

    task = Classification
    signed = True

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of entropy maximisation."""

        alpha: float = parameter(
            0.1,
            "weight of the entropy",
            "Correr-Zhou/SPML-AckTheUnknown, COCO and NUS; 0.2 for VOC",
            low=0,
            high=10,
            search=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0),
        )

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in {0, 1}."""
        p, absent = torch.sigmoid(prediction), torch.sigmoid(-prediction)
        present = negative_log(p)
        entropy = p * present + absent * negative_log(absent)
        return target * present - (1 - target) * self.parameters.alpha * entropy, None
