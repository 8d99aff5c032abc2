"""Execution options of a run, which are not part of its identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridbench.datasets.dataset import Progress
from gridbench.training.trainer import TrainingProgress

__all__ = ["Execution"]


def _say_nothing(line: str) -> None:
    pass


@dataclass(frozen=True)
class Execution:
    """Execution options of a run; they are not part of its identity.

    Attributes:
        runs: Folder that holds the run folders.
        cache: Folder of packed archives; None for the user's own.
        device: auto, cpu, cuda or cuda:N.
        keep: light (no weights, no pictures), weights, or all (descriptors and predictions too).
        force: Run again even if the record exists.
        threads: Number of CPU threads, which affects the order of summation.
        progress: Callback after every epoch.
        building: Progress callback for building an archive.
        say: Called with one-line status messages.
        log: Experiment trackers to log to, too: tensorboard, wandb, mlflow.
        log_folder: Folder of what they write here. None: for TensorBoard a folder in the run's own, for the others one
            beside the run folders.
        profile: Wait for an accelerator at both ends of each phase, so that the times of phases are their own.
        chosen: Identity of a run -> how its settings that were `auto` were decided, for its environment.json.
    """

    runs: Path = Path("runs")
    cache: Path | None = None
    device: str = "auto"
    keep: str = "weights"
    force: bool = False
    threads: int = 1
    progress: TrainingProgress | None = None
    building: Progress | None = None
    say: Callable[[str], None] = _say_nothing
    log: Sequence[str] = ()
    log_folder: Path | None = None
    profile: bool = False
    chosen: Mapping[str, Any] = field(default_factory=dict)
