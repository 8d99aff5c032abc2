"""EM + APL: entropy maximisation with asymmetric pseudo-labels (Zhou et al., ECCV 2022)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import torch
from torch import Tensor

from gridbench.methods.base import Batch, Entries, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.losses.multi_label.an_ls import negative_log
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["EMAPL"]


@register_method()
class EMAPL(Plain):
    """Treats absent labels as unknown, and gives the least probable of them a soft label as training goes on.

    Before each epoch after the warm-up, of the unknown labels of each class an equal number, the least probable, get
    their probability as a soft label, which stays (Section 3.3); in the end the chosen proportion has one. Given
    present labels are never changed. Ours: probabilities are those of images cropped at the centre (published code
    augments), the weights are the last epoch's (published code stops before validation falls).
    """

    losses = ("em",)
    because = "it replaces the entropy of unknown labels, which that loss alone has"
    recipe: ClassVar[Mapping[str, Any]] = {
        # Correr-Zhou/SPML-AckTheUnknown, main.py for COCO, from weights trained on ImageNet.
        "optimizer": "adam",
        "learning_rate": 1e-5,
        "batch_size": 16,
        "epochs": 10,
        "pretrained": True,
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of EM + APL."""

        beta: float = parameter(
            0.2,
            "weight of the soft labels; 0 leaves out what has one",
            "Correr-Zhou/SPML-AckTheUnknown, NUS; 0.02 for VOC, 0.9 for COCO",
            low=0,
            high=1000,
            search=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.9, 1.0),
        )
        warm_up: float = parameter(
            50.0,
            "epochs before the first soft label, percent of the run's (rounded up)",
            "Correr-Zhou/SPML-AckTheUnknown: 5 of 10 for VOC and COCO",
            low=0,
            high=100,
            search=(5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0),
        )
        proportion: float = parameter(
            0.9, "share of the unknown labels that have a soft one in the end", "Zhou et al.", low=0, high=1
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.epochs = setup.epochs
        self.first_epoch = setup.epochs_in(self.p.warm_up)
        self.pseudo: Tensor
        # Below 0: no soft label.
        self.register_buffer("pseudo", torch.full((setup.num_samples, setup.num_classes), -1.0))

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Give the least probable unknown labels of each class a soft label."""
        if epoch < self.first_epoch:
            return
        probability = train.apply(lambda batch: self.predict(batch.images).float().sigmoid()).to(self.pseudo)
        absent = train.scene_labels.to(self.pseudo) == 0
        share = Fraction(str(self.p.proportion)) / (self.epochs - self.first_epoch)
        for label in range(probability.shape[1]):
            count = int(int(absent[:, label].sum()) * share)
            unknown = torch.where(
                absent[:, label] & (self.pseudo[:, label] < 0), probability[:, label], math.inf
            )
            chosen = torch.sort(unknown, stable=True).indices[:count]
            chosen = chosen[torch.isfinite(unknown[chosen])]
            self.pseudo[chosen, label] = probability[chosen, label]

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean loss over present, unknown and softly labelled entries."""
        prediction = self.predict(batch.images)
        losses, _ = self.objective.per_entry(prediction, batch)
        soft = self.pseudo[batch.indices]
        probability = prediction.float().sigmoid()
        agreement = soft * negative_log(probability) + (1 - soft) * negative_log(1 - probability)
        per_image = torch.where(soft >= 0, self.p.beta * agreement, losses).mean(1)
        shown = prediction.detach()
        score = (probability.detach() * (1 - batch.scene_labels)).mean(1)
        logs = {"soft_labels": (soft >= 0).float().mean()}
        return StepOutput(per_image.mean(), per_image, score, prediction=shown, logs=logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return the probabilities of absent labels, 0 for present ones, and the means of images."""
        (scores,) = train.average(self._doubt)
        return SampleScores(scores.images, scores.labels)

    def _doubt(self, batch: Batch) -> list[Entries]:
        return [(self.predict(batch.images).float().sigmoid() * (1 - batch.scene_labels), None)]
