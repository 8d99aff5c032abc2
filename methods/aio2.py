"""AIO2: objects missing from label maps are added by an exponential moving average model (Liu et al., TGRS 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.core.labels import IGNORE
from gridbench.methods._aio2 import added_objects, softened, transition_has_ended
from gridbench.methods._teacher import Teacher
from gridbench.methods.base import Batch, Setup, StepOutput, TrainingView, mean_of_valid
from gridbench.methods.tasks.segmentation import named_class, overlap_and_union
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["AIO2"]

EPOCHS, WINDOWS = 325, (10, 20, 30, 40)
"""Length of a run, and of the windows in which its slope is followed, in zhu-xlab/AIO2; windows scale with the run."""


@register_method()
class AIO2(Teacher):
    """Adaptive triggering and online object-wise correction, for objects that are missing in label maps.

    Once the teacher's IoU with the given maps has passed from learning to memorising, every object of a class that it
    predicts and that touches no pixel labelled as the class is added to the labels of the mini-batch, with soft
    boundaries; nothing is stored. Two things differ from zhu-xlab/AIO2: it has one class and a background, here every
    class but `background` has objects; and it goes back to the weights of the trigger epoch, here training goes on
    from the epoch that detects it. Its Dice loss is left out: the loss is only the cross entropy.
    """

    losses = ("pce",)
    because = "it adds objects to label maps, and learns from soft labels of pixels"
    note = "aio2 was published for one class and a background; for several classes it is ours, and it does not rewind"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of AIO2."""

        decay: float = parameter(
            0.999,
            "share of the teacher that stays at each step",
            "zhu-xlab/AIO2",
            low=0,
            high=1,
            search=(0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999),
        )
        filter_size: int = parameter(
            5, "side of the square that softens added objects, pixels", "zhu-xlab/AIO2", low=1, high=255
        )
        start: float | str = parameter(
            "auto",
            "percent of the run from which objects are added; auto: when the teacher begins to memorise",
            "Liu et al.: the adaptive correction trigger",
            low=0,
            high=100,
            words=("auto",),
        )
        background: int | str = parameter(
            "none",
            "class that has no objects; none: all have",
            "ours; 0 in zhu-xlab/AIO2",
            low=0,
            high=254,
            words=("none",),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.teacher_decay = self.p.decay
        self.epochs = setup.epochs
        self.background = named_class("background", self.p.background, setup.num_classes)
        self.windows = [max(3, round(length * setup.epochs / EPOCHS)) for length in WINDOWS]
        self.areas: Tensor
        self.curve: Tensor
        self.started: Tensor
        self.register_buffer("areas", torch.zeros(2, setup.num_classes, dtype=torch.int64))
        self.register_buffer("curve", torch.zeros(setup.epochs, dtype=torch.float64))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Record the teacher's IoU of the epoch that ended, and decide whether objects are added from now on."""
        overlap, union = self.areas.double()
        if epoch and union.any():
            self.curve[epoch - 1] = (overlap[union > 0] / union[union > 0]).mean()
        self.areas.zero_()
        if self.p.start == "auto":
            ended = bool(self.started) or transition_has_ended(self.curve[:epoch].tolist(), self.windows)
            self.started.fill_(ended)
        else:
            self.started.fill_(100 * epoch >= self.p.start * self.epochs)

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean cross entropy against the labels, once it has started with objects added."""
        prediction = self.predict(batch.images)
        given = self.objective.task.target(batch)
        known = given != IGNORE
        with torch.no_grad():
            found = self.predict_by_teacher(batch.images).argmax(1)
        self.areas += overlap_and_union(found, given, self.areas.shape[1])
        target = F.one_hot(torch.where(known, given, 0), prediction.shape[1]).movedim(3, 1).float()
        added = torch.zeros_like(target)
        if bool(self.started):
            added = self._added(found, given, prediction.shape[1])
        soft = target * (1 - added.sum(1, keepdim=True)) + added
        log_p = F.log_softmax(prediction.float(), 1)
        losses = mean_of_valid(-(soft * log_p).sum(1).flatten(1), known.flatten(1))
        share = mean_of_valid(added.sum(1).flatten(1), known.flatten(1))
        shown = prediction.detach()
        logs = {"added_pixels": share.mean(), **self.objective.task.logs(shown)}
        return StepOutput(losses.mean(), losses, share, prediction=shown, logs=logs)

    def _added(self, found: Tensor, given: Tensor, classes: int) -> Tensor:
        """Return the (B, C, H, W) weights of added objects, which sum to at most 1 over the classes of a pixel."""
        predicted, labelled = found.cpu().numpy(), given.cpu().numpy()
        weights = np.zeros((len(predicted), classes, *predicted.shape[1:]), np.float32)
        for one, other, weight in zip(predicted, labelled, weights, strict=True):
            for label in set(np.unique(one).tolist()) - {self.background}:
                weight[label] = softened(added_objects(one == label, other == label), self.p.filter_size)
        added = torch.from_numpy(weights).to(found.device)
        return added / added.sum(1, keepdim=True).clamp_min(1)
