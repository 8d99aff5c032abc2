"""Base classes of methods and losses, and the interface between methods, tasks, losses and the trainer."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor, nn

from gridbench.errors import InputError
from gridbench.methods.hooks import (
    Averages,
    Entries,
    ParameterGroup,
    SampleScores,
    Sampling,
    StepOutput,
    TrainingView,
    check_views,
)
from gridbench.methods.tasks.batch import Batch, Geometry, View, mean_of_valid
from gridbench.methods.tasks.objective import Loss, Objective

__all__ = [
    "ANY_LOSS",
    "Averages",
    "Backbone",
    "Batch",
    "Context",
    "Entries",
    "Geometry",
    "Loss",
    "Method",
    "NoiseRate",
    "Objective",
    "ParameterGroup",
    "SampleScores",
    "Sampling",
    "Setup",
    "StepOutput",
    "TrainingView",
    "View",
    "mean_of_valid",
]


ANY_LOSS: tuple[str, ...] = ("*",)
NoiseRate = Callable[[Tensor, Tensor], float]
"""(N, C) labels and (N, C) probabilities -> estimated noise rate, 0 to 1."""


class Backbone(Protocol):
    """A network that maps images to features for heads and to descriptors for retrieval."""

    width: int

    def features(self, images: Tensor) -> Tensor:
        """Return the input of heads: (B, width) descriptors or a (B, width, h, w) feature map, as the task requires."""

    def pool(self, features: Tensor) -> Tensor:
        """Return the (B, width) descriptors of features."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return the (B, width) descriptors for retrieval."""


@dataclass(frozen=True)
class Context:
    """Information from which the parameters of a method are resolved before anything is built.

    Attributes:
        loss: Class of the loss; None for a method that trains nothing.
        slnir: Noise rate of the run, percent.
    """

    loss: type[Loss] | None
    slnir: float


@dataclass(frozen=True)
class Setup:
    """Information and builders for constructing a method.

    Attributes:
        backbone: Builds the backbone whose initial weights belong to the given stream name; one name, one network.
        build: Builds a module whose initial weights belong to the given stream name.
        objective: Task and loss; None for a method that trains nothing.
        num_samples: Number of training images N.
        num_classes: Number of classes C.
        epochs: Number of epochs of the run.
        map_size: (H, W) of the stored label maps, before any crop; None without maps.
        noise_rate: Estimates the noise rate from labels and the predictions for their images.
    """

    backbone: Callable[[str], Any]
    build: Callable[[str, Callable[[], Any]], Any]
    objective: Objective | None
    num_samples: int
    num_classes: int
    epochs: int
    map_size: tuple[int, int] | None = None
    noise_rate: NoiseRate | None = None

    def epochs_in(self, percent: float) -> int:
        """Return the number of epochs in a percentage of the run, rounded up.

        Args:
            percent: 0 to 100; exact as it is written, since floating-point products round up one epoch too many.
        """
        return math.ceil(self.epochs * Fraction(str(percent)) / 100)


