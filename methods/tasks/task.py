"""The contract of a task: a head, a target and what a prediction says is present."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

if TYPE_CHECKING:
    from gridbench.methods.base import Batch

__all__ = ["Task"]


class Task(ABC):
    """What is predicted from an image's features, and from which annotation it is learnt.

    Attributes:
        name: Name of the task and of its file.
        annotation: Which labels it needs: scene labels or label maps.
        reads: What its head takes: the pooled descriptor or the feature map before pooling.

    Args:
        num_classes: Number of classes C.
        map_size: (H, W) of the label maps that a batch holds; None without maps.
    """

    name: ClassVar[str]
    annotation: ClassVar[Literal["scene", "pixel"]]
    reads: ClassVar[Literal["descriptor", "feature_map"]]

    def __init__(self, num_classes: int, map_size: tuple[int, int] | None = None) -> None:
        self.num_classes = num_classes
        self.map_size = map_size

    @abstractmethod
    def head(self, width: int) -> nn.Module:
        """Build a head over `width` input channels; the generative head is the same type with its own weights."""

    @abstractmethod
    def target(self, batch: Batch) -> Tensor:
        """Return what the loss compares a prediction with."""

    @abstractmethod
    def valid(self, batch: Batch) -> Tensor | None:
        """Return (B,) bool, images that have something to learn from, or None when all have."""

    @abstractmethod
    def present(self, prediction: Tensor) -> Tensor:
        """Return (B, C) bool, the classes that a prediction says are in the image."""
