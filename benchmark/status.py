"""What became of every run in a folder, told without torch and without changing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbench.atomic import read_json
from gridbench.record import State, StoredRun, iter_records

__all__ = ["RunStatus", "set_aside", "statuses"]


@dataclass(frozen=True)
class RunStatus:
    """Where a run stands.

    Attributes:
        folder: The run folder.
        state: done, running, failed, incomplete or corrupt.
        epoch: Finished epochs of a run that is not done; None when there is no checkpoint.
        epochs: Epochs that it shall have; None when its settings cannot be read.
        reason: Why it is not done, or empty.
    """

    folder: Path
    state: State
    epoch: int | None
    epochs: int | None
    reason: str

    @property
    def needs_attention(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.state not in ("done", "running")


def statuses(runs: Path, verify: bool = False) -> Iterator[RunStatus]:
    """Yield the status of every run below a folder, in the order of their names.

    Args:
        runs: Folder of run records.
        verify: Compare every file of a finished run with its hash.
    """
    for stored in iter_records(runs, verify):
        done = stored.state == "done"
        running = not done and is_held(runs, stored.folder.name)
        yield RunStatus(
            folder=stored.folder,
            state="running" if running else stored.state,
            epoch=None if done else _epoch(stored.folder),
            epochs=_epochs(stored),
            reason="" if running else stored.reason,
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
    """Tell whether a process is computing a run at this moment."""
    from filelock import FileLock, Timeout

    path = runs / ".locks" / f"{name}.lock"
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _epoch(folder: Path) -> int | None:
    try:
        return int(read_json(folder / "checkpoint.json")["epoch"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _epochs(stored: StoredRun) -> int | None:
    settings: Any = stored.config.get("config")
    epochs = settings.get("epochs") if isinstance(settings, dict) else None
    return epochs if isinstance(epochs, int) else None
