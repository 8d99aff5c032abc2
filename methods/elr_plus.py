"""ELR+: early-learning regularisation with two networks, averaged weights and mixup (Liu et al., NeurIPS 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods._mixing import draw_mixing
from gridbench.methods._teacher import average_of, follow, ramp
from gridbench.methods._two_networks import TwoNetworks
from gridbench.methods.base import Batch, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.elr import CERTAIN
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["ELRPlus"]


@register_method()
class ELRPlus(TwoNetworks):
    """ELR on mixed images, with targets from what the average of the other network's weights says of unmixed ones.

    As in shengliu66/ELR, ELR_plus, for CIFAR-10 (for 100 classes it also multiplies labels by the targets, which is
    left out). Ours: both networks learn from the same mini-batches in one step, where published code trains one after
    the other for an epoch; the decay of the averages rises over a share of the run. Averages see mini-batches in
    training mode, as there. The output for a mixed image is not a prediction for either image, so the epochs log none.
    """

    losses = ("ce",)
    because = "its targets are running means of a softmax over classes"
    recipe: ClassVar[Mapping[str, Any]] = {
        # shengliu66/ELR, ELR_plus/config_cifar10.json; a tenth of the rate from epoch 150 on.
        "optimizer": "momentum",
        "momentum": 0.9,
        "learning_rate": 0.02,
        "weight_decay": 5e-4,
        "batch_size": 128,
        "epochs": 200,
        "schedule": "step",
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of ELR+."""

        lambda_: float = parameter(
            3.0,
            "weight of the regularisation",
            "shengliu66/ELR, ELR_plus: CIFAR-10, symmetric noise; asymmetric 1, CIFAR-100 7",
            low=0,
            high=1000,
            search=(0.0, 0.3, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0),
        )
        beta: float = parameter(
            0.7,
            "share of the old in each update of the targets",
            "shengliu66/ELR, ELR_plus: CIFAR-10, symmetric noise; otherwise 0.9",
            low=0,
            high=1,
            search=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99),
        )
        alpha: float = parameter(
            1.0,
            "both parameters of mixup's beta distribution; 0: no mixup",
            "shengliu66/ELR",
            low=0,
            high=1000,
        )
        decay: float = parameter(
            0.997,
            "share of the averaged weights that stays after the ramp-up",
            "shengliu66/ELR",
            low=0,
            high=1,
        )
        ramp_up: float = parameter(
            50.0,
            "percent of the run over which that share rises",
            "shengliu66/ELR: 40,000 of 78,200 steps",
            low=0,
            high=100,
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.epochs = setup.epochs
        self.current_decay = 0.0
        self.average: Any = average_of(self.backbone, self.head)
        self.average_2: Any = average_of(self.backbone_2, self.head_2)
        self.targets: Tensor
        self.targets_2: Tensor
        for name in ("targets", "targets_2"):
            self.register_buffer(name, torch.zeros(setup.num_samples, setup.num_classes))

    def step(self, batch: Batch) -> StepOutput:
        """Update both networks' targets, then return the sum of their losses on mixed images."""
        mixing = draw_mixing(batch.generator, len(batch.indices), self.p.alpha, own_most=True)
        images = batch.images
        mixed = mixing(images)
        total, kept, terms = torch.zeros((), device=images.device), [], []
        for predict, (backbone, head), targets in (
            (self.predict, self.average_2, self.targets),
            (self.predict_2, self.average, self.targets_2),
        ):
            with torch.no_grad():
                seen = F.softmax(head(backbone.features(images)).float(), 1)
                seen = seen / seen.sum(1, keepdim=True)
                updated = self.p.beta * targets[batch.indices] + (1 - self.p.beta) * seen
                targets[batch.indices] = updated
            prediction = predict(mixed)
            losses = mixing.losses(self.objective, prediction, batch)
            probability = F.softmax(prediction.float(), 1).clamp(1 - CERTAIN, CERTAIN)
            agreement = (mixing(updated) * probability).sum(1)
            terms.append(torch.log(1 - agreement).mean())
            kept.append(losses)
            total = total + losses.mean() + self.p.lambda_ * terms[-1]
        done = 100 * (batch.epoch + (batch.step + 1) / batch.num_steps) / self.epochs
        self.current_decay = self.p.decay * ramp(done, self.p.ramp_up)
        score = 1 - (self.targets[batch.indices] * batch.scene_labels).sum(1)
        return StepOutput(total, kept[0], score, logs={"regularisation": terms[0].detach()})

    def after_step(self) -> None:
        """Move both averages towards their networks."""
        follow(self.average, [self.backbone, self.head], self.current_decay)
        follow(self.average_2, [self.backbone_2, self.head_2], self.current_decay)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how little the first network's targets agree with each label."""

        def disagreement(batch: Batch) -> Any:
            return [(1 - (self.targets[batch.indices] * batch.scene_labels).sum(1, keepdim=True), None)]

        (scores,) = train.average(disagreement)
        return SampleScores(scores.images, scores.labels)
