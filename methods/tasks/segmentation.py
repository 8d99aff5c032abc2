"""Semantic segmentation from label maps (paper, Section IV-B, second scenario)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.core.labels import IGNORE
from gridbench.errors import InputError
from gridbench.methods.tasks.batch import Batch, mean_of_valid
from gridbench.methods.tasks.task import Task, has_known_pixel, label_maps

__all__ = ["Segmentation", "SegmentationHead", "layers_for", "named_class", "overlap_and_union"]

Size = tuple[int, int]
Layers = tuple[tuple[int, int], ...]

PAPER: dict[tuple[Size, Size], Layers] = {
    ((7, 7), (224, 224)): ((4, 4), (6, 4), (30, 2)),
    ((7, 7), (256, 256)): ((4, 4), (6, 4), (30, 2)),
    ((3, 3), (120, 120)): ((3, 2), (5, 4), (8, 4)),
}
"""(feature size, map size) -> (kernel, stride) of each layer, where the paper states them (DLRSD, BigEarthNet)."""

PRESENT_PERCENT = 2
"""A class that covers less of an image is not called present, as in the scene labels derived from label maps."""


class Segmentation(Task):
    """Three transposed convolutions from the feature map to a logit per class and pixel."""

    name = "segmentation"
    level = "pixel"
    reads = "feature_map"
    predicts = "pixels"

    def head(self, width: int) -> nn.Module:
        """Build the head `width` -> 64 -> 32 -> C.

        Raises:
            ValueError: The task has no size of the label maps.
        """
        if self.map_size is None:
            raise ValueError("A segmentation head needs the size of the label maps.")
        # Without knowledge of the feature map: the total stride of most backbones.
        features = self.feature_size or (max(self.map_size[0] // 32, 1), max(self.map_size[1] // 32, 1))
        return SegmentationHead(width, self.num_classes, layers_for(features, self.map_size), self.map_size)

    def target(self, batch: Batch) -> Tensor:
        """Return the (B, H, W) label maps."""
        return label_maps(batch)

    def valid(self, batch: Batch) -> Tensor:
        """Return (B,) bool: images with at least one labelled pixel."""
        return has_known_pixel(batch)

    def present(self, prediction: Tensor) -> Tensor:
        """Return (B, C) bool: classes that cover at least 2 % of the predicted pixels."""
        classes = self.pixel_classes(prediction).flatten(1)
        counts = torch.zeros(prediction.shape[:2], dtype=torch.int64, device=prediction.device)
        counts.scatter_add_(1, classes, torch.ones_like(classes))
        return 100 * counts >= PRESENT_PERCENT * classes.shape[1]

    def pixel_classes(self, prediction: Tensor) -> Tensor:
        """Return the (B, H, W) classes of the largest logits."""
        return prediction.argmax(1)

    def distribution(self, prediction: Tensor) -> Tensor:
        """Return the (B, C, H, W) softmax over the classes of each pixel."""
        return F.softmax(prediction, 1)

    def of_given_pixels(self, prediction: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the (B, H W) probabilities of each pixel's given class, 0 where it has none, and which have one."""
        given = self.target(batch)
        known = given != IGNORE
        chosen = self.distribution(prediction).gather(1, given.where(known, 0)[:, None])[:, 0]
        return chosen.where(known, 0.0).flatten(1), known.flatten(1)

    def per_label(self, values: Tensor, valid: Tensor | None, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the (B, C) means over the pixels labelled with each class, and which classes a map holds."""
        classes = self.target(batch).flatten(1)
        means, there = [], []
        for label in range(self.num_classes):
            pixels = classes == label
            means.append(mean_of_valid(values, pixels))
            there.append(pixels.any(1))
        return torch.stack(means, 1), torch.stack(there, 1)

    def symmetric_kl(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the (B, H, W) divergences of the two categorical distributions of each pixel."""
        log_one, log_other = F.log_softmax(one, 1), F.log_softmax(other, 1)
        return ((log_one.exp() - log_other.exp()) * (log_one - log_other)).sum(1)


class SegmentationHead(nn.Module):
    """Transposed convolutions without padding, ReLU between them, and a bilinear resize where sizes differ.

    Args:
        width: Input channels.
        num_classes: Output channels C.
        layers: (kernel, stride) of the three layers.
        size: (H, W) of the output.
    """

    def __init__(self, width: int, num_classes: int, layers: Layers, size: Size) -> None:
        super().__init__()
        (k1, s1), (k2, s2), (k3, s3) = layers
        self.size = size
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(width, 64, k1, s1),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 32, k2, s2),
            nn.ReLU(),
            nn.ConvTranspose2d(32, num_classes, k3, s3),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the (B, C, H, W) logits of a feature map (B, width, h, w)."""
        logits: Tensor = self.layers(features)
        if tuple(logits.shape[-2:]) == self.size:
            return logits
        return F.interpolate(logits.float(), self.size, mode="bilinear", align_corners=False)


def layers_for(feature_size: Size, map_size: Size) -> Layers:
    """Choose (kernel, stride) of three transposed convolutions that lead from a feature map to a label map.

    The paper's own where it states them. Elsewhere ours: strides whose product is the power of two nearest to the
    ratio of the sizes, the first layers taking the larger ones, and kernels as wide as the strides, so that the
    output lies exactly on the image.

    Args:
        feature_size: (h, w).
        map_size: (H, W).
    """
    if (feature_size, map_size) in PAPER:
        return PAPER[feature_size, map_size]
    ratio = math.sqrt(math.prod(map_size) / math.prod(feature_size))
    doublings = max(round(math.log2(ratio)), 0)
    strides = [2 ** ((doublings + 2 - layer) // 3) for layer in range(3)]
    return tuple((stride, stride) for stride in strides)


def named_class(name: str, value: int | str, num_classes: int) -> int | None:
    """Return the class that a parameter of a method names; None for "none".

    Args:
        name: Name of the parameter, for messages.
        value: Its value.
        num_classes: Number of classes C.

    Raises:
        InputError: There is no such class.

    Example:
        >>> named_class("background", 0, num_classes=2), named_class("background", "none", num_classes=2)
        (0, None)
    """
    if value == "none":
        return None
    if int(value) >= num_classes:
        raise InputError(
            f"The parameter {name!r} is {value}, but the label maps have {num_classes} classes; allowed is 0 to "
            f"{num_classes - 1}, or none."
        )
    return int(value)


def overlap_and_union(predicted: Tensor, maps: Tensor, num_classes: int) -> Tensor:
    """Return the (2, C) numbers of pixels in the intersections and in the unions of predictions and label maps.

    Args:
        predicted: (B, H, W) classes.
        maps: (B, H, W) classes, 255 = ignore.
        num_classes: Number of classes C.

    Example:
        >>> overlap_and_union(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]), num_classes=2).tolist()
        [[1, 0], [2, 1]]
    """
    known = maps != IGNORE
    pairs = torch.bincount(predicted[known] * num_classes + maps[known], minlength=num_classes**2)
    pairs = pairs.view(num_classes, num_classes)
    both = pairs.diagonal()
    return torch.stack([both, pairs.sum(0) + pairs.sum(1) - both])
