"""Placement of runs on devices: the number of concurrent runs and the device of each, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridbench.core.environment import Memory

__all__ = ["Placement", "assign", "runs_that_fit"]

# Share of a device's memory; the rest is left for other processes and fragmentation.
USABLE = 0.9


class Placement:
    """The number of runs on each device, which follows the memory that runs turn out to need.

    Args:
        devices: Names of the devices, at least one.
        limit: Runs in all at most.
        per_device: Runs at once on each device; None starts with one on an accelerator and adds as many as fit.
    """

    def __init__(self, devices: Sequence[str], limit: int, per_device: int | None = None) -> None:
        self.limit = limit
        self._devices = list(devices)
        self._measures = per_device is None and set(devices) != {"cpu"}
        self._per_device = 1 if self._measures else per_device or limit
        self._largest = 0
        self._overhead: int | None = None

    def slots(self) -> list[str]:
        """Return the device of each worker that there may be now."""
        return assign(self._devices, self._per_device, self.limit)

    def observe(self, memory: Memory | None) -> None:
        """Allow as many runs on a device as fit, by the most memory that any has held so far."""
        if self._measures and memory is not None:
            self._largest = max(self._largest, memory.peak)
            if self._overhead is None:
                # Measured on the first run: later, other runs of this pool would count as overhead.
                self._overhead = memory.overhead
            self._per_device = runs_that_fit(memory.total, self._largest, self._overhead)

    def out_of_memory(self, beside: int) -> None:
        """Allow no more runs on a device than were beside the one that found no memory, and measure no further.

        Args:
            beside: Workers that the device has without it.
        """
        self._measures = False
        self._per_device = max(1, beside)


def assign(devices: Sequence[str], per_device: int, limit: int) -> list[str]:
    """Return the device of each worker: one for each device first, then a second for each, and so on.

    Args:
        devices: Names of the devices, at least one.
        per_device: Workers on each at most.
        limit: Workers in all at most.
    """
    return [devices[slot % len(devices)] for slot in range(min(limit, len(devices) * per_device))]


def runs_that_fit(total: int, peak: int, overhead: int) -> int:
    """Return how many runs fit on a device at once, one at least.

    Args:
        total: Memory of the device in bytes.
        peak: Most memory that a run has held, in bytes.
        overhead: What each process needs besides, in bytes.
    """
    return max(1, int(USABLE * total) // max(peak + overhead, 1))
