"""LL-Ct: large-loss labels are corrected temporarily, for one step (Kim et al., CVPR 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.methods._large_loss import LargeLoss
from gridbench.methods.base import Batch
from gridbench.registry import register_method

__all__ = ["LLCt"]


@register_method()
class LLCt(LargeLoss):
    """Flips suspected labels for the step at hand, a growing number of them in the course of the run (eq. 7)."""

    def relabelled(
        self, losses: Tensor, prediction: Tensor, suspects: Tensor, labels: Tensor, batch: Batch
    ) -> Tensor:
        """Return the losses, those of suspects against the opposite label."""
        corrected, _ = self.objective.loss.per_entry(prediction, 1 - labels)
        return torch.where(suspects, corrected, losses)
