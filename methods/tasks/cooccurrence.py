"""Prediction of a weighted class co-occurrence graph from label maps (paper, Section IV-B; Sumbul et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gridbench.core.labels import IGNORE
from gridbench.methods.tasks.batch import Batch
from gridbench.methods.tasks.task import Task, has_known_pixel, label_maps

__all__ = ["Cooccurrence", "region_graph"]

PRESENT_WEIGHT = 0.125
"""Half way between the self-loop of an absent class, 0, and the smallest of a present one, 1/4."""


class Cooccurrence(Task):
    """One fully connected layer with ReLU from the descriptor to the upper triangle of the graph's weights."""

    name = "cooccurrence"
    level = "pixel"
    reads = "descriptor"
    predicts = "labels"
    threshold = PRESENT_WEIGHT
    calibrated = False
    no_labels = "an entry of the loss is an edge of the class graph, which joins two labels"

    @property
    def num_edges(self) -> int:
        """Number of pairs of classes, a class with itself included: C(C+1)/2."""
        return self.num_classes * (self.num_classes + 1) // 2

    def head(self, width: int) -> nn.Module:
        """Build the FC layer `width` -> C(C+1)/2 and its ReLU, as in the published code."""
        return nn.Sequential(nn.Linear(width, self.num_edges), nn.ReLU())

    def target(self, batch: Batch) -> Tensor:
        """Return the (B, C(C+1)/2) graph of what the batch's images show."""
        return region_graph(label_maps(batch), self.num_classes)

    def valid(self, batch: Batch) -> Tensor:
        """Return (B,) bool: images with at least one labelled pixel."""
        return has_known_pixel(batch)

    def present(self, prediction: Tensor) -> Tensor:
        """Return (B, C) bool: self-loops nearer to the smallest of a present class than to 0."""
        return self.class_scores(prediction) > PRESENT_WEIGHT

    def class_scores(self, prediction: Tensor) -> Tensor:
        """Return the (B, C) self-loops, which are 0 for an absent class and grow with the area of a present one."""
        row, column = torch.triu_indices(self.num_classes, self.num_classes, device=prediction.device)
        # A weight is at most 1; the head's ReLU has no upper bound.
        return prediction[:, row == column].clamp(max=1.0)

    def logs(self, prediction: Tensor) -> dict[str, Tensor]:
        """Return the share of outputs that are zero throughout: the ReLU may die, as most of a target is 0."""
        return {"all_zero_outputs": (prediction == 0).all(1).float().mean()}


def region_graph(maps: Tensor, num_classes: int) -> Tensor:
    """Return the weights of the graph whose nodes are the regions of one class each in an image.

    Two present classes are joined by w = (s + d)/2 * (1 - |s - d|/2), where s = (a + b)(1 - |a - b|/2) of their
    shares a, b of all pixels, and d is 1 - the distance of their centroids over the image's diagonal. A self-loop
    follows with d = 1 and s = 2a, up to a share of one half; above it, it is 1 (reconstructed from the published
    code of GRID's RRL variant).

    Args:
        maps: (B, H, W) int64 in 0 .. C-1, or 255; unlabelled pixels belong to no region but count as pixels.
        num_classes: Number of classes C.

    Returns:
        (B, C(C+1)/2) float32 in [0, 1], the upper triangle with its diagonal, row by row.
    """
    height, width = maps.shape[1:]
    by_row = _counts_along_last(maps, num_classes)
    by_column = _counts_along_last(maps.transpose(1, 2), num_classes)
    counts = by_row.sum(1)
    rows = torch.arange(height, device=maps.device)
    columns = torch.arange(width, device=maps.device)
    # Whole numbers up to here, so the result does not depend on the order of summation.
    moments = torch.stack([(by_row * rows[:, None]).sum(1), (by_column * columns[:, None]).sum(1)], 2)
    centroids = moments.float() / counts.clamp_min(1)[..., None]
    share = counts.float() / (height * width)

    first, second = torch.triu_indices(num_classes, num_classes, device=maps.device)
    a, b = share[:, first], share[:, second]
    similar = (a + b) * (1 - (a - b).abs() / 2)
    diagonal = max(float((height - 1) ** 2 + (width - 1) ** 2) ** 0.5, 1.0)
    near = 1 - (centroids[:, first] - centroids[:, second]).norm(dim=2) / diagonal
    weights = (similar + near) / 2 * (1 - (similar - near).abs() / 2)
    weights = torch.where((first == second) & (a > 0.5), 1.0, weights)
    return torch.where((a > 0) & (b > 0), weights, 0.0)


def _counts_along_last(maps: Tensor, num_classes: int) -> Tensor:
    """Return (B, H, C): how many pixels of each class every row of maps (B, H, W) holds."""
    classes = maps.where(maps != IGNORE, num_classes)
    counts = torch.zeros(*maps.shape[:2], num_classes + 1, dtype=torch.int64, device=maps.device)
    return counts.scatter_add_(2, classes, torch.ones_like(classes))[..., :num_classes]
