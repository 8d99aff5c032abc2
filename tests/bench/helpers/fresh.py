"""Measure in a process of its own: a first call, or a peak of memory, that nothing before has touched."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from helpers.fair import QUICK

__all__ = ["arguments", "extra_peak", "in_fresh_process", "peak"]

STATUS = Path("/proc/self/status")


def in_fresh_process(script: str, *given: object) -> float:
    """Run a script and return the number that it prints last; it is quick where this one is.

    Args:
        script: Path of a script, usually the caller's own, which finds its `arguments`.
        given: Its arguments.
    """
    command = [sys.executable, script, *map(str, given), *(["--quick"] if QUICK else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def arguments() -> list[str]:
    """Return what this script was given, by `in_fresh_process` or by hand; that it is quick is in `QUICK`."""
    return [word for word in sys.argv[1:] if word != "--quick"]


def peak() -> float:
    """Return the peak memory of this process in MB; where Linux tells, without what the parent had at the fork."""
    if STATUS.exists():
        return _status("VmHWM")
    unit = 1024 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / unit


def extra_peak(work: Callable[[], object]) -> float:
    """Return by how many MB the memory of this process rises above what it is now while the work is done."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak so far is forgotten
        before = _status("VmRSS")
    except OSError:
        before = peak()
    work()
    return peak() - before


def _status(field: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024
