"""A teacher whose weights are a moving average of the network's, for the methods that have one."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from gridbench.methods.base import Setup
from gridbench.methods.plain import Plain

__all__ = ["Teacher"]


class Teacher(Plain):
    """Plain training with a moving average of backbone and head, through which nothing is learnt.

    The average starts as a copy and is moved after each step by the share `teacher_decay`, which a step may set. Its
    statistics of batches are its own, since it sees mini-batches in training mode, as in the published code.
    """

    teacher_decay = 0.999

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.teacher: Any = copy.deepcopy(nn.ModuleList([self.backbone, self.head])).requires_grad_(False)

    def predict_by_teacher(self, images: Tensor) -> Tensor:
        """Return the teacher's output for images."""
        backbone, head = self.teacher
        prediction: Tensor = head(backbone.features(images))
        return prediction

    def after_step(self) -> None:
        """Move the teacher's weights towards the network's."""
        student = [*self.backbone.parameters(), *self.head.parameters()]
        for old, new in zip(self.teacher.parameters(), student, strict=True):
            old.lerp_(new, 1 - self.teacher_decay)
