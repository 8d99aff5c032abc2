"""Experiment trackers that a run can log to, one file each, and the few calls that they share.

A tracker is given every epoch and the finished record. It is not part of the record or of its hashes, changes nothing
that a run computes, and never stops one: a failure is reported once, and the run goes on without that tracker.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from gridbench.core.files import check_writable
from gridbench.errors import InputError, reason_of

__all__ = ["TRACKERS", "LoggedRun", "Tracker", "Trackers", "check_trackers", "scalars"]

TRACKERS = {
    "tensorboard": ("gridbench.training.trackers.tensorboard", "EventLog"),
    "wandb": ("gridbench.training.trackers.wandb_run", "WandbRun"),
    "mlflow": ("gridbench.training.trackers.mlflow_run", "MlflowRun"),
}
"""Name, which is that of the library and of the extra, too -> module and class."""


@dataclass(frozen=True)
class LoggedRun:
    """A run as a tracker sees it.

    Attributes:
        id: Identity; an interrupted run goes on under the same one.
        name: Name of its folder.
        settings: Every setting that its numbers depend on.
        machine: Label of the machine that computes it.
        folder: The run's own folder; for a tracker, the folder that it writes to.
        history: Epochs that are finished already.
    """

    id: str
    name: str
    settings: Mapping[str, Any]
    machine: str
    folder: Path
    history: Sequence[Mapping[str, Any]] = ()


class Tracker(Protocol):
    """What a tracker does; made from a LoggedRun, whose earlier epochs it logs where they are not logged yet."""

    def __init__(self, run: LoggedRun) -> None:
        """Begin or continue the log of a run."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log a finished epoch: a row of the history."""

    def finish(self, metrics: Mapping[str, float], record: Path) -> None:
        """Log the final scores, the pictures of retrieved images, and the record's files."""

    def close(self) -> None:
        """Flush and close the store."""


def check_trackers(names: Sequence[str], folder: Path | None) -> None:
    """Make sure that a run can be logged, before anything runs.

    Args:
        names: Names of trackers.
        folder: Folder that they write to; None for the default place.

    Raises:
        InputError: A library is not installed, or the folder cannot be written.
    """
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise InputError(
                f"--log {name} needs the package {name}, which is not installed: pip install 'gridbench[{name}]'. "
                "The history of every run is in its history.json anyway."
            )
    if folder is not None and names:
        check_writable(folder)


class Trackers:
    """The trackers of one run; the failure of a tracker is reported once, and the run continues without it.

    Args:
        names: Names of trackers.
        run: The run, and its own folder.
        folder: Where trackers write here. None: TensorBoard in the run's folder, the others beside the run folders.
        say: Called with a line for each tracker that failed.
    """

    def __init__(
        self, names: Sequence[str], run: LoggedRun, folder: Path | None, say: Callable[[str], None]
    ) -> None:
        self._say = say
        self._open: dict[str, Tracker] = {}
        for name in names:
            self._try(name, partial(self._begin, name, run, folder))

    def _begin(self, name: str, run: LoggedRun, folder: Path | None) -> None:
        # TensorBoard shows each folder as a run; the other trackers have one store for all runs.
        if name == "tensorboard":
            place = run.folder / name if folder is None else folder / run.name
        else:
            place = folder or run.folder.parent / name
        module, attribute = TRACKERS[name]
        self._open[name] = getattr(importlib.import_module(module), attribute)(replace(run, folder=place))

    def _try(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:
            self._open.pop(name, None)
            reason = next(iter(reason_of(error).splitlines()), "") or type(error).__name__
            self._say(
                f"Logging to {name} stopped: {reason}. The run goes on; the same command logs the rest later."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, tracker in list(self._open.items()):
            self._try(name, tracker.close)

    def epoch(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        """Log a finished epoch to each tracker."""
        for name, tracker in list(self._open.items()):
            self._try(name, partial(tracker.epoch, row))

    def finish(self, metrics: Mapping[str, float], record: Path) -> None:
        """Log the final scores and the record to each tracker."""
        for name, tracker in list(self._open.items()):
            self._try(name, partial(tracker.finish, metrics, record))


def scalars(row: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return name -> number of a row; names of members of members are joined by slashes."""
    found: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "epoch":
            found[f"{prefix}{name}"] = float(value)
    return found
