"""What one epoch of training showed: losses, how well noisy samples were found, and how much was memorised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridbench.methods.base import Batch, StepOutput
from gridbench.methods.tasks.task import Task
from gridbench.metrics.detection import detection_scores, top_share

__all__ = ["EpochLog", "Truth", "memorised_pixels", "memorised_share"]


@dataclass(frozen=True)
class Truth:
    """What was done to the training labels, known to the log and never to a method.

    Attributes:
        changed: (K, 3) int64: position in the training set, class before, class after (-1 for none).
        num_samples: Number of training images.
        slnir: Requested noise rate in percent.
    """

    changed: np.ndarray[Any, np.dtype[np.int64]]
    num_samples: int
    slnir: float

    @property
    def noisy(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """(N,) bool: images with at least one changed label."""
        noisy = np.zeros(self.num_samples, dtype=bool)
        noisy[self.changed[:, 0]] = True
        return noisy


def memorised_share(present: np.ndarray[Any, Any], truth: Truth) -> float | None:
    """Return the share of injected labels that a model predicts as present; None when none were injected.

    Args:
        present: (N, C) bool, the classes predicted present in each training image.
        truth: What was injected.
    """
    injected = truth.changed[truth.changed[:, 2] >= 0]
    if not len(injected):
        return None
    return float(present[injected[:, 0], injected[:, 2]].mean())


def memorised_pixels(
    predicted: Iterable[np.ndarray[Any, Any]], given: np.ndarray[Any, Any], clean: np.ndarray[Any, Any]
) -> float | None:
    """Return the share of relabelled pixels that a model gives their wrong label; None when there are none.

    Args:
        predicted: Parts of the (N, H, W) predicted classes, in order.
        given: (N, H, W) maps that were trained on.
        clean: (N, H, W) maps before any label noise.
    """
    changed = given != clean
    remembered, start = 0, 0
    for part in predicted:
        where = slice(start, start + len(part))
        remembered += int((part == given[where])[changed[where]].sum())
        start = where.stop
    return remembered / int(changed.sum()) if start and changed.any() else None


class EpochLog:
    """Collects the outputs of an epoch's steps on the device, and reads them once at its end.

    Args:
        truth: What was done to the labels.
        task: The task, which says what a prediction claims to be present; None when there is none.
        device: Where the steps run.
    """

    def __init__(self, truth: Truth, task: Task | None, device: torch.device) -> None:
        self._truth = truth
        self._task = task
        n = truth.num_samples
        self._per_sample = torch.full((n,), torch.nan, device=device)
        self._score = torch.full((n,), torch.nan, device=device)
        self._selected = torch.zeros(n, dtype=torch.bool, device=device)
        self._present: Tensor | None = None
        self._selects = False
        self._sums: dict[str, Any] = defaultdict(float)
        self._count = 0

    def add(self, batch: Batch, output: StepOutput) -> None:
        """Take in one step."""
        size = len(batch.indices)
        self._count += size
        self._sums["loss"] += output.loss.detach() * size
        for name, value in output.logs.items():
            self._sums[name] += value * size
        self._per_sample[batch.indices] = output.per_sample_loss.detach().float()
        if output.noisy_score is not None:
            self._score[batch.indices] = output.noisy_score.detach().float()
        if output.selected is not None:
            self._selects = True
            self._selected[batch.indices] = output.selected
        if output.prediction is not None and self._task is not None:
            present = self._task.present(output.prediction.float())
            if self._present is None:
                shape = (self._truth.num_samples, present.shape[1])
                self._present = torch.zeros(shape, dtype=torch.bool, device=present.device)
            self._present[batch.indices] = present

    def summary(self, epoch: int) -> dict[str, Any]:
        """Return the epoch's row of the history: means over the samples seen, detection, memorisation.

        Args:
            epoch: Epoch from 0; the row counts from 1.
        """
        row: dict[str, Any] = {"epoch": epoch + 1}
        row.update({name: float(total) / max(self._count, 1) for name, total in self._sums.items()})
        row["detection"] = self._detection()
        row["loss_detection"] = self._loss_detection()
        if self._present is not None:
            present = self._present.cpu().numpy()
            row["memorised"] = memorised_share(present, self._truth)
            row["predicted_prevalence"] = float(present.mean())
        return row

    def _detection(self) -> dict[str, float | None] | None:
        """Score the method's own opinion over the samples that it saw."""
        score = self._score.cpu().numpy()
        seen = np.isfinite(score)
        if not seen.any():
            return None
        selected = self._selected.cpu().numpy()[seen] if self._selects else None
        return detection_scores(self._truth.noisy[seen], score[seen], selected)

    def _loss_detection(self) -> dict[str, float | None]:
        """Score the baseline of Figs. 2 to 5: the images with the highest loss, as many percent as SLNIR."""
        losses = self._per_sample.cpu().numpy()
        seen = np.isfinite(losses)
        losses = losses[seen]
        return detection_scores(self._truth.noisy[seen], losses, top_share(losses, self._truth.slnir))
