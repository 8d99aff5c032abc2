"""A sweep of many short runs: two processes against one, each sweep with a pool of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from helpers.fair import QUICK, Seconds, compare
from helpers.made_up import packed

from gridbench.config import RunConfig, make_config
from gridbench.core.cores import training_processes
from gridbench.datasets.archive.layout import Sample
from gridbench.engines.local import LocalPool
from gridbench.records.runner import Execution

RUNS, EPOCHS = (4, 1) if QUICK else (40, 2)
SIDE, CLASSES, NAME = 32, 17, "made-up"
SPLIT = ["train"] * 300 + ["val"] * 50 + ["test"] * 100


def samples() -> Iterator[Sample]:
    """Make random images with random labels."""
    rng = np.random.default_rng(0)
    for _ in SPLIT:
        labels = (rng.random(CLASSES) < 0.2).astype(np.uint8)
        labels[rng.integers(CLASSES)] = 1
        yield Sample((rng.integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8),), labels, None, None)


def sweep(folder: Path, configs: list[RunConfig], workers: int) -> Seconds:
    """Compute the runs anew and return how long that took."""
    shutil.rmtree(folder / "runs", ignore_errors=True)
    pool = LocalPool(Execution(folder / "runs", folder, "cpu", "light", threads=1), workers=workers)
    started = time.perf_counter()
    ends = [event for event in pool.compute(configs) if event.kind not in ("started", "epoch")]
    took = time.perf_counter() - started
    if [event.kind for event in ends] != ["done"] * len(configs):
        raise RuntimeError(f"not every run was computed: {ends}")
    return Seconds(took)


def main() -> None:
    """Run the comparison."""
    # Loads torch once for both, as a command does; the first round would count it for two processes alone.
    training_processes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packed(folder / "archives" / NAME, SIDE, CLASSES, SPLIT, partial(samples))
        usual = {
            "dataset": NAME,
            "method": "bce",
            "slnir": 30,
            "backbone": "test_resnet",
            "batch_size": 64,
            "k": 5,
        }
        configs = [make_config({**usual, "epochs": EPOCHS, "seed": seed}) for seed in range(RUNS)]
        compare(
            f"sweep of {RUNS} short runs, two processes against one",
            lambda: sweep(folder, configs, 2),
            lambda: sweep(folder, configs, 1),
            rounds=5,
            warmup=0,
            measure="speed",
            at_least=1.7,
        )


if __name__ == "__main__":
    main()
