"""A made-up archive of DLRSD's size, and runs on it: what is timed depends on sizes alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from helpers.made_up import packed
from on_gpu.store import Settings

from gridbench.config import make_config
from gridbench.datasets.archive.layout import Sample
from gridbench.plan import Plan, make_plan
from gridbench.training.experiment import Experiment

__all__ = ["cache_of", "experiment_of", "plan_of"]

NAME = "made-up-dlrsd"
PIXELS = (256, 32)
CLASSES = 17
SPLITS = (("train", 1470, 24), ("val", 210, 12), ("test", 420, 12))


def cache_of(settings: Settings) -> Path:
    """Return a cache that holds the archive: 2,100 images of 256 px with label maps, or 48 of 32 px."""
    cache = settings.scratch / ("cache-small" if settings.small else "cache")
    side = settings.pick(*PIXELS)
    split = [name for name, full, small in SPLITS for _ in range(settings.pick(full, small))]
    samples = partial(_samples, side, len(split))
    packed(cache / "archives" / NAME, side, CLASSES, split, samples, maps=True, kind="dlrsd")
    return cache


def plan_of(settings: Settings, **values: Any) -> Plan:
    """Plan a run with DLRSD's recipe: densenet121 from scratch, crops of 224 px, mini-batches of 128."""
    small = {"backbone": "test_resnet", "crop": 24, "batch_size": 8, "k": 5}
    usual: Mapping[str, Any] = small if settings.small else {}
    return make_plan(make_config({"dataset": NAME, "slnir": 30, **usual, **values}), cache_of(settings))


def experiment_of(settings: Settings, device: Any = None, **values: Any) -> Experiment:
    """Build a run in memory."""
    return Experiment(plan_of(settings, **values), device or settings.device)


def _samples(side: int, count: int) -> Iterator[Sample]:
    rng = np.random.default_rng(0)
    quarter = side // 4
    for _ in range(count):
        regions = rng.integers(0, CLASSES, (4, 4)).astype(np.uint8)
        maps = np.kron(regions, np.ones((quarter, quarter), np.uint8))
        labels = np.bincount(maps.ravel(), minlength=CLASSES).astype(bool).astype(np.uint8)
        yield Sample((rng.integers(0, 256, (3, side, side), dtype=np.uint8),), labels, maps, None)
