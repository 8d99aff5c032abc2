"""SOP+: SOP with consistency between two views and balance between classes (Liu et al., ICML 2022)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods.base import Batch, StepOutput
from gridbench.methods.sop import LOWEST, SOP, explained
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["SOPPlus", "divergence", "imbalance"]


@register_method()
class SOPPlus(SOP):
    """Adds to SOP that a strong view is predicted as a weak one is, and that no class is predicted more than others.

    KL(p of the weak view || p of the strong one), through the strong view alone, and the cross entropy of the mean of
    p + U - V over the mini-batch against equal shares (Section 4.1; shengliu66/SOP). Both views pass the network
    together. Ours: the strong view, where published code has AutoAugment for CIFAR-10 and cut-out.
    """

    views = ("weak", "strong")

    @dataclass(frozen=True)
    class Parameters(SOP.Parameters):
        """Parameters of SOP+."""

        consistency: float = parameter(
            0.9,
            "weight of the agreement of the views",
            "shengliu66/SOP, config_cifar100.json",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0, 2.0, 5.0),
        )
        balance: float = parameter(
            0.1,
            "weight of the balance of classes",
            "shengliu66/SOP, config_cifar100.json",
            low=0,
            high=1000,
            search=(0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0),
        )

    def step(self, batch: Batch) -> StepOutput:
        """Return SOP's loss of the weak view and both further terms."""
        agreement: float | Tensor = 0.0
        if self.p.consistency > 0:
            together = torch.cat([view.images for view in batch.views])
            prediction, strong = self.predict(together).chunk(2)
            agreement = divergence(prediction.float(), strong.float())
        else:
            prediction = self.predict(batch.images)
        output = self.output_of(prediction, batch)
        seen = explained(prediction.float(), batch.scene_labels, *self.noise_of(batch.indices))
        further = self.p.consistency * agreement + self.p.balance * imbalance(seen)
        return replace(output, loss=output.loss + further)


def divergence(weak: Tensor, strong: Tensor) -> Tensor:
    """Return the mean KL divergence of the strong view's prediction from the weak one's, which gets no gradient.

    Args:
        weak: (B, C) logits.
        strong: (B, C) logits.
    """
    return F.kl_div(F.log_softmax(strong, 1), F.softmax(weak, 1).detach(), reduction="batchmean")


def imbalance(probabilities: Tensor) -> Tensor:
    """Return the cross entropy of the mean of (B, C) probabilities against equal shares of all classes."""
    return -probabilities.mean(0).clamp(LOWEST, 1).log().mean()
