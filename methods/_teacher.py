"""Teacher network whose weights are an exponential moving average of the student's, shared by several methods."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from gridbench.methods.base import Setup
from gridbench.methods.plain import Plain

__all__ = ["Teacher", "average_of", "follow", "ramp"]


class Teacher(Plain):
    """Plain training with a moving average of backbone and head, through which no gradient flows.

    The average starts as a copy and keeps the share `teacher_decay` of itself at each step, which a step may set. Its
    batch statistics are its own, since it sees mini-batches in training mode, as in the published code.
    """

    teacher_decay = 0.999

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.teacher: Any = average_of(self.backbone, self.head)

    def predict_by_teacher(self, images: Tensor) -> Tensor:
        """Return the teacher's output for images."""
        backbone, head = self.teacher
        prediction: Tensor = head(backbone.features(images))
        return prediction

    def after_step(self) -> None:
        """Move the teacher's weights towards the network's."""
        follow(self.teacher, [self.backbone, self.head], self.teacher_decay)


def average_of(*networks: nn.Module) -> nn.ModuleList:
    """Return copies of networks that nothing trains, in their order."""
    return copy.deepcopy(nn.ModuleList(networks)).requires_grad_(False)


def follow(average: nn.ModuleList, networks: Sequence[nn.Module], decay: float) -> None:
    """Move the weights of an average towards those of its networks.

    Args:
        average: What `average_of` returned.
        networks: The networks.
        decay: Share of the average that stays, 0 to 1.
    """
    new = [parameter for network in networks for parameter in network.parameters()]
    for old, current in zip(average.parameters(), new, strict=True):
        old.lerp_(current, 1 - decay)


def ramp(done: float, length: float) -> float:
    """Return exp(-5 (1 - done / length)^2), the usual ramp of mean teachers, and 1 from `length` on."""
    return math.exp(-5 * max(0.0, 1 - done / length) ** 2) if length else 1.0
