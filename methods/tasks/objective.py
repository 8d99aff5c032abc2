"""Losses of a task, and the pair of a task and one of its losses that a method trains with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gridbench.errors import InputError
from gridbench.methods.tasks.batch import Batch, mean_of_valid
from gridbench.methods.tasks.task import Task

__all__ = ["Loss", "Objective"]


class Loss(ABC):
    """A per-sample loss of one task; a concrete loss is one file named as it is registered.

    Attributes:
        task: The task whose predictions it scores.
        version: Raised when its numbers change.
        lambda_percent: The share of a mini-batch that GRID flags as noisy with this loss (paper, Section V-A).
        signed: Whether its values may be negative, so that a smaller one does not say that a label fits better.
    """

    name: ClassVar[str]
    task: ClassVar[type[Task]]
    version: ClassVar[int] = 1
    lambda_percent: ClassVar[float] = 20.0
    signed: ClassVar[bool] = False

    @dataclass(frozen=True)
    class Parameters:
        """No parameters."""

    def __init__(self, parameters: Any = None) -> None:
        self.parameters: Any = self.Parameters() if parameters is None else parameters

    @abstractmethod
    def entries(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the loss of every entry and, where some do not count, a bool mask of the valid ones.

        Args:
            prediction: (B, ...) head output, float32.
            target: The task's target, of the shape that the loss states.

        Returns:
            (B, ...) losses, and a mask of the same shape or None when every entry counts.
        """

    def per_entry(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return (B, E) losses in float32 whatever autocast says, and the (B, E) mask of valid entries or None."""
        with torch.autocast(prediction.device.type, enabled=False):
            found: Any = self.entries(prediction.float(), target)
        losses: Any
        valid: Any
        losses, valid = found if isinstance(found, tuple) and len(found) == 2 else (None, None)
        rows = isinstance(losses, Tensor) and losses.ndim > 1 and len(losses) == len(prediction)
        if not rows or (valid is not None and (valid.shape != losses.shape or valid.dtype != torch.bool)):
            shapes = [tuple(each.shape) for each in (losses, valid) if isinstance(each, Tensor)]
            raise InputError(
                f"entries of the loss {type(self).__name__!r} returned a {type(found).__name__} of {shapes} for a "
                f"prediction of {tuple(prediction.shape)}; it must return the loss of every entry (B, ...) and None, "
                "or a bool mask of the same shape."
            )
        return losses.flatten(1), None if valid is None else valid.flatten(1)

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return (B,): the mean loss over each sample's valid entries, in float32 whatever autocast says."""
        return mean_of_valid(*self.per_entry(prediction, target))


@dataclass(frozen=True)
class Objective:
    """A task with one of its losses: all that a method knows about the objective.

    Attributes:
        task: Builds heads, selects targets from a batch, and turns predictions into probabilities.
        loss: Scores predictions against the targets.
    """

    task: Task
    loss: Loss

    def per_sample(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the (B,) losses of a head's output on a batch."""
        return self.loss(prediction, self.task.target(batch))

    def per_entry(self, prediction: Tensor, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Return the (B, E) losses of each entry of a head's output, and the mask of valid entries or None."""
        return self.loss.per_entry(prediction, self.task.target(batch))
