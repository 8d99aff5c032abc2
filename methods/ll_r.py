"""LL-R: large-loss labels are rejected (Kim et al., CVPR 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.methods._large_loss import LargeLoss
from gridbench.methods.base import Batch
from gridbench.registry import register_method

__all__ = ["LLR"]


@register_method()
class LLR(LargeLoss):
    """Sets the losses of suspected labels to 0: ever more of them in the course of the run (eqs. 5 and 6)."""

    def relabelled(
        self, losses: Tensor, prediction: Tensor, suspects: Tensor, labels: Tensor, batch: Batch
    ) -> Tensor:
        """Return the losses, 0 for suspects."""
        return torch.where(suspects, 0.0, losses)
