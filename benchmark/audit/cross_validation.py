"""Cross-validation: division into folds with groups kept whole, and held-out predictions from a run for each fold."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gridbench.audit.masks.log_odds import code_probabilities
from gridbench.errors import InputError
from gridbench.evaluation.retrieval import IMAGE_BATCH, MAP_BATCH, predict
from gridbench.plan import Plan
from gridbench.records.record import RunRecord, read_record
from gridbench.records.runner import Execution, execute
from gridbench.training.experiment import BaseExperiment, Outcome
from gridbench.training.margins import MarginSums

__all__ = [
    "FoldExperiment",
    "HeldOut",
    "ProgressPart",
    "check_auditable",
    "divide",
    "fold_plan",
    "predict_held_out",
    "train_folds",
]

Array = npt.NDArray[Any]

MARGINS = 1
"""Version of the margins in the records of folds."""

MIRRORED: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))
"""Axes of (B, bands, H, W) that each view of an image is mirrored along."""


def divide(count: int, folds: int, rng: np.random.Generator, groups: Sequence[Any] | None = None) -> Array:
    """Assign samples to folds of about equal size; a group is never split.

    Groups are assigned in random order, the largest first where sizes differ, each to the fold that has fewest samples.

    Args:
        count: Number of samples N.
        folds: Number of folds, at least 2.
        rng: Decides the order.
        groups: (N,) group of each sample; None when each sample is a group of its own.

    Returns:
        (N,) fold of each sample, from 0.

    Raises:
        InputError: There are fewer groups than folds.
    """
    owner: Array = np.arange(count)
    if groups is not None:
        owner = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(owner, minlength=1)
    if not 2 <= folds <= len(sizes) or not count:
        what = "images" if groups is None else "groups of images"
        if len(sizes) < 2 or not count:
            raise InputError(
                f"An audit needs two {what} at least, to train without those that it predicts; there are "
                f"{len(sizes) if count else 0}." + ("" if groups is None else " Take --fold-by image.")
            )
        raise InputError(
            f"The number of folds is {folds}; with {len(sizes) if count else 0} {what} it can be 2 to {len(sizes)}."
        )
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of, filled = np.zeros(len(sizes), dtype=np.int64), np.zeros(folds, dtype=np.int64)
    for group in order:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[owner]


class FoldExperiment(BaseExperiment):
    """A run that trains on all images but those of one fold, and then predicts these.

    Args:
        plan: The plan of the fold.
        device: Where to compute.
        held: (n,) positions, rising, among the training images of those that are held out.
        kept: Positions, rising, of those that are trained on; None for all others.
    """

    def __init__(self, plan: Plan, device: torch.device, held: Array, kept: Array | None = None) -> None:
        archive, size = plan.archive, plan.config.train_size
        train = archive.indices("train")[: size or None]
        self._positions, self._held_out = held, train[held]
        super().__init__(plan, device, np.setdiff1d(np.arange(len(train)), held) if kept is None else kept)
        if self.trainer is not None and plan.level != "pixel":
            # On three archives, margins over the whole training ranked wrong labels better than over its first third.
            count, epochs = len(self.splits.train), self.trainer.settings.epochs
            self.trainer.margins = MarginSums(self.trainer.task, count, epochs, device, whole=True)

    def score(self, keep_predictions: bool = False) -> Outcome:
        """Predict the images that were held out; nothing is retrieved, and no test image is looked at.

        Args:
            keep_predictions: Not used: the predictions are what is kept.
        """
        assert self.objective is not None
        best = (
            self.trainer.use_best()
            if self.trainer is not None and self.plan.config.select == "best"
            else None
        )
        predicted = self._coded_maps() if self.plan.level == "pixel" else self._probabilities()
        result = {
            "schema": 1,
            "id": self.plan.id,
            "metrics": {"held_out/mean_probability": float(predicted.mean())},
            "best_epoch": best,
        }
        arrays = {"positions": self._positions.astype(np.int64), "probabilities": predicted}
        margins = None if self.plan.level == "pixel" else self._margins()
        if margins is not None:
            arrays["margins"] = margins.astype(np.float32)
        return Outcome(result, arrays, {})

    def _probabilities(self) -> Array:
        """Return (n, C), averaged over an image and its mirror images where training mirrors them, too."""
        assert self.objective is not None
        task, parts = self.objective.task, []
        for images in self.evaluation_set(self._held_out).batches(IMAGE_BATCH):
            said = (task.probabilities(view) for view in predict(self.method, self._views(images)))
            seen = [probabilities for probabilities in said if probabilities is not None]
            parts.append(torch.stack(seen).mean(0).cpu().numpy())
        return np.concatenate(parts).astype(np.float32)

    def _coded_maps(self) -> Array:
        """Return (n, C, H, W) uint8 codes of the log-odds of each pixel's classes, averaged over the same views."""
        assert self.objective is not None
        task, parts = self.objective.task, []
        for images in self.evaluation_set(self._held_out).batches(MAP_BATCH):
            total, count = None, 0
            for axes, logits in zip(self._axes(), predict(self.method, self._views(images)), strict=True):
                distribution = task.distribution(logits)
                assert distribution is not None, "a loss without one is refused before the first fold"
                turned = distribution.flip(axes)
                total, count = turned if total is None else total + turned, count + 1
            assert total is not None
            parts.append(code_probabilities((total / count).cpu().numpy()))
        return np.concatenate(parts)

    def _axes(self) -> tuple[tuple[int, ...], ...]:
        return MIRRORED if self.plan.config.flips else MIRRORED[:1]

    def _views(self, images: torch.Tensor) -> Iterator[torch.Tensor]:
        return (images.flip(axes) for axes in self._axes())


