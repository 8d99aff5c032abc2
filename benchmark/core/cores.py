"""The CPU cores that this process may use, and their division among workers (a leaf)."""

from __future__ import annotations

import os

__all__ = ["cores_here", "shares_of_cores"]


def cores_here() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def shares_of_cores(workers: int) -> list[list[int]]:
    """Divide the cores that this process may use among workers; with fewer cores than workers they share."""
    cores = cores_here()
    if workers >= len(cores):
        return [[cores[slot % len(cores)]] for slot in range(workers)]
    return [cores[slot::workers] for slot in range(workers)]
