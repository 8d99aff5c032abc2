"""The interface of a task: its head, its target, and the classes that a prediction declares present."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor, nn

from gridbench.core.labels import IGNORE
from gridbench.methods.tasks.batch import Batch

__all__ = ["Task", "has_known_pixel", "label_maps"]


class Task(ABC):
    """Prediction task: the output predicted from image features, and the labels that it is learnt from.

    Attributes:
        name: Name of the task and of its file.
        level: Which labels it needs: scene labels, label maps, or the single label of each image.
        reads: What its head takes: the pooled descriptor or the feature map before pooling.
        predicts: What its predictions are scored as: `labels`, which classes an image shows (`class_scores`); `single`,
            which one (`class_scores`); `pixels`, which class each pixel shows (`pixel_classes`); None, not at all.
        threshold: A class is predicted present where its score is above that.
        calibrated: Whether `class_scores` are probabilities, whose calibration can be measured.
        no_labels: Why single labels of an image have no score, where `per_label` returns None.

    Args:
        num_classes: Number of classes C.
        map_size: (H, W) of the label maps that a batch holds; None without maps.
        feature_size: (h, w) of the backbone's feature map for the images of a batch; None when it is not known.
    """

    name: ClassVar[str]
    level: ClassVar[Literal["scene", "pixel", "single"]]
    reads: ClassVar[Literal["descriptor", "feature_map"]]
    predicts: ClassVar[Literal["labels", "single", "pixels"] | None] = None
    threshold: ClassVar[float] = 0.5
    calibrated: ClassVar[bool] = True
    no_labels: ClassVar[str] = "the entries of the loss belong to no single label"

    def __init__(
        self,
        num_classes: int,
        map_size: tuple[int, int] | None = None,
        feature_size: tuple[int, int] | None = None,
    ) -> None:
        self.num_classes = num_classes
        self.map_size = map_size
        self.feature_size = feature_size

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

    def per_label(
        self, values: Tensor, valid: Tensor | None, batch: Batch
    ) -> tuple[Tensor, Tensor | None] | None:
        """Return what the entries of a loss say of each label of a batch.

        Args:
            values: (B, E) of each entry of the loss.
            valid: (B, E) bool, entries that count, or None when all do.
            batch: The batch.

        Returns:
            (B, C) means over the entries of each label, and the (B, C) mask of what is a label or None when all
            are; None when entries belong to no single label (`no_labels` says why).
        """
        return None

    def probabilities(self, prediction: Tensor) -> Tensor | None:
        """Return (B, C), how probable each class is in the image; None when a prediction does not say that."""
        return None

    def class_scores(self, prediction: Tensor) -> Tensor | None:
        """Return (B, C) scores from 0 to 1 by which classes rank as present; None when a prediction has none."""
        return self.probabilities(prediction)

    def distribution(self, prediction: Tensor) -> Tensor | None:
        """Return the probabilities of a prediction, of its shape (B, C, ...); None when it is not a distribution."""
        return None

    def pixel_classes(self, prediction: Tensor) -> Tensor | None:
        """Return the (B, H, W) classes that a prediction gives each pixel; None when it says nothing of pixels."""
        return None

    def of_given_pixels(self, prediction: Tensor, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """Return the (B, E) probabilities of each pixel's given class and the (B, E) mask of labelled pixels.

        None when a prediction says nothing of pixels.
        """
        return None

    def margins(self, prediction: Tensor, batch: Batch) -> Tensor | None:
        """Return the (B, E) margins by which a prediction favours the given labels; None when it has none.

        E is 1 for one label per image, and the number of classes for several, absent ones included.
        """
        return None

    def symmetric_kl(self, one: Tensor, other: Tensor) -> Tensor | None:
        """Return the (B, ...) divergences KL(p||q) + KL(q||p) of two predictions, one for each entry of the loss.

        None when the task's outputs are not distributions.
        """
        return None

    def logs(self, prediction: Tensor) -> dict[str, Tensor]:
        """Return scalars worth watching in a prediction, to be averaged over the epoch."""
        return {}


def label_maps(batch: Batch) -> Tensor:
    """Return the (B, H, W) label maps of a batch.

    Raises:
        ValueError: The batch holds none.
    """
    if batch.label_maps is None:
        raise ValueError("This task learns from label maps, and the batch holds none.")
    return batch.label_maps


def has_known_pixel(batch: Batch) -> Tensor:
    """Return (B,) bool: images of which at least one pixel is labelled."""
    known: Tensor = (label_maps(batch) != IGNORE).flatten(1).any(1)
    return known
