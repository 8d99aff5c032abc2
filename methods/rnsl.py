"""RNSL: robust normalised softmax, an embedding learnt with a noise-tolerant loss (Kang et al., TGRS 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from gridbench.methods._embedding import Embedded, NormalisedSoftmax, descriptor_choice
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["RECIPE", "RNSL", "EmbeddingParameters"]

RECIPE: Mapping[str, Any] = {
    # jiankang1991/RNSL, train/main.py: Nesterov, halved every 30 epochs, weights of ImageNet, images of 256 px with
    # flips, random grey and colour jitter; strong augmentation here would also rotate, shear and move them.
    "optimizer": "sgd",
    "momentum": 0.9,
    "learning_rate": 0.1,
    "weight_decay": 1e-4,
    "batch_size": 256,
    "epochs": 130,
    "schedule": "step",
}


@dataclass(frozen=True)
class EmbeddingParameters:
    """Parameters of the normalised softmax; q is the loss's."""

    dim: int = parameter(128, "width of the embedding", "jiankang1991/RNSL", low=1, high=100_000)
    temperature: float = parameter(
        0.05,
        "what cosines are divided by",
        "jiankang1991/RNSL",
        low=0,
        low_open=True,
        high=100,
        search=(0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0),
    )
    descriptor: str = descriptor_choice()


@register_method()
class RNSL(Embedded):
    """Minimises GCE of a softmax over the cosines of an embedding to a prototype of each class (its eqs. 5 and 8).

    Embedding and prototypes have length 1, and cosines are divided by a temperature. With the loss ce it is the
    normalised softmax loss, which RNSL tends to as q goes to 0.
    """

    losses: ClassVar[tuple[str, ...]] = ("gce", "ce")
    because = "it makes the normalised softmax loss robust by GCE"
    recipe: ClassVar[Mapping[str, Any]] = RECIPE

    @dataclass(frozen=True)
    class Parameters(EmbeddingParameters):
        """Parameters of RNSL."""

    def make_head(self) -> nn.Module:
        """Build the head: an embedding, compared with the prototype of each class."""
        p, classes = self.p, self.objective.task.num_classes
        return NormalisedSoftmax(self.backbone.width, p.dim, classes, p.temperature)
