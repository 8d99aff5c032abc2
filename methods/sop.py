"""SOP: sparse over-parameterisation, which models the noise of each label (Liu et al., ICML 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.methods.base import Batch, ParameterGroup, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["SOP", "explained", "sop_loss"]

LOWEST = 1e-4
START = 1e-8
"""Standard deviation of the variables' start: noise is assumed sparse, and grows exponentially from here."""

EPOCHS, BATCH = 300, 128
"""Epochs and mini-batch of the runs for which the authors chose the learning rates of u and v."""


@register_method()
class SOP(Plain):
    """Learns u and v of each image beside the network: U = u^2 of the given class, V = v^2 of the others is its noise.

    Cross entropy of p + U - V, scaled to a distribution, and the squared error of the predicted class + U - V against
    the label (eqs. 4 to 6, as in shengliu66/SOP). The network learns from the first term, u from both, v from the
    second. Both have plain SGD of their own. How far they grow goes with rate x epochs / batch size; the rates are
    those of 300 epochs in batches of 128, and gradients are scaled so that they grow as far in others (ours).
    """

    losses = ("ce",)
    because = "it models the noise of one label per image inside of the cross entropy"
    recipe: ClassVar[Mapping[str, Any]] = {
        # shengliu66/SOP, config_cifar10.json and README.
        "optimizer": "momentum",
        "momentum": 0.9,
        "learning_rate": 0.02,
        "weight_decay": 1e-3,
        "batch_size": BATCH,
        "epochs": EPOCHS,
        "schedule": "cosine",
        "min_lr": 2e-4,
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of SOP."""

        lr_u: float = parameter(
            1.0,
            "learning rate of u, the noise of given labels",
            "shengliu66/SOP, README; asymmetric noise 0.1",
            low=0,
            high=100_000,
            search=(0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0),
        )
        lr_v: float = parameter(
            10.0,
            "learning rate of v, the noise of other classes",
            "shengliu66/SOP, README; asymmetric noise 100",
            low=0,
            high=100_000,
            search=(0.1, 0.3, 1.0, 3.0, 10.0, 20.0, 30.0, 50.0, 100.0, 300.0),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.per_epoch = EPOCHS / max(setup.epochs, 1)
        self.u = nn.Parameter(torch.full((setup.num_samples, 1), START))
        self.v = nn.Parameter(torch.full((setup.num_samples, setup.num_classes), START))

    def start(self, train: TrainingView) -> None:
        """Draw the start of both variables."""
        for variable in (self.u, self.v):
            drawn = torch.randn(variable.shape, generator=train.generator, device=train.generator.device)
            with torch.no_grad():
                variable.copy_(START * drawn)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return the networks, and u and v with rates of their own."""
        networks = [*self.backbone.parameters(), *self.head.parameters()]
        return [
            ParameterGroup("networks", networks),
            ParameterGroup("u", [self.u], lr=self.p.lr_u),
            ParameterGroup("v", [self.v], lr=self.p.lr_v),
        ]

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean of both terms."""
        return self.output_of(self.predict(batch.images), batch)

    def output_of(self, prediction: Tensor, batch: Batch) -> StepOutput:
        """Return the mean of both terms for what the head says of a batch."""
        losses = self.objective.per_sample(prediction, batch)
        u, v = self.noise_of(batch.indices)
        loss = sop_loss(prediction.float(), batch.scene_labels, u, v).mean()
        score = self.u.detach()[batch.indices, 0].square()
        logs = {"u_squared": score.mean(), **self.objective.task.logs(prediction.detach())}
        return StepOutput(loss, losses.detach(), score, prediction=prediction.detach(), logs=logs)

    def noise_of(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return u (B, 1) and v (B, C) of images, with gradients of the size that length and batch ask for."""
        factor = self.per_epoch * len(indices) / BATCH
        u, v = (factor * x - (factor - 1) * x.detach() for x in (self.u[indices], self.v[indices]))
        return u, v

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return the modelled noise of the given labels."""
        (noise,) = train.average(lambda batch: [(self.u[batch.indices].square(), None)])
        return SampleScores(noise.images, noise.labels)


def sop_loss(logits: Tensor, labels: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return the (B,) losses.

    Args:
        logits: (B, C).
        labels: (B, C) one-hot.
        u: (B, 1) variables of the given classes.
        v: (B, C) variables of the other classes.
    """
    of_given, of_others = _noise(labels, u, v)
    predicted = F.one_hot(logits.argmax(1), logits.shape[1])
    error = (predicted + of_given - of_others - labels).square().sum(1)
    return -(labels * explained(logits, labels, u, v).log()).sum(1) + error


def explained(logits: Tensor, labels: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return the (B, C) probabilities with the modelled noise added, scaled to sum to 1; arguments as of `sop_loss`."""
    of_given, of_others = _noise(labels, u, v)
    seen = (F.softmax(logits, 1) + of_given - of_others.detach()).clamp_min(LOWEST)
    return (seen / seen.sum(1, keepdim=True)).clamp(LOWEST, 1)


def _noise(labels: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    return u.square().clamp(0, 1) * labels, v.square().clamp(0, 1) * (1 - labels)
