"""Reference row: descriptors of the randomly initialised backbone, without any training."""

from __future__ import annotations

from typing import Any

from torch import nn

from gridbench.methods.base import Batch, Method, Setup, StepOutput
from gridbench.registry import register_method

__all__ = ["Untrained"]


@register_method()
class Untrained(Method):
    """The initial backbone, the same as every method of that seed starts from."""

    labels = "none"

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.backbone: nn.Module = setup.backbone("backbone")

    @property
    def descriptor_network(self) -> nn.Module:
        """The untrained backbone."""
        return self.backbone

    def step(self, batch: Batch) -> StepOutput:
        """Refuse: there is nothing to train.

        Raises:
            RuntimeError: Always; the trainer does not call this for a method whose `labels` are "none".
        """
        raise RuntimeError(f"The reference row {self.name!r} has no training step.")
