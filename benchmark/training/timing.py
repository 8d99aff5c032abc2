"""Timing of the phases of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["IN_TRAINING", "Phases", "wait_for"]

IN_TRAINING = ("data", "forward", "backward", "optimizer", "detection")
"""Parts of `training`: putting batches together, the method's step, its gradients, Adam, and the epoch log's scores."""


class Phases:
    """Adds up seconds by phase.

    Accelerators execute asynchronously, so without synchronisation a phase measures the time to launch its kernels,
    and the first phase that waits includes the work of earlier ones. With `synchronise` each phase waits for its own
    work, which slows down the run.

    Args:
        device: Device that executes the work.
        synchronise: Wait for the device at both ends of each phase.

    Attributes:
        seconds: Phase -> seconds spent in it.
    """

    def __init__(self, device: torch.device, synchronise: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device
        self._waits = synchronise and device.type != "cpu"
        self.synchronised = synchronise or device.type == "cpu"
        """Whether each phase so far holds all of its own work and nothing else."""

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the duration of the `with` block to a phase."""
        if self._waits:
            wait_for(self._device)
        started = time.perf_counter()
        yield
        if self._waits:
            wait_for(self._device)
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - started


def wait_for(device: torch.device) -> None:
    """Wait until a device has finished all work submitted to it; a CPU always has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
