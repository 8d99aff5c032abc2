"""Types of what passes between methods and the trainer: steps, parameter groups, views, samplers and scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gridbench.methods.tasks.batch import Batch

__all__ = [
    "VIEWS",
    "Averages",
    "Entries",
    "ParameterGroup",
    "SampleScores",
    "Sampling",
    "StepOutput",
    "TrainingView",
    "check_views",
]

Entries = tuple[Tensor, Tensor | None]
"""(B, E) values of the entries of a loss, and the (B, E) mask of those that count or None."""


@dataclass(frozen=True)
class StepOutput:
    """Output of one training step.

    Attributes:
        loss: Scalar that the trainer differentiates.
        per_sample_loss: (B,) loss of each image under the descriptor network's head, with or without its graph.
        noisy_score: (B,) higher means more probably mislabelled, or None if the method does not score samples.
        selected: (B,) bool, images that this step treated as noisy, or None.
        prediction: The head's output, detached, for memorisation and prevalence; None when there is none.
        logs: Name -> scalar to average over the epoch.
    """

    loss: Tensor
    per_sample_loss: Tensor
    noisy_score: Tensor | None = None
    selected: Tensor | None = None
    prediction: Tensor | None = None
    logs: Mapping[str, float | Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are updated in the same way.

    Without `lr` the run's optimiser updates the group, at `lr_factor` times the learning rate that the schedule gives.
    With `lr` plain SGD updates it at that constant rate, as SOP does with its per-sample variables (Liu et al., ICML
    2022): no schedule, and a momentum and a weight decay of 0 unless they are given.

    Attributes:
        name: Unique within the method.
        parameters: Parameters of the method.
        lr_factor: Factor on the run's learning rate, at least 0.
        lr: Separate learning rate, at least 0.
        momentum: Momentum of SGD, 0 to below 1; only together with `lr`.
        weight_decay: Replaces the weight decay of the run, at least 0.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    lr_factor: float = 1.0
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        what = f"the parameter group {self.name!r}"
        if self.lr is None and self.momentum is not None:
            raise ValueError(f"{what} has a momentum but no lr of its own; give both or neither")
        if self.lr is not None and self.lr_factor != 1.0:
            raise ValueError(f"{what} has both lr and lr_factor; give one of them")
        for name, low, high in (
            ("lr_factor", 0.0, math.inf),
            ("lr", 0.0, math.inf),
            ("momentum", 0.0, 1.0),
            ("weight_decay", 0.0, math.inf),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value < high:
                raise ValueError(f"{what}: {name} is {value}; it must be at least {low:g} and below {high:g}")


@dataclass(frozen=True)
class Averages:
    """Means over the entries of a loss, of the whole training set in its order.

    Attributes:
        images: (N,) of each image.
        labels: (M,) of each label, where entries belong to labels; else None.
    """

    images: Tensor
    labels: Tensor | None


class TrainingView(Protocol):
    """Access of a method to the whole training set, with the labels that it is trained on."""

    @property
    def num_samples(self) -> int:
        """Number of training images N."""

    @property
    def num_classes(self) -> int:
        """Number of classes C."""

    @property
    def scene_labels(self) -> Tensor:
        """A copy of the (N, C) float32 labels, on the training device."""

    @property
    def label_maps(self) -> Tensor | None:
        """A copy of the (N, H, W) uint8 maps, whole, in main memory, 255 = ignore; None without maps."""

    @property
    def generator(self) -> torch.Generator:
        """Random numbers of the stream "method" for this very call."""

    def apply(self, function: Callable[[Batch], Any], views: Sequence[str] = ()) -> Any:
        """Apply a function to the whole training set, in its order, in evaluation mode and without gradients.

        Args:
            function: A mini-batch -> tensor (B, ...), or several such tensors.
            views: Augmentations to draw for each image, which `batch.views` then holds; without any, images and maps
                are cut at the centre, as in evaluation.

        Returns:
            The (N, ...) results in main memory: a tensor, or a tuple of tensors where the function returns several.
        """

    def average(self, function: Callable[[Batch], Sequence[Entries]]) -> list[Averages]:
        """Apply a function to the training set as `apply` does, and average the entries that it returns.

        Args:
            function: A mini-batch -> one or several values of the entries of the loss.
        """


VIEWS = ("weak", "strong")
"""Augmentations that a method may ask for: the recipe's, and that followed by a strong one."""

Sampling = Tensor | Sequence[Tensor] | None
"""What `Method.sampler` returns."""


@dataclass(frozen=True)
class SampleScores:
    """Noise scores of the training labels by a trained method; higher means more probably wrong.

    Attributes:
        images: (N,) of each image.
        labels: (M,) of each label, as `Averages` has them; None when it scores images alone.
        noisy_percent: The share of the images that it flags as noisy, percent; None when it flags none.
    """

    images: Tensor
    labels: Tensor | None = None
    noisy_percent: float | None = None


def check_views(views: Any, none: bool = False) -> tuple[str, ...]:
    """Validate the names of views.

    Args:
        views: A sequence of names.
        none: Whether it may be empty.

    Returns:
        The names.

    Raises:
        ValueError: It is not a sequence of names of views.
    """
    names = () if isinstance(views, str) else tuple(views)
    if not (names or none) or isinstance(views, str) or not set(names) <= set(VIEWS):
        raise ValueError(f"views is {views!r}; it must be a tuple of {' and '.join(map(repr, VIEWS))}")
    return names
