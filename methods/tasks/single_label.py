"""Single-label image classification: each image has exactly one of the classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.methods.tasks.batch import Batch
from gridbench.methods.tasks.task import Task

__all__ = ["SingleLabel"]


class SingleLabel(Task):
    """One fully connected layer from the descriptor to a logit per class, and a softmax over the classes."""

    name = "single_label"
    level = "single"
    reads = "descriptor"
    predicts = "single"

    def head(self, width: int) -> nn.Module:
        """Build the FC layer `width` -> C."""
        return nn.Linear(width, self.num_classes)

    def target(self, batch: Batch) -> Tensor:
        """Return the (B,) int64 class of each image."""
        return batch.scene_labels.argmax(1)

    def valid(self, batch: Batch) -> Tensor | None:
        """Return None: every image has its class."""
        return None

    def present(self, prediction: Tensor) -> Tensor:
        """Return (B, C) bool: only the most probable class, the first of equally probable ones."""
        return F.one_hot(prediction.argmax(1), self.num_classes).bool()

    def per_label(self, values: Tensor, valid: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the (B, 1) entries at the class of each image, which is its one label."""
        return values.expand(-1, self.num_classes), batch.scene_labels > 0

    def probabilities(self, prediction: Tensor) -> Tensor:
        """Return the (B, C) softmax of the logits."""
        return F.softmax(prediction, 1)

    def distribution(self, prediction: Tensor) -> Tensor:
        """Return the (B, C) softmax of the logits."""
        return F.softmax(prediction, 1)

    def margins(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the (B, 1) logits of the given classes less the highest of the other classes."""
        given = batch.scene_labels > 0
        own = torch.where(given, prediction, 0.0).sum(1, keepdim=True)
        return own - torch.where(given, -torch.inf, prediction).amax(1, keepdim=True)

    def symmetric_kl(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the (B, 1) divergences of the two categorical distributions of each image."""
        log_one, log_other = F.log_softmax(one, 1), F.log_softmax(other, 1)
        return ((log_one.exp() - log_other.exp()) * (log_one - log_other)).sum(1, keepdim=True)
