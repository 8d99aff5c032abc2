"""What the trainer offers a method between its steps, and what a method says of its parameters and labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from gridbench.methods.tasks.batch import Batch

__all__ = ["Averages", "Entries", "ParameterGroup", "SampleScores", "TrainingView"]

Entries = tuple[Tensor, Tensor | None]
"""(B, E) values of the entries of a loss, and the (B, E) mask of those that count or None."""


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
        lr: A learning rate of its own, at least 0.
        momentum: Of SGD, 0 to below 1; only together with `lr`.
        weight_decay: In place of the run's, at least 0.
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
            raise ValueError(f"{what} has a momentum of its own and no lr of its own; give both or neither")
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
    """The whole training set as the trained method may see it: the labels that were trained on."""

    def average(self, function: Callable[[Batch], Sequence[Entries]]) -> list[Averages]:
        """Apply a function to the training set, without augmentation or gradients, and average what it returns.

        Args:
            function: A mini-batch -> values of the entries of the loss; one or several of such.
        """


@dataclass(frozen=True)
class SampleScores:
    """What a trained method thinks of its training labels; higher means more probably wrong.

    Attributes:
        images: (N,) of each image.
        labels: (M,) of each label, as `Averages` has them; None when it scores images alone.
        noisy_percent: The share of the images that it flags as noisy, percent; None when it flags none.
    """

    images: Tensor
    labels: Tensor | None = None
    noisy_percent: float | None = None
