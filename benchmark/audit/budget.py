"""Training length of an audit in optimiser steps, and an estimate of its duration."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch

from gridbench.audit.cross_validation import FoldExperiment, fold_plan
from gridbench.plan import Plan
from gridbench.training.corrupt import training_images

__all__ = ["BACKBONE", "MAP_STRIDE", "Duration", "epochs_of", "measure_duration"]

BACKBONE = "test_resnet"
"""The network of an audit: small, since many are trained, and on few images it ranks no worse than a large one."""

MAP_STRIDE = 8
"""Stride of its feature map in audits of label maps, where the recipe names none. At its own, 32, the map of a
tile of 64 px has 2 x 2 pixels: after 10 epochs on 213 tiles of Dubai the skill was 0.02, and 0.30 at stride 8."""

LEAST_STEPS, MOST_STEPS, USUAL_EPOCHS = 120, 3000, 10
"""Length of a fold's training unless one is given: so many epochs, but at least and at most so many steps."""

MEASURED_STEPS = 2
"""Steps that are timed for `--dry-run`."""


def epochs_of(images: int, batch: int, folds: int, steps: int | None = None) -> int:
    """Return for how many epochs each fold's network is trained.

    Args:
        images: Number of audited images N.
        batch: Images per optimiser step.
        folds: Number of folds; each network sees the images of all folds but one.
        steps: Optimiser steps, rounded up to whole epochs; None for ten epochs, at least 120 and at most 3,000 steps.
    """
    in_epoch = max(1, -(-images * (folds - 1) // (folds * batch)))
    wanted = steps or min(max(USUAL_EPOCHS * in_epoch, LEAST_STEPS), MOST_STEPS)
    return -(-wanted // in_epoch)


@dataclass(frozen=True)
class Duration:
    """Estimated cost of an audit.

    Attributes:
        networks: How many are trained.
        steps: Optimiser steps of each.
        seconds: Estimated time of all, with what predicting takes.
    """

    networks: int
    steps: int
    seconds: float


def measure_duration(plan: Plan, fold_of: np.ndarray, members: int, device: torch.device) -> Duration:
    """Time a few steps and a batch of predictions; nothing is written.

    Args:
        plan: The plan of the run on all audited images.
        fold_of: (N,) fold of each.
        members: Networks for each fold.
        device: Where to compute.
    """
    images, batch = len(training_images(plan.archive, plan.config.train_size)), plan.config.batch_size or 1
    few = np.arange(min(images - 1, MEASURED_STEPS * batch))
    held = np.arange(len(few), min(images, len(few) + batch))
    experiment = FoldExperiment(fold_plan(plan, held), device, held, few)
    assert experiment.trainer is not None
    experiment.trainer.train_epoch(0)
    started = time.perf_counter()
    experiment.trainer.train_epoch(1)
    trained = time.perf_counter()
    experiment.score()
    predicted = time.perf_counter()
    folds, epochs = int(fold_of.max()) + 1, plan.config.epochs or 1
    shown = epochs * images * (folds - 1)
    seconds = shown * (trained - started) / len(few) + images * (predicted - trained) / len(held)
    steps = epochs * -(-images * (folds - 1) // (folds * batch))
    return Duration(members * folds, steps, members * seconds)