class Method(nn.Module):
    """A training strategy; a concrete method is one file named as it is registered.

    Attributes:
        losses: Names of the supported losses, `ANY_LOSS`, or empty for a method that trains nothing.
        compares_losses: Whether it takes a small loss as evidence of a clean label, which excludes signed losses.
        because: Reason why only these losses are supported; shown if another one is requested.
        labels: Which labels it learns from: the corrupted ones, the clean ones (a reference row), or none.
        ranking: Ranking used for retrieval: by descriptors, or at random (a reference row).
        version: Incremented when its numbers change.
        note: Footnote of the method in every table, for example that it is a re-implementation; empty for most.
        authors_code: Parameters by public name whose defaults the protocol of that name replaces, where published
            code does something else than the paper says; the user's own values win.
        views: The augmentations of each image that a step sees, each `weak` (the recipe's) or `strong`, drawn
            independently of each other; `batch.images` is the first.
        recipe: Settings of `RunConfig` that the method's own paper trains with, for `--recipe own`; a comment beside
            each value says where it comes from.

    State that a method keeps between steps must be a parameter or a buffer created in `__init__`, so that checkpoints
    contain it. Random numbers must come from the generator of the batch or of the training view. An interrupted epoch
    is repeated from its start, including `on_epoch_start`.
    """

    name: ClassVar[str]
    losses: ClassVar[tuple[str, ...]] = ()
    compares_losses: ClassVar[bool] = False
    because: ClassVar[str] = ""
    labels: ClassVar[Literal["noisy", "clean", "none"]] = "noisy"
    ranking: ClassVar[Literal["descriptors", "chance"]] = "descriptors"
    version: ClassVar[int] = 1
    note: ClassVar[str] = ""
    authors_code: ClassVar[Mapping[str, Any]] = {}
    views: ClassVar[tuple[str, ...]] = ("weak",)
    recipe: ClassVar[Mapping[str, Any]] = {}

    @dataclass(frozen=True)
    class Parameters:
        """No parameters."""

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        # Published plug-ins may still define `noisy_percent`, which had an effect only beside one of these.
        removed = sorted({"evidence", "judge", "judge_labels"} & vars(cls).keys())
        if removed:
            raise TypeError(
                f"The method {cls.__name__} defines {', '.join(removed)}, which nothing calls any more: return scores "
                "of images and labels from score_samples(train) instead; see CONTRIBUTING.md."
            )
        try:
            check_views(cls.views)
            _check_declared(cls)
        except (TypeError, ValueError) as error:
            raise TypeError(f"The method {cls.__name__} cannot be used: {error}.") from error

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; a network or a parameter may not take a name that the base class defines."""
        if isinstance(value, (nn.Module, nn.Parameter)):
            self._refuse_taken(name)
        super().__setattr__(name, value)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Register a buffer; it may not take a name that the base class defines."""
        self._refuse_taken(name)
        super().register_buffer(name, tensor, persistent)

    def _refuse_taken(self, name: str) -> None:
        if name in vars(Method):
            raise InputError(
                f"The method {type(self).__name__} keeps a tensor or a network as {name!r}, which is a part of every "
                f"method (see docs/methods.md). Give it another name, such as 'own_{name}'."
            )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__()
        self.p: Any = self.Parameters() if parameters is None else parameters

    @classmethod
    def resolve(cls, parameters: Any, context: Context) -> Any:
        """Fill in parameters whose default depends on the loss or the noise rate.

        Args:
            parameters: The parameters as the user gave them.
            context: The loss and the noise rate.

        Returns:
            The parameters that the method is built with.

        Raises:
            InputError: They do not fit the loss.
        """
        return parameters

    @property
    @abstractmethod
    def descriptor_network(self) -> nn.Module:
        """The network whose output retrieval compares, and whose weights a run keeps."""

    def start(self, train: TrainingView) -> None:
        """Prepare for training; called once, before the first epoch and never when a run is resumed.

        Args:
            train: The training set.
        """

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Prepare for an epoch; called in training mode, without gradients, before its first step.

        Args:
            epoch: Epoch from 0.
            train: The training set.
        """

    def sampler(self, epoch: int, train: TrainingView) -> Sampling:
        """Return which images an epoch draws; called after `on_epoch_start`.

        None: every image once, in random order. A tensor of (N,) weights: N images, drawn with replacement in
        proportion to the weights. A list with one tensor of indices: these images once, in random order. A list with
        several: every mini-batch holds an equal share of each, in the order of the list, and `batch.parts` has the
        shares separately. The epoch is then as long as the first tensor; the others are shuffled and repeated as often
        as needed.

        Args:
            epoch: Epoch from 0.
            train: The training set.
        """
        return None

    def after_step(self) -> None:
        """Hook after each optimiser step; called without gradients."""

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the parameters to train, in groups; parameters outside these groups are not updated.

        Called once, before the first epoch. The default trains all parameters at the run's learning rate.
        """
        return [ParameterGroup("parameters", list(self.parameters()))]

    def update_order(self) -> list[list[nn.Parameter]]:
        """Return all parameters in groups, in the order in which published code updates them one after another."""
        return [list(self.parameters())]

    def describe(self, images: Tensor) -> Tensor:
        """Return the (B, D) descriptors of images (B, bands, H, W)."""
        descriptors: Tensor = self.descriptor_network(images)
        return descriptors

    def predict(self, images: Tensor) -> Tensor | None:
        """Return the trained head's output for images, or None when the method has no head."""
        return None

    def score_samples(self, train: TrainingView) -> SampleScores | None:
        """Return noise scores of the training labels, or None if the method does not score them.

        Called once when training is over, in evaluation mode and without gradients; it draws no random numbers.

        Args:
            train: The training set.
        """
        return None

    @abstractmethod
    def step(self, batch: Batch) -> StepOutput:
        """Compute the loss of one mini-batch; the trainer does the backward pass and the optimiser's step."""


def _check_declared(cls: type[Method]) -> None:
    """Refuse class attributes of the wrong type; a string, for example, would be read as a list of its letters.

    Raises:
        ValueError: With the reason.
    """
    losses: Any = cls.losses
    if not isinstance(losses, tuple | list) or not all(isinstance(loss, str) for loss in losses):
        raise ValueError(f"losses is {losses!r}; it must be a tuple of names, such as ('bce',)")
    for name, allowed in (("labels", ("noisy", "clean", "none")), ("ranking", ("descriptors", "chance"))):
        value = getattr(cls, name)
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, allowed))}")
    for name, kind in (("note", str), ("because", str), ("authors_code", Mapping), ("recipe", Mapping)):
        value = getattr(cls, name)
        if not isinstance(value, kind):
            raise ValueError(f"{name} is {value!r}; it must be {'text' if kind is str else 'a mapping'}")
