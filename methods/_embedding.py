"""L2-normalised embedding on top of the backbone, shared by metric-learning methods."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.methods.plain import Plain
from gridbench.parameters import parameter

__all__ = [
    "Centred",
    "Embedded",
    "Embedding",
    "Memory",
    "NormalisedSoftmax",
    "contrastive_loss",
    "descriptor_choice",
]

MARGIN, SAME = 0.5, 1 - 1e-5
"""Cosine above which images of two classes repel, and below which those of one attract
(alibaba-edu/Ranking-based-Instance-Selection)."""


class Embedding(nn.Module):
    """One fully connected layer from `width` to `dim`, and the vector scaled to length 1, in float32."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, dim)

    def forward(self, features: Tensor) -> Tensor:
        """Return the (B, dim) embeddings of features (B, width)."""
        with torch.autocast(features.device.type, enabled=False):
            return F.normalize(self.layer(features.float()), dim=1)


class NormalisedSoftmax(nn.Module):
    """Logits that are the cosines of an embedding to a prototype of each class, over a temperature."""

    def __init__(self, width: int, dim: int, num_classes: int, temperature: float) -> None:
        super().__init__()
        self.embedding = Embedding(width, dim)
        # Uniform within 1 / sqrt(dim), as in jiankang1991/RNSL and as torch starts a layer.
        self.prototypes = nn.Linear(dim, num_classes, bias=False).weight
        self.temperature = temperature

    def forward(self, features: Tensor) -> Tensor:
        """Return the (B, C) logits of features (B, width)."""
        return self.logits(self.embedding(features))

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return the (B, C) logits of embeddings (B, dim)."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return embeddings @ F.normalize(self.prototypes, dim=1).T / self.temperature


class Centred(nn.Module):
    """Logits that are the inner products of an embedding with the centre of each class, which is a mean."""

    def __init__(self, width: int, dim: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = Embedding(width, dim)
        self.centres: Tensor
        self.register_buffer("centres", torch.zeros(num_classes, dim))

    def forward(self, features: Tensor) -> Tensor:
        """Return the (B, C) logits of features (B, width)."""
        return self.logits(self.embedding(features))

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return the (B, C) logits of embeddings (B, dim)."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return embeddings @ self.centres.T


class Memory(nn.Module):
    """The last embeddings that entered, with their classes, as in cross-batch memory (Wang et al., CVPR 2020)."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.embeddings: Tensor
        self.classes: Tensor
        self.oldest: Tensor
        self.register_buffer("embeddings", torch.zeros(size, dim))
        # -1: not yet filled.
        self.register_buffer("classes", torch.full((size,), -1))
        self.register_buffer("oldest", torch.zeros((), dtype=torch.int64))

    def content(self) -> tuple[Tensor, Tensor]:
        """Return the (n, dim) embeddings and the (n,) classes that are there."""
        filled = self.classes >= 0
        return self.embeddings[filled], self.classes[filled]

    def enter(self, embeddings: Tensor, classes: Tensor) -> None:
        """Put (n, dim) embeddings of (n,) classes, at most as many as there are places, in place of the oldest ones."""
        size = len(self.classes)
        places = (self.oldest + torch.arange(len(classes), device=classes.device)) % size
        self.embeddings[places], self.classes[places] = embeddings, classes
        self.oldest.copy_((self.oldest + len(classes)) % size)

    def centres(self, num_classes: int) -> Tensor:
        """Return the (num_classes, dim) means of the embeddings of each class; zeros of classes that have none."""
        of_class = (self.classes[:, None] == torch.arange(num_classes, device=self.classes.device)).float()
        return of_class.T @ self.embeddings / of_class.sum(0).clamp_min(1)[:, None]


class Embedded(Plain):
    """Plain training whose head has an embedding, which retrieval may compare in place of the backbone's output."""

    head: Any

    @property
    def descriptor_network(self) -> nn.Module:
        """The backbone, or the backbone followed by the embedding."""
        network: nn.Module = self.backbone
        if self.p.descriptor == "backbone":
            return network
        return nn.Sequential(network, self.head.embedding)


def descriptor_choice() -> Any:
    """Return the parameter that says which descriptors retrieval compares."""
    return parameter(
        "backbone",
        "whose output is compared: the backbone's, or the embedding, which is signed and needs --distance cosine",
        "ours: the same for all methods of a table; the source compares the embedding",
        choices=("backbone", "embedding"),
    )


def contrastive_loss(one: Tensor, classes: Tensor, other: Tensor, other_classes: Tensor) -> Tensor:
    """Return the sum of 1 - cosine over pairs of one class and of the cosine over near pairs of two classes.

    Args:
        one: (n, D) embeddings of length 1.
        classes: (n,) their classes.
        other: (m, D) embeddings of length 1.
        other_classes: (m,) their classes.
    """
    with torch.autocast(one.device.type, enabled=False):
        cosines = one @ other.T
    same = classes[:, None] == other_classes
    attracting, repelling = same & (cosines < SAME), ~same & (cosines > MARGIN)
    return torch.where(attracting, 1 - cosines, 0.0).sum() + torch.where(repelling, cosines, 0.0).sum()
