"""LNC: correction of noisy label maps by entropy, re-implemented from an abstract (Dong et al., TGRS 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.core.labels import IGNORE
from gridbench.methods.base import (
    Batch,
    Entries,
    SampleScores,
    Setup,
    StepOutput,
    TrainingView,
    mean_of_valid,
)
from gridbench.methods.losses import PIXEL
from gridbench.methods.plain import Plain
from gridbench.methods.tasks.batch import stored_pixels
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["LNC", "normalised_entropy"]

UNCHANGED = IGNORE


@register_method()
class LNC(Plain):
    """Corrects pixels whose prediction is certain early in training, then trains on the corrected maps.

    Known of the original are its abstract and a sentence of the GRID paper (Section V); all else is ours. After a
    warm-up on the given maps comes a window in which every pixel of normalised entropy below tau takes the predicted
    class, decided anew against the given label at each visit; after it the corrections stay. Corrections are kept for
    the stored maps, so crops and mirrorings are undone before writing. Unlabelled pixels stay unlabelled.
    """

    losses = PIXEL
    because = "it corrects label maps pixel by pixel, which only a pixel-wise loss learns from"
    note = (
        "lnc is a re-implementation from the abstract of its paper; its formulas and settings are not public"
    )

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of LNC."""

        warm_up: float = parameter(
            10.0,
            "end of the warm-up, percent of the run's epochs (rounded up)",
            "ours",
            low=0,
            high=100,
            search=(1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0),
        )
        correct_until: float = parameter(
            20.0,
            "end of the correction window, percent of the run's epochs (rounded up)",
            "ours",
            low=0,
            high=100,
        )
        tau: float = parameter(
            0.2,
            "normalised entropy below which a prediction is believed; above 1 always",
            "ours",
            low=0,
            high=2,
            search=(0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9),
        )
        entropy_weight: float = parameter(
            0.0, "weight of the mean normalised entropy in the loss", "ours", low=0, high=1000
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        assert setup.map_size is not None  # a loss of label maps is refused for an archive without them
        self.first_epoch, self.stop = _window(setup, self.p.warm_up, self.p.correct_until)
        self.corrections: Tensor
        blank = torch.full((setup.num_samples, *setup.map_size), UNCHANGED, dtype=torch.uint8)
        self.register_buffer("corrections", blank)

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean cross entropy against the maps as corrected so far."""
        prediction = self.predict(batch.images)
        shown = prediction.detach()
        given = self.objective.task.target(batch)
        known = given != IGNORE
        where = stored_pixels(batch)
        if self.first_epoch <= batch.epoch < self.stop:
            certain = known & (normalised_entropy(shown.float()) < self.p.tau)
            believed = torch.where(certain, shown.argmax(1), UNCHANGED)
            self.corrections[where] = believed.to(torch.uint8)
        changes = self.corrections[where].long()
        maps = torch.where(changes != UNCHANGED, changes, given)

        losses = self.objective.per_sample(prediction, replace(batch, label_maps=maps))
        loss = losses.mean()
        if self.p.entropy_weight > 0:
            entropy = normalised_entropy(prediction.float())
            loss = loss + self.p.entropy_weight * mean_of_valid(entropy.flatten(1), known.flatten(1)).mean()
        corrected = mean_of_valid((maps != given).float().flatten(1), known.flatten(1))
        logs = {"corrected_pixels": corrected.mean(), **self.objective.task.logs(shown)}
        score = corrected if self.first_epoch < self.stop and batch.epoch >= self.first_epoch else None
        return StepOutput(loss, losses, score, prediction=shown, logs=logs)

    def score_samples(self, train: TrainingView) -> SampleScores | None:
        """Return the shares of corrected pixels; nothing where the window of corrections is empty."""
        if self.first_epoch == self.stop:
            return None
        (corrected,) = train.average(self._corrected)
        return SampleScores(corrected.images, corrected.labels)

    def _corrected(self, batch: Batch) -> list[Entries]:
        given = self.objective.task.target(batch)
        changes = self.corrections[stored_pixels(batch)].long()
        corrected = (changes != UNCHANGED) & (changes != given)
        return [(corrected.float().flatten(1), (given != IGNORE).flatten(1))]


def normalised_entropy(logits: Tensor) -> Tensor:
    """Return the (B, H, W) entropies of softmax(logits) (B, C, H, W) over ln C, in [0, 1]."""
    log_p = F.log_softmax(logits, 1)
    return -(log_p.exp() * log_p).sum(1) / math.log(max(logits.shape[1], 2))


def _window(setup: Setup, warm_up: float, correct_until: float) -> tuple[int, int]:
    """Return the first epoch of the correction window and the one after its last.

    Percentages of the run, so that a short run corrects too: as long as the window is not empty in percent, it holds
    at least one epoch after a warm-up of at least one.
    """
    start, stop = setup.epochs_in(warm_up), setup.epochs_in(correct_until)
    return (start, max(stop, start + 1)) if correct_until > warm_up else (start, start)
