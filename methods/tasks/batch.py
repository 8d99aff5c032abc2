"""What one training step sees: images, labels as corrupted for training, and how the images were cut."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Batch", "Geometry", "mean_of_valid"]


@dataclass(frozen=True)
class Geometry:
    """How each image of a batch, and its label map with it, was cut and mirrored, so that a method can undo it.

    All fields have shape (B,): the first row and column of the crop in the stored image, then whether the crop
    was mirrored left-right and top-bottom.
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor
    flipped: Tensor

    def only(self, keep: Tensor) -> Geometry:
        """Return the geometry of the samples marked in `keep` (B,) bool."""
        return Geometry(self.top[keep], self.left[keep], self.mirrored[keep], self.flipped[keep])


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        images: (B, bands, H, W) float32, standardised and augmented.
        scene_labels: (B, C) float32 in {0, 1}, as corrupted for training.
        label_maps: (B, H, W) int64 class maps as corrupted for training, 255 = ignore; None without maps.
        indices: (B,) int64, position of each image in the training set.
        epoch: Epoch from 0.
        step: Step within the epoch from 0.
        generator: Random numbers of the stream "method" for this very step.
        geometry: How images and label maps were cut and mirrored; None when label maps are as stored.
    """

    images: Tensor
    scene_labels: Tensor
    label_maps: Tensor | None
    indices: Tensor
    epoch: int
    step: int
    generator: torch.Generator
    geometry: Geometry | None = None

    def only(self, keep: Tensor) -> Batch:
        """Return the batch of the samples marked in `keep` (B,) bool."""
        maps, geometry = self.label_maps, self.geometry
        return replace(
            self,
            images=self.images[keep],
            scene_labels=self.scene_labels[keep],
            label_maps=None if maps is None else maps[keep],
            indices=self.indices[keep],
            geometry=None if geometry is None else geometry.only(keep),
        )


def mean_of_valid(values: Tensor, valid: Tensor | None) -> Tensor:
    """Return the (B,) means over the valid entries of (B, E) values; 0 for a sample without any.

    Args:
        values: (B, E).
        valid: (B, E) bool, or None when every entry counts.
    """
    if valid is None:
        return values.mean(1)
    return torch.where(valid, values, 0.0).sum(1) / valid.sum(1).clamp_min(1)
