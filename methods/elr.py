"""ELR: early-learning regularisation (Liu et al., NeurIPS 2020), for one label per image and for several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gridbench.errors import InputError
from gridbench.methods.base import Batch, Context, Setup, StepOutput
from gridbench.methods.losses import SCENE, SINGLE
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["ELR"]

CERTAIN = 1 - 1e-4
"""Probabilities are kept within 1e-4 of 0 and 1, as in shengliu66/ELR."""


@register_method()
class ELR(Plain):
    """Adds lambda * log(1 - t p) to the loss, where t is a running mean of the predictions p for an image.

    For one label per image p is a softmax, t p the inner product over classes, and each update of t adds p scaled to
    sum to 1 after clamping, as in shengliu66/ELR. For several, p is a sigmoid per class and the term a mean over batch
    and classes, as in tomburgert/nar_mlc and RSiM's RCML. Targets start at zero, are updated before they are used,
    follow the image's index and receive no gradient.
    """

    losses = (*SCENE, *SINGLE)
    because = "its targets are running means of class probabilities, which these losses are defined on"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of ELR."""

        lambda_: float | None = parameter(
            None,
            "weight of the regularisation; unset: 1 for several labels, 3 for one",
            "several labels: RSiM's RCML, above 2 it may run away; one: shengliu66/ELR, CIFAR-10, symmetric noise",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 7.0),
        )
        beta: float | None = parameter(
            None,
            "share of the old in each update of the targets; unset: 0.9 for several labels, 0.7 for one",
            "several labels: RSiM's RCML; one: shengliu66/ELR, CIFAR-10, symmetric noise",
            low=0,
            high=1,
            search=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99),
        )
        form: str | None = parameter(
            None,
            "multi_label, a sigmoid per class, or single_label, a softmax over classes: always that of the loss",
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
        """Fill in what depends on whether an image has one label or several.

        Raises:
            InputError: The other form than the loss's is asked for, or two_sided with one label per image.
        """
        assert context.loss is not None
        single = context.loss.task.predicts == "single"
        form = "single_label" if single else "multi_label"
        if parameters.form not in (None, form):
            other = "bce" if single else "ce"
            raise InputError(
                f"The method 'elr' with the loss {context.loss.name!r} has the form {form}; got "
                f"form={parameters.form}. Leave the parameter out; for the other form: --method elr --loss {other}"
            )
        if single and parameters.two_sided:
            raise InputError(
                "The parameter two_sided of 'elr' is of several labels; leave it out with one an image."
            )
        usual = {"lambda_": 3.0, "beta": 0.7} if single else {"lambda_": 1.0, "beta": 0.9}
        filled = {name: value for name, value in usual.items() if getattr(parameters, name) is None}
        return replace(parameters, form=form, **filled)

    def step(self, batch: Batch) -> StepOutput:
        """Update the batch's targets with its predictions, then return label loss plus regularisation."""
        prediction, task = self.predict(batch.images), self.objective.task
        losses = self.objective.per_sample(prediction, batch)
        probability = task.probabilities(prediction.float())
        assert probability is not None, "ELR needs a task that predicts how probable each class is"
        probability = probability.clamp(1 - CERTAIN, CERTAIN)
        targets = self._remember(probability, batch.indices)
        agreement = targets * probability
        if self.p.two_sided:
            agreement = agreement + (1 - targets) * (1 - probability)
        if task.predicts == "single":
            agreement = agreement.sum(1)
        regularisation = torch.log(1 - agreement).mean()
        shown = prediction.detach()
        logs = {"regularisation": regularisation.detach(), **task.logs(shown)}
        return StepOutput(
            losses.mean() + self.p.lambda_ * regularisation, losses, prediction=shown, logs=logs
        )

    @torch.no_grad()
    def _remember(self, probability: Tensor, indices: Tensor) -> Tensor:
        """Move the targets of the images at `indices` (B,) towards `probability` (B, C) and return them."""
        if self.objective.task.predicts == "single":
            probability = probability / probability.sum(1, keepdim=True)
        updated: Tensor = self.p.beta * self.targets[indices] + (1 - self.p.beta) * probability
        self.targets[indices] = updated
        return updated
