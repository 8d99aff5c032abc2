"""Metrics of one training epoch: losses, detection of noisy samples, and memorisation of wrong labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridbench.core.labels import is_labelled, wrong_pixels
from gridbench.errors import RunFailed, counted
from gridbench.methods.base import Batch, StepOutput
from gridbench.methods.tasks.task import Task
from gridbench.metrics.detection import detection_scores, top_share

__all__ = ["EpochLog", "Truth", "memorised_pixels", "memorised_share"]


Array = np.ndarray[Any, Any]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Truth:
    """Ground truth about the noise in the training labels; used for logging, never available to a method.

    Attributes:
        noisy: (N,) bool, images whose training labels differ from the clean ones.
        added: (N, C) bool, classes that an image has in the training labels but not in the clean ones.
        percent: Noise rate in percent, which is the share of images that the detection baselines select.
    """

    noisy: Flags
    added: Flags
    percent: float

    @property
    def num_samples(self) -> int:
        """Number of training images."""
        return len(self.noisy)

    @classmethod
    def of_scene_labels(cls, given: Array, clean: Array, percent: float | None) -> Truth:
        """Compare given with clean scene labels.

        Args:
            given: (N, C) training labels.
            clean: (N, C) cleanest labels available.
            percent: Noise rate in percent; None estimates it as the number of wrong or of missing labels, whichever
                is larger, divided by the number of clean labels. For replaced labels this equals the SLNIR.
        """
        says, true = np.asarray(given) != 0, np.asarray(clean) != 0
        added, missing = says & ~true, true & ~says
        if percent is None:
            most = max(int(added.sum()), int(missing.sum()))
            percent = min(100.0 * most / max(int(true.sum()), 1), 100.0)
        return cls((added | missing).any(1), added, percent)

    @classmethod
    def of_label_maps(
        cls, given: Array, clean: Iterable[Array], num_classes: int, percent: float | None
    ) -> Truth:
        """Compare given with clean label maps; pixels that are unlabelled in either map are ignored.

        Args:
            given: (N, H, W) training maps.
            clean: N maps (H, W), the cleanest available; may be a lazy iterable.
            num_classes: Number of classes C.
            percent: Noise rate in percent; None uses the share of labelled pixels that are wrong.
        """
        noisy = np.zeros(len(given), dtype=bool)
        added = np.zeros((len(given), num_classes), dtype=bool)
        wrong = labelled = 0
        for i, (one, true) in enumerate(zip(given, clean, strict=True)):
            differs = wrong_pixels(one, true)
            noisy[i] = differs.any()
            if noisy[i]:
                added[i, np.setdiff1d(one[differs], true)] = True
            if percent is None:
                wrong += int(differs.sum())
                labelled += int((is_labelled(one) & is_labelled(true)).sum())
        return cls(noisy, added, 100.0 * wrong / max(labelled, 1) if percent is None else percent)


def memorised_share(present: Array, truth: Truth) -> float | None:
    """Return the share of wrong training labels that a model predicts as present; None if there are none.

    Args:
        present: (N, C) bool, the classes predicted present in each training image.
        truth: Ground truth about the noise in the training labels.
    """
    wrong = present[truth.added]
    return float(wrong.mean()) if len(wrong) else None


def memorised_pixels(predicted: Iterable[Array], given: Array, clean: Array) -> float | None:
    """Return the share of wrongly labelled pixels for which a model predicts the wrong label; None if there are none.

    Args:
        predicted: Consecutive chunks of the (N, H, W) predicted classes.
        given: (N, H, W) training maps.
        clean: (N, H, W) cleanest maps available.
    """
    changed = wrong_pixels(given, clean)
    remembered, start = 0, 0
    for part in predicted:
        where = slice(start, start + len(part))
        remembered += int((part == given[where])[changed[where]].sum())
        start = where.stop
    return remembered / int(changed.sum()) if start and changed.any() else None


class EpochLog:
    """Accumulates the outputs of training steps on the device and transfers them once at the end of an epoch.

    Args:
        truth: Ground truth about the noise in the training labels.
        task: The task, which converts predictions to present classes; None without a task.
        device: Device on which the steps run.
        sampled: Whether the method samples the images itself, so that images may be repeated or omitted.
    """

    def __init__(self, truth: Truth, task: Task | None, device: torch.device, sampled: bool = False) -> None:
        self._sampled = sampled
        self._truth = truth
        self._task = task
        n = truth.num_samples
        self._per_sample = torch.full((n,), torch.nan, device=device)
        self._score = torch.full((n,), torch.nan, device=device)
        self._selected = torch.zeros(n, dtype=torch.bool, device=device)
        self._present: Tensor | None = None
        self._selects = False
        self._sums: dict[str, Any] = defaultdict(float)
        self._nans: dict[str, Any] = defaultdict(int)
        self._count = 0

    def add(self, batch: Batch, output: StepOutput) -> None:
        """Add the output of one training step."""
        size = len(batch.indices)
        self._count += size
        self._sums["loss"] += output.loss.detach() * size
        for name, value in output.logs.items():
            self._sums[name] += value * size
        chosen = _last_of_each(batch.indices, self._truth.num_samples) if self._sampled else slice(None)
        at = batch.indices[chosen]
        self._per_sample[at] = output.per_sample_loss.detach().float()[chosen]
        self._nans["per_sample_loss"] += torch.isnan(output.per_sample_loss.detach()).sum()
        if output.noisy_score is not None:
            self._score[at] = output.noisy_score.detach().float()[chosen]
            self._nans["noisy_score"] += torch.isnan(output.noisy_score.detach()).sum()
        if output.selected is not None:
            self._selects = True
            self._selected[at] = output.selected[chosen]
        if output.prediction is not None and self._task is not None:
            present = self._task.present(output.prediction.float())
            if present.shape != (size, self._truth.added.shape[1]):
                raise RunFailed(
                    f"A step returned a prediction of the shape {tuple(output.prediction.shape)}, which does not say "
                    f"of {size} images which of {self._truth.added.shape[1]} classes they show."
                )
            if self._present is None:
                shape = (self._truth.num_samples, present.shape[1])
                self._present = torch.zeros(shape, dtype=torch.bool, device=present.device)
            self._present[at] = present[chosen]

    def summary(self, epoch: int) -> dict[str, Any]:
        """Return the row of the history for this epoch: means over the samples seen, detection, memorisation.

        Args:
            epoch: Zero-based epoch; the row holds the one-based number.

        Raises:
            RunFailed: A loss or a score of an image is not a number; images without one are those that no step saw.
        """
        row: dict[str, Any] = {"epoch": epoch + 1}
        row.update({name: float(total) / max(self._count, 1) for name, total in self._sums.items()})
        for name, count in self._nans.items():
            # The trainer reports NaN losses in more detail.
            if int(count) and np.isfinite(row["loss"]):
                images = counted(int(count), "image")
                raise RunFailed(f"In epoch {epoch + 1} the {name} of {images} is not a number (NaN).")
        row["detection"] = self._detection()
        row["loss_detection"] = self._loss_detection()
        if self._present is not None:
            present, truth = self._present.cpu().numpy(), self._truth
            if self._sampled:
                seen = np.isfinite(self._per_sample.cpu().numpy())
                present, truth = (
                    present[seen],
                    replace(truth, noisy=truth.noisy[seen], added=truth.added[seen]),
                )
            row["memorised"] = memorised_share(present, truth)
            row["predicted_prevalence"] = float(present.mean())
        return row

    def _detection(self) -> dict[str, float | None] | None:
        """Score the noise detection of the method over the samples seen in this epoch."""
        score = self._score.cpu().numpy()
        seen = np.isfinite(score)
        if not seen.any():
            return None
        selected = self._selected.cpu().numpy()[seen] if self._selects else None
        return detection_scores(self._truth.noisy[seen], score[seen], selected)

    def _loss_detection(self) -> dict[str, float | None]:
        """Score the baseline of Figs. 2 to 5, which flags the highest-loss images at the true noise rate."""
        losses = self._per_sample.cpu().numpy()
        seen = np.isfinite(losses)
        losses = losses[seen]
        return detection_scores(self._truth.noisy[seen], losses, top_share(losses, self._truth.percent))


def _last_of_each(indices: Tensor, num_samples: int) -> Tensor:
    """Return a (B,) mask of the last occurrence of each index, since duplicate writes have no defined result."""
    order = torch.arange(len(indices), device=indices.device)
    last = torch.full((num_samples,), -1, device=indices.device).scatter_reduce_(0, indices, order, "amax")
    return last[indices] == order
