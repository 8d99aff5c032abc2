"""Shared part of methods with two networks: the second network, and small-loss selection in a mini-batch."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from gridbench.errors import InputError
from gridbench.methods.base import Batch, Context, Setup, StepOutput
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter

__all__ = ["TwoNetworks", "drop_rate", "dropped_share", "resolve_dropped_share", "smallest"]


class TwoNetworks(Plain):
    """Plain training of a network with a second one beside it, whose weights start elsewhere.

    Retrieval compares the descriptors of the first network, and predictions are its own; neither network is ever
    picked by its score.
    """

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.backbone_2 = setup.backbone("backbone-2")
        self.head_2: nn.Module = setup.build(
            "head-2", lambda: self.objective.task.head(self.backbone_2.width)
        )

    def predict_2(self, images: Tensor) -> Tensor:
        """Return the second head's output for images."""
        prediction: Tensor = self.head_2(self.backbone_2.features(images))
        return prediction

    def step(self, batch: Batch) -> StepOutput:
        """Return the sum of both networks' plain losses, and what the first one predicts."""
        output = super().step(batch)
        losses = self.objective.per_sample(self.predict_2(batch.images), batch)
        return replace(output, loss=output.loss + losses.mean())


def dropped_share(source: str) -> Any:
    """Return the parameter that says which share is dropped in the end.

    Args:
        source: Where its defaults come from.
    """
    return parameter(
        None,
        "share that is dropped in the end; unset: 0.2 of the images or 0.05 of the entries; slnir: known noise rate",
        source,
        low=0,
        high=1,
        words=("slnir",),
        search=(0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
    )


def resolve_dropped_share(method: str, parameters: Any, context: Context) -> Any:
    """Fill in the dropped share `tau` of parameters that also have a `selection` of samples or labels.

    Args:
        method: The method's registered name.
        parameters: Its parameters.
        context: What they may be derived from.

    Raises:
        InputError: Entries are selected by the noise rate, which says nothing of the share of wrong entries.
    """
    if parameters.tau == "slnir":
        if parameters.selection == "label":
            raise InputError(
                f"The method {method!r} can be given the noise rate (tau=slnir) with selection=sample only: the share "
                "of wrong entries also depends on how many labels an image has. Give tau as a number."
            )
        return replace(parameters, tau=context.slnir / 100)
    if parameters.tau is None:
        return replace(parameters, tau=0.05 if parameters.selection == "label" else 0.2)
    return parameters


def drop_rate(epoch: int, tau: float, gradual_epochs: int, exponent: float = 1.0) -> float:
    """Return R: from 0 linearly to tau^c over the first T_k epochs, then tau.

    Args:
        epoch: Epoch from 0.
        tau: Share that is dropped in the end, 0 to 1.
        gradual_epochs: T_k.
        exponent: c.
    """
    if epoch >= gradual_epochs:
        return tau
    return float(tau**exponent * epoch / max(gradual_epochs - 1, 1))


def smallest(losses: Tensor, share: float) -> Tensor:
    """Return (n,) bool: the floor(n * share) smallest losses, at least one, the earlier of equal ones."""
    exact = Fraction(share).limit_denominator(10**9)
    count = max(int(len(losses) * exact), 1)
    kept = torch.zeros_like(losses, dtype=torch.bool)
    kept[torch.sort(losses, stable=True).indices[:count]] = True
    return kept
