"""The state of every run in a folder, read without torch and without changing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridbench.core.json_files import read_json
from gridbench.records.record import State, StoredRun, imported_folders, iter_records
from gridbench.records.runtime import Estimate, Measured, duration
from gridbench.records.sweep_manifest import DeclaredSweep, declared_sweeps

__all__ = ["Report", "RunStatus", "SweepStatus", "read_status", "set_aside", "statuses", "sweep_statuses"]

STATES = ("done", "running", "failed", "incomplete", "corrupt")


@dataclass(frozen=True)
class RunStatus:
    """Status of a run.

    Attributes:
        folder: The run folder.
        state: done, running, failed, incomplete or corrupt.
        epoch: Finished epochs of a run that is not done; None when there is no checkpoint.
        epochs: Total number of epochs; None if its settings cannot be read.
        reason: Why it is not done, or empty.
        machine: Label of the machine that computed it; empty unless it is done.
    """

    folder: Path
    state: State
    epoch: int | None
    epochs: int | None
    reason: str
    machine: str = ""

    @property
    def needs_attention(self) -> bool:
        """Whether the run needs attention from the user."""
        return self.state not in ("done", "running")


def statuses(runs: Path, verify: bool = False) -> Iterator[RunStatus]:
    """Yield the status of every run below a folder, in the order of their names.

    Args:
        runs: Folder of run records.
        verify: Compare every file of a finished run with its hash, compute its scores again from those of single
            queries, and do so for imported records, too.
    """
    homes = [runs]
    if verify:
        homes += imported_folders(runs)
    for stored in (stored for home in homes for stored in iter_records(home, verify)):
        if verify and stored.state == "done":
            from gridbench.records.recompute import wrong_numbers

            wrong = wrong_numbers(stored, needed=True)
            if wrong:
                stored = replace(stored, state="corrupt", reason="; ".join(wrong))
        done = stored.state == "done"
        running = not done and is_held(runs, stored.folder.name)
        yield RunStatus(
            folder=stored.folder,
            state="running" if running else stored.state,
            epoch=None if done else _epoch(stored),
            epochs=_epochs(stored),
            reason="" if running else stored.reason,
            machine=stored.machine if done else "",
        )


@dataclass(frozen=True)
class SweepStatus:
    """Status of a sweep.

    Attributes:
        command: The command line.
        file: Manifest of the sweep; removing it removes the sweep from the status.
        total: Number of runs.
        done: Number of finished runs.
        running: Folder names of the runs that a process is computing.
        failed: Number of failed runs.
        left: Folder names of the runs that are not started, interrupted or damaged.
        rest: Estimated computing time of the runs that are left or running.
    """

    command: str
    file: Path
    total: int
    done: int
    running: tuple[str, ...]
    failed: int
    left: tuple[str, ...]
    rest: Estimate

    @property
    def finished(self) -> bool:
        """Whether nothing is left and nothing runs."""
        return not self.left and not self.running

    @property
    def seconds_left(self) -> float | None:
        """Remaining time at the current number of parallel runs; None if no run is active or has been measured."""
        if not self.running or self.rest.unknown or not self.rest.known:
            return None
        return self.rest.seconds / len(self.running)

    def words(self) -> str:
        """Return a one-line summary of the progress and the remaining time."""
        parts = [f"{self.done} of {self.total} done"]
        for name, number in (
            ("failed", self.failed),
            ("running", len(self.running)),
            ("left", len(self.left)),
        ):
            if number:
                parts.append(f"{number} {name}")
        text = ", ".join(parts)
        if self.seconds_left is not None:
            return f"{text}; about {duration(self.seconds_left)} to go"
        if self.left and not self.running:
            return f"{text}; nothing is running now, time: {self.rest.words()}"
        return text


@dataclass(frozen=True)
class Report:
    """Snapshot of the state of a folder of runs; `imported` is how many records of each origin are beside them."""

    found: list[RunStatus]
    sweeps: list[SweepStatus]
    aside: list[Path]
    imported: Mapping[str, int]

    @property
    def started(self) -> set[str]:
        """Names of the run folders that exist."""
        return {run.folder.name for run in self.found}

    @property
    def elsewhere(self) -> list[str]:
        """Names of the runs that are computed on other machines, and have no folder here yet."""
        names = {name for sweep in self.sweeps for name in sweep.running}
        return sorted(names - self.started)

    @property
    def unbegun(self) -> int:
        """Number of declared runs that have not begun."""
        return len({name for sweep in self.sweeps for name in sweep.left} - self.started)

    def summary(self) -> str:
        """Count the runs of each state."""
        counted: Counter[str] = Counter(run.state for run in self.found)
        counted["running"] += len(self.elsewhere)
        parts = [f"{counted[state]} {state}" for state in STATES if counted[state]]
        if self.unbegun:
            parts.append(f"{self.unbegun} left")
        return ", ".join(parts) or "No runs."


def read_status(runs: Path, verify: bool = False) -> Report:
    """Return the status of all runs and sweeps in a folder.

    Args:
        runs: Folder of run records.
        verify: Compare every file of a finished run with its hash, compute its scores again from those of single
            queries, and do so for imported records, too.
    """
    found = list(statuses(runs, verify))
    imported = (
        {} if verify else {home.name: len(list(home.glob("*/done"))) for home in imported_folders(runs)}
    )
    return Report(found, sweep_statuses(runs, found), set_aside(runs), imported)


def sweep_statuses(runs: Path, found: Sequence[RunStatus]) -> list[SweepStatus]:
    """Return the status of every sweep that was declared in a folder.

    Args:
        runs: Folder of run records.
        found: The status of its runs.
    """
    sweeps = declared_sweeps(runs)
    if not sweeps:
        return []
    by_name, measured = {run.folder.name: run for run in found}, Measured(runs)
    return [_sweep_status(runs, sweep, by_name, measured) for sweep in sweeps]


def _sweep_status(
    runs: Path, sweep: DeclaredSweep, by_name: Mapping[str, RunStatus], measured: Measured
) -> SweepStatus:
    done, failed = 0, 0
    running: list[str] = []
    left: list[str] = []
    rest: list[dict[str, Any]] = []
    for run in sweep.runs:
        known = by_name.get(run.folder)
        state = known.state if known else "running" if is_held(runs, run.folder) else "new"
        if state == "done":
            done += 1
        elif state == "failed":
            failed += 1
        else:
            (running if state == "running" else left).append(run.folder)
            reached = known.epoch if known and state != "corrupt" else None
            epochs = run.config.get("epochs")
            if reached and isinstance(epochs, int):
                rest.append({**run.config, "epochs": max(epochs - reached, 0)})
            else:
                rest.append(dict(run.config))
    return SweepStatus(
        sweep.command,
        sweep.file,
        len(sweep.runs),
        done,
        tuple(running),
        failed,
        tuple(left),
        measured.estimate(rest),
    )


def set_aside(runs: Path) -> list[Path]:
    """Return the folders that were set aside because they could not be trusted, or were to be replaced."""
    if not runs.is_dir():
        return []
    return sorted(
        path
        for path in runs.iterdir()
        if path.name.startswith(".") and (".damaged-" in path.name or ".replaced-" in path.name)
    )


def is_held(runs: Path, name: str) -> bool:
    """Return whether a process is computing a run at this moment."""
    from filelock import FileLock, Timeout

    path = runs / ".locks" / f"{name}.lock"
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _epoch(stored: StoredRun) -> int | None:
    """Return the epoch of the last checkpoint; None if the run cannot use it and starts over."""
    try:
        epoch = int(read_json(stored.folder / "checkpoint.json")["epoch"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return epoch if 0 < epoch <= (_epochs(stored) or 0) else None


def _epochs(stored: StoredRun) -> int | None:
    settings: Any = stored.config.get("config")
    epochs = settings.get("epochs") if isinstance(settings, dict) else None
    return epochs if isinstance(epochs, int) else None
