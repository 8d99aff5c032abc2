"""Weak assume-negative loss: cross entropy with down-weighted absent labels, for incomplete annotations."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.methods.base import Loss
from gridbench.methods.losses.multi_label.an_ls import negative_log
from gridbench.methods.tasks.classification import Classification
from gridbench.registry import register_loss

__all__ = ["WeakAssumedNegatives"]


@register_loss()
class WeakAssumedNegatives(Loss):
    """n(p) of a present class, n(1 - p) / (C - 1) of an absent one, mean over classes (Cole et al., CVPR 2021, eq. 3).

    n(z) = -log(z + 1e-5). All absent classes together count as much as one present class.
    """

    task = Classification

    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, None]:
        """Return the (B, C) losses of logits (B, C) against labels (B, C) in [0, 1]."""
        present, absent = (negative_log(torch.sigmoid(logit)) for logit in (prediction, -prediction))
        return target * present + (1 - target) * absent / max(target.shape[1] - 1, 1), None
