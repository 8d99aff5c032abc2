"""Plain supervised training: a backbone, a head and one loss, without any defence against label noise."""

from __future__ import annotations

import functools
from typing import Any

from torch import Tensor, nn

from gridbench.errors import InputError
from gridbench.methods.base import Batch, Method, Objective, Setup, StepOutput

__all__ = ["Plain", "plain_method"]


class Plain(Method):
    """Discriminative reasoning only: minimise the mean loss over the mini-batch (paper, eq. 1)."""

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        if setup.objective is None:
            raise InputError(
                f"The method {type(self).__name__} trains a head and names no losses; set losses = ANY_LOSS or a list."
            )
        self.objective: Objective = setup.objective
        self.backbone = setup.backbone("backbone")
        self.head: nn.Module = setup.build("head", self.make_head)

    def make_head(self) -> nn.Module:
        """Build the head that reads the backbone's features: that of the task."""
        return self.objective.task.head(self.backbone.width)

    @property
    def descriptor_network(self) -> nn.Module:
        """The backbone."""
        network: nn.Module = self.backbone
        return network

    def predict(self, images: Tensor) -> Tensor:
        """Return the head's output for images."""
        prediction: Tensor = self.head(self.backbone.features(images))
        return prediction

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean of the per-sample losses."""
        prediction = self.predict(batch.images)
        losses = self.objective.per_sample(prediction, batch)
        shown = prediction.detach()
        return StepOutput(losses.mean(), losses, prediction=shown, logs=self.objective.task.logs(shown))


_BECAUSE = (
    "it is plain training with that very loss; plain training with another loss is the method of its name"
)


@functools.cache
def plain_method(loss: str) -> type[Plain]:
    """Return the method that is plain training with one loss, and is named like it."""
    document = f"Plain training with the loss {loss}."
    own = {"losses": (loss,), "because": _BECAUSE, "__doc__": document, "__module__": __name__}
    return type(loss, (Plain,), own)


def __getattr__(name: str) -> type[Plain]:
    # The registry finds the plain method of a loss as an attribute of this module.
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return plain_method(name)
