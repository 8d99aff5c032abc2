"""DISC: dynamic instance-specific selection and correction (Li et al., CVPR 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods._mixing import draw_mixing
from gridbench.methods.base import Batch, Entries, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.losses.softmax import generalised_cross_entropy
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["DISC"]

EPOCHS, Q, HIGHEST = 200, 0.7, 0.99
"""Length of a run, exponent of GCE, and largest threshold for purifying, as in JackYFL/DISC."""

KINDS = "clean", "hard", "purified"


@register_method()
class DISC(Plain):
    """Divides images by whether two views are more certain of the label than the image's predictions were so far.

    Before each epoch, by what the epoch before it predicted: clean images are those of which both views are, hard ones
    those of which one is; the label of others of which a prediction is far more certain is replaced (purified). Clean
    images learn by cross entropy, hard ones by GCE, and all three kinds by mixup of each view (Section 3;
    JackYFL/DISC). Ours: warm-up and momentum are those of 200 epochs, scaled to the run, since the thresholds start at
    1 / N and rise by the epoch; a single image is not mixed.
    """

    losses = ("ce",)
    because = "it compares the probabilities of the one label of each image"
    views = ("weak", "strong")
    recipe: ClassVar[Mapping[str, Any]] = {
        # JackYFL/DISC, algorithms/DISC.py for CIFAR; a tenth of the rate at epochs 80 and 160.
        "optimizer": "momentum",
        "momentum": 0.0,
        "learning_rate": 0.1,
        "weight_decay": 1e-3,
        "batch_size": 128,
        "epochs": EPOCHS,
        "schedule": "step",
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of DISC."""

        momentum: float = parameter(
            0.99,
            "share of the old in each update of the thresholds, for a run of 200 epochs",
            "JackYFL/DISC; 0.95 for asymmetric noise and from 60 % on",
            low=0,
            high=1,
            search=(0.5, 0.7, 0.8, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995),
        )
        hard: float = parameter(
            1.0,
            "lambda_h, weight of hard images",
            "JackYFL/DISC; 0.2 from 60 % noise on",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0),
        )
        sigma: float = parameter(
            0.5,
            "how far above the threshold a prediction replaces a label",
            "JackYFL/DISC; 0.3 for low noise in its issue 7",
            low=0,
            high=1,
            search=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        )
        warm_up: float = parameter(
            10.0,
            "epochs of cross entropy, percent of the run's (rounded up)",
            "JackYFL/DISC: 20 of 200",
            low=0,
            high=100,
            search=(1.0, 2.0, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0),
        )
        alpha: float = parameter(
            5.0, "both parameters of mixup's beta distribution", "JackYFL/DISC", low=0, high=1000
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        size = setup.num_samples, setup.num_classes
        self.first_epoch = setup.epochs_in(self.p.warm_up)
        self.kept_share = self.p.momentum ** (EPOCHS / max(setup.epochs, 1))
        self.seen: Tensor
        self.kinds: Tensor
        self.thresholds: Tensor
        self.current: Tensor
        self.register_buffer("seen", torch.zeros(2, *size))
        self.register_buffer("thresholds", torch.full((2, size[0]), 1 / size[0]))
        self.register_buffer("current", torch.zeros(size))
        self.register_buffer("kinds", torch.zeros(len(KINDS), size[0], dtype=torch.bool))

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Divide the images by what the epoch before predicted, then move the thresholds."""
        if epoch == 0:
            return
        given = train.scene_labels.to(self.seen)
        above = (self.seen * given).sum(2) > self.thresholds
        clean, either = above.all(0), above.any(0)
        certainty, predicted = self.seen.mean(0).max(1)
        purified = ~either & (certainty > (self.thresholds.mean(0) + self.p.sigma).clamp_max(HIGHEST))
        self.kinds.copy_(torch.stack([clean, either & ~clean, purified]))
        self.current.copy_(torch.where(purified[:, None], F.one_hot(predicted, given.shape[1]), given))
        self.thresholds.lerp_(self.seen.amax(2), 1 - self.kept_share)

    def step(self, batch: Batch) -> StepOutput:
        """Return the loss of both views, each image's by its kind."""
        at, views = batch.indices, batch.views
        both = self.predict(torch.cat([view.images for view in views])).view(2, len(at), -1)
        shown = both.detach()
        self.seen[:, at] = F.softmax(shown.float(), 2)
        losses = torch.stack([self.objective.per_sample(each, batch) for each in both])
        score = self._below(batch).mean(0)
        if batch.epoch < self.first_epoch:
            return StepOutput(losses.mean(1).sum(), losses[0], score, prediction=shown[0])
        clean, hard, purified = self.kinds[:, at]
        classes = self.objective.task.target(batch)
        robust = torch.stack([generalised_cross_entropy(each.float(), classes, Q) for each in both])
        loss = (torch.where(clean, losses, 0.0) + self.p.hard * torch.where(hard, robust, 0.0)).mean(1).sum()
        mixed = clean | hard | purified
        for view in views if int(mixed.sum()) > 1 else ():
            mixing = draw_mixing(batch.generator, int(mixed.sum()), self.p.alpha, own_most=True)
            prediction = self.predict(mixing(view.images[mixed])).float()
            loss = loss + F.cross_entropy(prediction, mixing(self.current[at[mixed]]))
        logs = {name: kind.float().mean() for name, kind in zip(KINDS, self.kinds[:, at], strict=True)}
        return StepOutput(loss, losses[0], score, ~(clean | hard), shown[0], logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how far labels stay below the thresholds, and the share of those that do in both views."""

        def judged(batch: Batch) -> list[Entries]:
            below = self._below(batch)
            return [(below.mean(0)[:, None], None), ((below >= 0).all(0).float()[:, None], None)]

        scores, flagged = train.average(judged)
        return SampleScores(scores.images, scores.labels, 100 * float(flagged.images.mean()))

    def _below(self, batch: Batch) -> Tensor:
        """Return (2, B): by how much each view's probability of the label is below its threshold."""
        at = batch.indices
        return self.thresholds[:, at] - (self.seen[:, at] * batch.scene_labels).sum(2)
