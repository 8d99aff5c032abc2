"""Multi-label image classification from scene labels (paper, Section IV-B, first scenario)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gridbench.methods.tasks.batch import Batch
from gridbench.methods.tasks.task import Task

__all__ = ["Classification"]


class Classification(Task):
    """One fully connected layer from the descriptor to a logit per class."""

    name = "classification"
    level = "scene"
    reads = "descriptor"
    predicts = "labels"

    def head(self, width: int) -> nn.Module:
        """Build the FC layer `width` -> C."""
        return nn.Linear(width, self.num_classes)

    def target(self, batch: Batch) -> Tensor:
        """Return the (B, C) scene labels."""
        return batch.scene_labels

    def valid(self, batch: Batch) -> Tensor | None:
        """Return None: every image has scene labels, if only absent ones."""
        return None

    def present(self, prediction: Tensor) -> Tensor:
        """Return (B, C) bool: probability above one half."""
        return prediction > 0

    def per_label(self, values: Tensor, valid: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the entries as they are: each class of each image, present or absent, is a label."""
        return values, valid

    def probabilities(self, prediction: Tensor) -> Tensor:
        """Return the (B, C) sigmoids of the logits."""
        return torch.sigmoid(prediction)

    def distribution(self, prediction: Tensor) -> Tensor:
        """Return the (B, C) sigmoids of the logits."""
        return torch.sigmoid(prediction)

    def margins(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the (B, C) logits, negative of absent classes: the margins over logits of 0."""
        return (2 * batch.scene_labels - 1) * prediction

    def symmetric_kl(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the (B, C) divergences of the two Bernoulli distributions of each class.

        (p - q) (logit p - logit q) is KL(p||q) + KL(q||p) exactly.
        """
        return (torch.sigmoid(one) - torch.sigmoid(other)) * (one - other)
