"""ELR: early-learning regularisation (Liu et al., NeurIPS 2020), in its multi-label form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gridbench.errors import InputError
from gridbench.methods.base import Batch, Context, Setup, StepOutput
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["ELR"]

CERTAIN = 1 - 1e-4
"""Probabilities are kept within 1e-4 of 0 and 1, as in shengliu66/ELR."""


@register_method()
class ELR(Plain):
    """Adds lambda * log(1 - t p) to the loss, where t is a running mean of what an image's predictions p were.

    As in tomburgert/nar_mlc and RSiM's RCML: p is a sigmoid per class and the term a mean over batch and classes.
    Targets start at zero, are updated before they are used, follow the image's index and receive no gradient. The
    original, with a softmax over classes of which an image has exactly one, is not offered: there is no such task.
    """

    losses = ("bce", "fl", "asl")
    because = "its targets are running means of class probabilities, which these losses are defined on"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of ELR."""

        lambda_: float = parameter(
            1.0,
            "weight of the regularisation",
            "RSiM's RCML; above 2 it may run away",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 7.0),
        )
        beta: float = parameter(
            0.9,
            "share of the old in each update of the targets",
            "RSiM's RCML",
            low=0,
            high=1,
            search=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99),
        )
        form: str = parameter(
            "multi_label",
            "a sigmoid per class; single_label, a softmax over classes, is refused: there is no single-label task yet",
            "paper, Section V: adapted to several labels",
            choices=("multi_label", "single_label"),
        )
        two_sided: bool = parameter(
            False,
            "whether absent classes are remembered too: t p + (1 - t)(1 - p) in place of t p",
            "ours; no source has it",
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.targets: Tensor
        self.register_buffer("targets", torch.zeros(setup.num_samples, setup.num_classes))

    @classmethod
    def resolve(cls, parameters: Any, context: Context) -> Any:
        """Refuse the single-label form.

        Raises:
            InputError: It is asked for; scores of predictions and the method's loss would still be of several labels.
        """
        if parameters.form == "single_label":
            raise InputError(
                "The method 'elr' with form=single_label needs a task with exactly one label an image, which gridbench "
                "does not have yet: every image is trained and scored as having several. Leave the parameter out, or "
                "give -p form=multi_label, which takes images with one label, too."
            )
        return parameters

    def step(self, batch: Batch) -> StepOutput:
        """Update the batch's targets with its predictions, then return label loss plus regularisation."""
        prediction = self.predict(batch.images)
        losses = self.objective.per_sample(prediction, batch)
        probability = torch.sigmoid(prediction.float()).clamp(1 - CERTAIN, CERTAIN)
        targets = self._remember(probability, batch.indices)
        agreement = targets * probability
        if self.p.two_sided:
            agreement = agreement + (1 - targets) * (1 - probability)
        regularisation = torch.log(1 - agreement).mean()
        shown = prediction.detach()
        logs = {"regularisation": regularisation.detach(), **self.objective.task.logs(shown)}
        return StepOutput(
            losses.mean() + self.p.lambda_ * regularisation, losses, prediction=shown, logs=logs
        )

    @torch.no_grad()
    def _remember(self, probability: Tensor, indices: Tensor) -> Tensor:
        """Move the targets of the images at `indices` (B,) towards `probability` (B, C) and return them."""
        updated: Tensor = self.p.beta * self.targets[indices] + (1 - self.p.beta) * probability
        self.targets[indices] = updated
        return updated
