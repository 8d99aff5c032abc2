"""MLT: multi-label training with estimated transition matrices (Li et al., NeurIPS 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gridbench.methods._mlt import class_rates, fallback_rates, scaled_losses, select
from gridbench.methods.base import Batch, Entries, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["MLT"]

PASSES = 5
"""Epochs whose losses decide which labels are selected, as in tmllab/2022_NeurIPS_Multi-Label-T."""

SMALLEST = 1e-6
"""Probabilities are kept within this much of 0 and 1, so that the weights p_t / p~_t stay finite. Ours."""


@register_method()
class MLT(Plain):
    """Weighs the loss of each label by p_t / p~_t, where p~ is the prediction after the noise of its class.

    A first stage of plain training ends with an estimate of the rates rho01 and rho10 at which labels of each class
    were added and removed: from how often other classes come with it in all labels and in those of small loss (its
    Section 4). Where that has no solution, Dual-T estimates them; a class with too few labels of small loss is treated
    as free of noise.
    """

    losses = ("bce",)
    because = "it estimates how labels of several classes come together, and weighs binary cross entropy"
    note = (
        "mlt goes straight on after the estimate, with the weights and the optimiser as they are, where published code "
        "returns to the weights of the lowest loss on noisy validation labels and starts a new optimiser; no rate is "
        "told to its estimator, where published code sets those that are truly zero"
    )
    recipe: ClassVar[Mapping[str, Any]] = {
        # tmllab/2022_NeurIPS_Multi-Label-T, scripts for VOC, from weights trained on ImageNet; it clips in its first
        # stage alone.
        "optimizer": "adam",
        "learning_rate": 5e-5,
        "batch_size": 128,
        "epochs": 40,
        "clip_norm": 10.0,
        "pretrained": True,
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of MLT."""

        first_stage: float = parameter(
            25.0,
            "epochs before the estimate, percent of the run's (rounded up)",
            "tmllab/2022_NeurIPS_Multi-Label-T: epoch 10 of 20 + 20 for VOC, 15 of 30 + 30 for COCO",
            low=0,
            high=100,
            search=(5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0, 75.0),
        )
        fewest: int = parameter(
            50,
            "selected labels of each value below which a class counts as free of noise",
            "tmllab/2022_NeurIPS_Multi-Label-T",
            low=1,
            high=1_000_000,
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.estimate_at = max(setup.epochs_in(self.p.first_stage), 1)
        self.scaled: Tensor
        self.added: Tensor
        self.missing: Tensor
        self.register_buffer("scaled", torch.zeros(setup.num_samples, setup.num_classes))
        for name in ("added", "missing"):
            self.register_buffer(name, torch.zeros(setup.num_classes))

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Add up the scaled losses of the last epochs of the first stage, then estimate the rates."""
        if not max(self.estimate_at - PASSES + 1, 1) <= epoch <= self.estimate_at:
            return
        losses, probability = train.apply(self._losses)
        labels = train.scene_labels.to(losses)
        self.scaled += scaled_losses(losses, labels).to(self.scaled)
        if epoch == self.estimate_at:
            passes = min(PASSES, self.estimate_at)
            chosen = select(self.scaled.cpu() / passes, labels)
            for number in range(labels.shape[1]):
                rates = self._rates(probability, labels.double(), chosen[:, number], number)
                self.added[number], self.missing[number] = rates

    def _rates(self, probability: Tensor, labels: Tensor, chosen: Tensor, number: int) -> tuple[float, float]:
        given = labels[:, number]
        if min(int((chosen & (given == value)).sum()) for value in (0, 1)) < self.p.fewest:
            return 0.0, 0.0
        rates = class_rates(labels, chosen, number) or fallback_rates(probability[:, number], given)
        return rates if sum(rates) < 1 else (0.0, 0.0)

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        prediction = self.predict(batch.images)
        losses, _ = self.objective.per_entry(prediction, batch)
        return losses, prediction.float().sigmoid()

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean of the weighted losses."""
        prediction = self.predict(batch.images)
        shown, given = prediction.detach(), batch.scene_labels > 0
        losses, _ = self.objective.per_entry(prediction, batch)
        p, after = self._before_and_after(shown)
        weights = torch.where(given, p / after, (1 - p) / (1 - after))
        losses = (weights * losses).mean(1)
        score = self._wrong(shown, batch).mean(1) if batch.epoch >= self.estimate_at else None
        logs = {"rate_added": self.added.mean(), "rate_missing": self.missing.mean()}
        return StepOutput(losses.mean(), losses, score, prediction=shown, logs=logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how probably each label was flipped."""
        (scores,) = train.average(self._flipped)
        return SampleScores(scores.images, scores.labels)

    def _flipped(self, batch: Batch) -> list[Entries]:
        return [(self._wrong(self.predict(batch.images), batch), None)]

    def _wrong(self, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the (B, C) probabilities that the truth is not what the label says."""
        p, after = self._before_and_after(prediction)
        return torch.where(
            batch.scene_labels > 0, (1 - p) * self.added / after, p * self.missing / (1 - after)
        )

    def _before_and_after(self, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (B, C) probabilities of the classes, and those of their labels after the noise."""
        p = prediction.float().sigmoid().clamp(SMALLEST, 1 - SMALLEST)
        return p, p + (1 - p) * self.added - p * self.missing