@dataclass(frozen=True)
class ProgressPart:
    """Reports the progress of one training as part of that of all."""

    at: int
    count: int
    show: Callable[[int, int, Mapping[str, Any]], None]

    def epoch(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        """Report one finished epoch."""
        self.show(self.at * total + done, self.count * total, row)


def check_auditable(plan: Plan) -> None:
    """Refuse methods and losses that cannot audit scene labels.

    Raises:
        InputError: The method trains nothing or knows the clean labels, or the loss learns from label maps.
    """
    if plan.method.labels != "noisy" or plan.loss is None:
        raise InputError(
            f"The method {plan.config.method!r} does not learn from the labels as they are, so it cannot audit them. "
            "Take another --method, such as bce."
        )
    if plan.level == "pixel" and plan.loss.task.predicts != "pixels":
        raise InputError(
            f"The loss {plan.loss.name!r} learns from label maps, but predicts no class for a pixel, so no region can "
            "be compared with it. Take --loss pce."
        )


def fold_plan(plan: Plan, held: Array) -> Plan:
    """Return the plan of a run that holds some images out, with its own identity.

    Args:
        plan: The plan of the run on all training images.
        held: (n,) positions of the images that are held out.
    """
    digest = hashlib.sha256(np.asarray(held, dtype="<i8").tobytes()).hexdigest()
    margins = {} if plan.level == "pixel" else {"margins": MARGINS}
    return replace(plan, versions={**plan.versions, "held_out": digest, **margins})


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions and training margins of the networks of all folds.

    Attributes:
        probabilities: (N, C) float32, from networks that have not seen the image.
        margins: By how much networks favoured the given labels of an image while they were trained on it, on average,
            (N, C), or (N, 1) with one label per image; None where the method shows no margins.
        records: Run records of all networks.
    """

    probabilities: Array
    margins: Array | None
    records: list[RunRecord]


def predict_held_out(plan: Plan, fold_of: Array, execution: Execution, members: int = 1) -> HeldOut:
    """Train on each fold's complement and predict the fold; finished folds are read, interrupted ones are resumed.

    Args:
        plan: The plan of the run on all training images.
        fold_of: (N,) fold of each training image.
        execution: Where the folds' records go, and how they are computed.
        members: Networks for each fold, on seeds that count up from the plan's; their probabilities are averaged.

    Returns:
        Probabilities, margins and records.

    Raises:
        InputError: The loss learns from label maps.
        RunFailed: A fold started and could not be finished.
    """
    check_auditable(plan)
    if plan.level == "pixel":
        raise InputError(
            f"The loss {plan.config.loss!r} learns from label maps; an audit is of scene labels here. Take a loss of "
            "scene labels: --loss bce."
        )
    count, networks = len(fold_of), members * (int(fold_of.max()) + 1)
    probabilities = np.zeros((count, plan.archive.num_classes), dtype=np.float64)
    sums, shown, records = np.zeros((count, 1)), 0, []
    for record in train_folds(plan, fold_of, execution, members):
        arrays = record.retrieval()
        held = arrays["positions"]
        probabilities[held] += arrays["probabilities"] / members
        if "margins" in arrays:
            kept = np.setdiff1d(np.arange(count), held)
            sums = np.broadcast_to(sums, (count, arrays["margins"].shape[1])).copy()
            sums[kept] += arrays["margins"] / (networks - members)
            shown += 1
        records.append(record)
    return HeldOut(probabilities.astype(np.float32), sums if shown == networks else None, records)


def train_folds(plan: Plan, fold_of: Array, execution: Execution, members: int = 1) -> Iterator[RunRecord]:
    """Train on each fold's complement and yield its record, whose retrieval holds `positions` and `probabilities`.

    Args:
        plan: The plan of the run on all training images.
        fold_of: (N,) fold of each training image.
        execution: Where the folds' records go, and how they are computed.
        members: Networks for each fold, on seeds that count up from the plan's.

    Raises:
        RunFailed: A fold started and could not be finished.
    """
    check_auditable(plan)
    folds = int(fold_of.max()) + 1
    for member in range(members):
        config = plan.config.model_copy(update={"seed": plan.config.seed + member})
        seeded = replace(plan, config=config) if member else plan
        for fold in range(folds):
            held = np.flatnonzero(fold_of == fold)
            part = execution
            if execution.progress is not None:
                at = member * folds + fold
                part = replace(
                    execution, progress=ProgressPart(at, members * folds, execution.progress.epoch)
                )
            one = fold_plan(seeded, held)
            if isinstance(read_record(execution.runs / one.folder_name, verify=True), RunRecord):
                # The run's hint about --force does not apply to audits.
                part = replace(part, say=lambda line: None)
            yield execute(one, part, partial(FoldExperiment, held=held))
