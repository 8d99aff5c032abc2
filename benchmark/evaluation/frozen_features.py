"""Cached features of frozen backbones, computed once if the images are not augmented at random."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from gridbench.datasets.loading.batches import TrainingSet
from gridbench.evaluation.retrieval import IMAGE_BATCH, MAP_BATCH
from gridbench.methods.base import Batch, Method
from gridbench.training.backbone import TimmBackbone

__all__ = ["FrozenFeatures"]

LARGEST = 1 << 30
"""Bytes of the features of one backbone beyond which they are computed anew in every epoch."""


class FrozenFeatures:
    """Cache of the features that the frozen backbones of a method compute; empty without frozen backbones.

    All images pass through each backbone once, in the order of the training set, so that a resumed run gets
    bit-identical features. The cache is not used for a backbone that is modified after all.

    Args:
        method: The method.
        data: The training set.
    """

    @torch.no_grad()
    def __init__(self, method: Method, data: TrainingSet) -> None:
        self._stores: list[tuple[TimmBackbone, Tensor, list[int]]] = []
        if type(method).views[0] != "weak" or not data.augmentation.fixed(data.archive.image_size):
            return
        for network in [
            module for module in method.modules() if isinstance(module, TimmBackbone) and module.frozen
        ]:
            features = _features(network, data)
            if features is not None:
                self._stores.append((network, features, _versions(network)))

    def offer(self, batch: Batch) -> None:
        """Let the backbones return the stored features when they are given the very images of a mini-batch."""
        images = batch.images
        for network, features, versions in self._stores:
            unchanged = _versions(network) == versions
            network.known = (images, images._version, features[batch.indices]) if unchanged else None


def _features(network: TimmBackbone, data: TrainingSet) -> Tensor | None:
    """Return the features (N, ...) of the training images; None where they would take too much room."""
    size = MAP_BATCH if data.has_maps else IMAGE_BATCH
    parts, unused = [], np.random.default_rng(0)
    for start in range(0, len(data), size):
        positions = np.arange(start, min(start + size, len(data)))
        part = network.features(data.batch(positions, unused).images)
        if part[:1].nbytes * len(data) > LARGEST:
            return None
        parts.append(part)
    return torch.cat(parts)


def _versions(network: nn.Module) -> list[int]:
    """Return how often each tensor of a network was written to."""
    return [tensor._version for tensor in (*network.parameters(), *network.buffers())]
