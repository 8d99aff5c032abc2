"""Estimates of computing time, based on finished runs of the same kind."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbench.records.record import StoredRun, iter_records

__all__ = ["Estimate", "Measured", "duration"]

KIND = (
    *("dataset", "method", "loss", "backbone", "train_size", "batch_size"),
    *("precision", "memory_format", "compile", "fused", "optimizer", "augment", "freeze"),
    *("select", "last_epochs"),
)
"""Settings that runs must share for their computing times to be comparable."""

_TRAINING = ("training", "validation", "checkpoint")
_AFTERWARDS = ("retrieval", "predictions", "sample_detection")


@dataclass(frozen=True)
class Estimate:
    """Estimated computing time of runs that are computed one at a time.

    Attributes:
        seconds: Total computing time of the runs with an estimate.
        known: Number of runs with an estimate.
        unknown: Number of runs without an estimate, since no comparable run is finished.
        devices: Devices of the measured runs.
        memory: Peak memory of the measured runs in bytes; None if it is not recorded.
    """

    seconds: float
    known: int
    unknown: int
    devices: tuple[str, ...]
    memory: int | None = None

    def words(self) -> str:
        """Return a short description of the estimate."""
        if not self.known and not self.unknown:
            return "nothing"
        if not self.known:
            return "unknown, nothing like it was measured here"
        words = (
            f"about {duration(self.seconds)} of computing, one run at a time on {' and '.join(self.devices)}"
        )
        if self.unknown:
            return (
                f"{words}, for {self.known} of them; nothing like the other {self.unknown} was measured here"
            )
        return words


class Measured:
    """Measured computing times of the finished runs in a folder.

    Args:
        runs: Folder of records.
    """

    def __init__(self, runs: Path) -> None:
        self._times: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
        self._devices: dict[tuple[Any, ...], set[str]] = {}
        self._memory: dict[tuple[Any, ...], int] = {}
        for stored in iter_records(runs):
            if stored.state == "done":
                self._take(stored)

    def estimate(self, configs: Iterable[Mapping[str, Any]]) -> Estimate:
        """Estimate the computing time of runs.

        Args:
            configs: Settings of the runs, of which `epochs` and those in `KIND` are used.
        """
        seconds, known, unknown = 0.0, 0, 0
        devices: dict[str, None] = {}
        memory: list[int] = []
        for config in configs:
            kind = _kind(config)
            times = self._times.get(kind)
            if times is None:
                unknown += 1
                continue
            an_epoch, afterwards = (statistics.median(part) for part in zip(*times, strict=True))
            seconds += an_epoch * (config.get("epochs") or 0) + afterwards
            known += 1
            devices.update(dict.fromkeys(sorted(self._devices[kind])))
            memory += [self._memory[kind]] if kind in self._memory else []
        return Estimate(seconds, known, unknown, tuple(devices), max(memory, default=None))

    def _take(self, stored: StoredRun) -> None:
        try:
            environment, config = stored.environment(), stored.config["config"]
            spent, epochs = environment["seconds"], max(config["epochs"] or 1, 1)
            kind = _kind(config)
            # A run that was only rescored has no training time.
            if "scored_from" not in environment:
                training, afterwards = (
                    sum(spent.get(phase, 0.0) for phase in phases) for phases in (_TRAINING, _AFTERWARDS)
                )
                self._times.setdefault(kind, []).append((training / epochs, afterwards))
                self._devices.setdefault(kind, set()).add(
                    str(environment.get("device_name") or "this machine")
                )
                held = environment.get("peak_memory")
                if isinstance(held, int):
                    self._memory[kind] = max(held, self._memory.get(kind, 0))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return


def duration(seconds: float) -> str:
    """Format a duration with a suitable unit: 40 s, 12 min, 3.5 h, 2.1 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def _kind(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(config.get(name) for name in KIND)
