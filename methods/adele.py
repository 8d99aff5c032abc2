"""ADELE: label maps are corrected once the fit of a class to its given labels slows down (Liu et al., CVPR 2022)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gridbench.core.labels import IGNORE
from gridbench.methods._adele import corrected_maps, multiscale_losses, predictions_at, update_epoch
from gridbench.methods.base import Batch, Entries, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.plain import Plain
from gridbench.methods.tasks.batch import stored_pixels
from gridbench.methods.tasks.segmentation import named_class, overlap_and_union
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["ADELE"]


@register_method()
class ADELE(Plain):
    """Adaptive early-learning correction with predictions that agree over three scales.

    Once an epoch the IoU of each class between what was predicted in training and the maps trained on is noted. Where
    a fitted curve says that it has slowed down by `slowdown`, the class is corrected: pixels of it, or predicted to be
    it, take the predicted class where the mean probability over the scales is above tau and the class occurs in the
    image. As in Kangningthu/ADELE for SegTHOR, except that there is no background unless `background` names one, and
    that predictions for the correction come from a pass over the training set, as for PASCAL VOC.
    """

    losses = ("pce",)
    because = "it corrects label maps pixel by pixel, and compares softmaxes of several scales"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of ADELE."""

        consistency: float = parameter(
            1.0,
            "lambda, weight of the divergence between scales",
            "Kangningthu/ADELE",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0),
        )
        rho: float = parameter(
            0.8, "probability from which an image is made consistent", "Kangningthu/ADELE", low=0, high=1
        )
        tau: float = parameter(
            0.7, "probability from which a prediction corrects", "SegTHOR in Kangningthu/ADELE", low=0, high=1
        )
        slowdown: float = parameter(
            0.9,
            "relative fall of the slope of a class's IoU from which it is corrected",
            "Kangningthu/ADELE",
            low=0,
            high=1,
        )
        every: int = parameter(
            10, "epochs in which a class is corrected once", "Kangningthu/ADELE", low=1, high=100_000
        )
        background: int | str = parameter(
            "none",
            "class that any pixel may be corrected from or to; none: all classes alike",
            "ours; 0 in Kangningthu/ADELE",
            low=0,
            high=254,
            words=("none",),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        assert setup.map_size is not None  # a loss of label maps is refused for an archive without them
        self.epochs = setup.epochs
        self.background = named_class("background", self.p.background, setup.num_classes)
        self.maps: Tensor
        self.areas: Tensor
        self.curves: Tensor
        self.corrected_in: Tensor
        maps = torch.full((setup.num_samples, *setup.map_size), IGNORE, dtype=torch.uint8)
        self.register_buffer("maps", maps)
        # Intersection and union of each class, of the epoch so far; and the IoU of each epoch.
        self.register_buffer("areas", torch.zeros(2, setup.num_classes, dtype=torch.int64))
        self.register_buffer("curves", torch.zeros(setup.epochs, setup.num_classes, dtype=torch.float64))
        self.register_buffer("corrected_in", torch.full((setup.num_classes,), -1, dtype=torch.int64))

    def start(self, train: TrainingView) -> None:
        """Take over the given maps, which corrections then replace."""
        assert train.label_maps is not None
        self.maps.copy_(train.label_maps)

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Note the IoU of the epoch that ended, and correct the classes whose curves have slowed down."""
        if epoch == 0:
            return
        overlap, union = self.areas.double()
        self.curves[epoch - 1] = overlap / union.clamp_min(1)
        self.areas.zero_()
        due = self._due(epoch)
        if due.any():
            train.apply(lambda batch: self._correct(batch, due))
            self.corrected_in[due] = epoch

    def step(self, batch: Batch) -> StepOutput:
        """Return the cross entropies of three scales against the maps as corrected, and their divergence."""
        where = stored_pixels(batch)
        given, current = self.objective.task.target(batch), self.maps[where].long()
        logits = predictions_at(self.predict, batch.images)
        losses, consistency = multiscale_losses(logits, current, self.p.rho)
        per_image = (losses + self.p.consistency * consistency) / len(logits)
        shown = logits[0].detach()
        self.areas += overlap_and_union(shown.argmax(1), current, self.areas.shape[1])
        changed = (current != given) & (given != IGNORE)
        score = changed.flatten(1).float().mean(1)
        logs = {"corrected_pixels": score.mean(), "consistency": consistency.detach().mean()}
        logs.update(self.objective.task.logs(shown))
        plain = self.objective.per_sample(shown, replace(batch, label_maps=current))
        return StepOutput(per_image.mean(), plain, score, prediction=shown, logs=logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return the shares of corrected pixels."""
        (corrected,) = train.average(self._corrected)
        return SampleScores(corrected.images, corrected.labels)

    def _corrected(self, batch: Batch) -> list[Entries]:
        given = self.objective.task.target(batch)
        changed = self.maps[stored_pixels(batch)] != given
        return [(changed.float().flatten(1), (given != IGNORE).flatten(1))]

    def _due(self, epoch: int) -> Tensor:
        """Return (C,) bool: classes whose curve has slowed down, and that this block of epochs did not correct yet."""
        due: Tensor = self.corrected_in < epoch - epoch % self.p.every
        for label in due.nonzero().flatten().tolist():
            curve = self.curves[:epoch, label].cpu().numpy()
            # The authors' count of epochs starts at 1 and is compared before the epoch that ends is counted.
            slow = epoch - 1 >= update_epoch(curve, self.epochs, self.p.slowdown)
            due[label] = slow and label != self.background
        return due

    def _correct(self, batch: Batch, due: Tensor) -> Tensor:
        """Correct the visible part of the label maps of a batch, and return its indices."""
        where = stored_pixels(batch)
        probabilities = torch.stack(predictions_at(self.predict, batch.images)).float().softmax(2).mean(0)
        found = corrected_maps(self.maps[where].long(), probabilities, due, self.p.tau, self.background)
        self.maps[where] = found.to(torch.uint8)
        return batch.indices
