"""SAT: self-adaptive training (Huang et al., NeurIPS 2020), in its multi-label form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from gridbench.methods.base import Batch, Entries, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["SAT"]


@register_method()
class SAT(Plain):
    """Learns from a running mean of the given labels and of what was predicted of the image (eq. 5).

    After a warm-up, the targets of an image become t <- momentum t + (1 - momentum) p at each visit, before they are
    used; they start as the given labels and receive no gradient. As in tomburgert/nar_mlc and RSiM's RCML: a sigmoid
    per class, and without the original's weights of images, which belong to its softmax.
    """

    losses = ("bce",)
    because = "its targets are running means of class probabilities, which binary cross entropy alone is defined for"
    recipe: ClassVar[Mapping[str, Any]] = {
        # LayneH/self-adaptive-training, its CIFAR-10 scripts.
        "optimizer": "momentum",
        "momentum": 0.9,
        "learning_rate": 0.1,
        "schedule": "cosine",
        "weight_decay": 5e-4,
        "batch_size": 256,
        "epochs": 200,
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of SAT."""

        momentum: float = parameter(
            0.9,
            "share of the old in each update of the targets; 1 is plain training",
            "LayneH/self-adaptive-training",
            low=0,
            high=1,
            search=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.99),
        )
        warm_up: float = parameter(
            20.0,
            "epochs of plain training, percent of the run's (rounded up)",
            "ours; 30 in LayneH/self-adaptive-training, 60 in RSiM's RCML, 17 in nar_mlc",
            low=0,
            high=100,
            search=(1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.first_epoch = setup.epochs_in(self.p.warm_up)
        self.targets: Tensor
        self.register_buffer("targets", torch.zeros(setup.num_samples, setup.num_classes))

    def start(self, train: TrainingView) -> None:
        """Begin with the given labels as targets."""
        self.targets.copy_(train.scene_labels)

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean loss against the targets, which are the given labels during the warm-up."""
        prediction = self.predict(batch.images)
        shown = prediction.detach()
        if batch.epoch < self.first_epoch:
            losses = self.objective.per_sample(prediction, batch)
            return StepOutput(losses.mean(), losses, prediction=shown)
        targets = self._remember(torch.sigmoid(shown.float()), batch.indices)
        losses = self.objective.per_sample(prediction, replace(batch, scene_labels=targets))
        moved = (targets - batch.scene_labels).abs().mean(1)
        return StepOutput(losses.mean(), losses, moved, prediction=shown, logs={"moved": moved.mean()})

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how far the target of each label has moved from it, and the mean of each image."""
        (moved,) = train.average(self._moved)
        return SampleScores(moved.images, moved.labels)

    def _moved(self, batch: Batch) -> list[Entries]:
        return [((self.targets[batch.indices] - batch.scene_labels).abs(), None)]

    @torch.no_grad()
    def _remember(self, probability: Tensor, indices: Tensor) -> Tensor:
        """Move the targets of the images at `indices` (B,) towards `probability` (B, C) and return them."""
        updated: Tensor = self.p.momentum * self.targets[indices] + (1 - self.p.momentum) * probability
        self.targets[indices] = updated
        return updated
