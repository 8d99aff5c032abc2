"""How the cores and accelerators of a machine are dealt out to runs: arithmetic, without torch."""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["cores_here", "deal", "runs_that_fit", "shares_of_cores"]

# Of a device's memory; the rest is for what other processes do and for fragments.
USABLE = 0.9


def cores_here() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def shares_of_cores(workers: int) -> list[list[int]]:
    """Deal the cores that this process may use out to workers; with fewer cores than workers they share."""
    cores = cores_here()
    if workers >= len(cores):
        return [[cores[slot % len(cores)]] for slot in range(workers)]
    return [cores[slot::workers] for slot in range(workers)]


def deal(devices: Sequence[str], per_device: int, limit: int) -> list[str]:
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
        overhead: What each process takes besides, in bytes.
    """
    return max(1, int(USABLE * total) // max(peak + overhead, 1))
