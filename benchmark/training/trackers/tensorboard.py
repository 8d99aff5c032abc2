"""Event files that TensorBoard, and whatever reads its format, can open: a scalar for each number of the history.

They lie in a folder of their own, are no part of the record or of its hashes, and change nothing that a run computes.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gridbench.errors import InputError

__all__ = ["FOLDER", "EventLog", "check_event_log"]

FOLDER = "tensorboard"
"""Folder in the run's own folder that event files go to when no other is given."""


def check_event_log(folder: Path | None) -> None:
    """Make sure that event files can be written, before anything runs.

    Args:
        folder: Where they shall go, when that is not the run's own folder.

    Raises:
        InputError: TensorBoard is not installed, or the folder cannot be made.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise InputError(
            "--log tensorboard needs the package tensorboard, which is not installed: "
            "pip install 'gridbench[tensorboard]'. The history of every run is in its history.json anyway."
        )
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {str(folder)!r} of --log-dir cannot be written: {error}.") from None


class EventLog:
    """Writes the epochs of one run, each once, however often the run is interrupted.

    Args:
        folder: The run's folder of event files; what an earlier attempt wrote there stays and is continued.
        history: Epochs that are finished already; those that are not in the files yet are written at once.
    """

    def __init__(self, folder: Path, history: Sequence[Mapping[str, Any]] = ()) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._epochs = len(history)
        # Readers drop what an attempt logged after the checkpoint that this one goes on from.
        self._written = {name: min(step, self._epochs) for name, step in _last_steps(folder).items()}
        _wait_for_another_second(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # The name by which readers know and order event files.
        self._path = folder / f"events.out.tfevents.{int(time.time()):010d}.{platform.node()}.{os.getpid()}"
        # Written here and not by a thread, as TensorBoard's own writer does, whose failures nobody would be told.
        self._file = self._path.open("xb")
        self._records = RecordWriter(self._file)
        self._write({"file_version": "brain.Event:2"})
        self._write({"step": self._epochs + 1, "session_log": SessionLog(status=SessionLog.START)})
        for row in history:
            self.epoch(row["epoch"], self._epochs, row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()

    def epoch(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        """Write the numbers of a finished epoch."""
        self._add(_scalars(row), int(row["epoch"]))
        self._epochs = max(self._epochs, int(row["epoch"]))

    def finish(self, metrics: Mapping[str, float]) -> None:
        """Write the final scores, at the last epoch."""
        self._add(((f"final/{name}", value) for name, value in metrics.items()), self._epochs)

    def _add(self, scalars: Iterator[tuple[str, float]], step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in scalars
            if step > self._written.get(name, -1)
        ]
        if values:
            self._write({"step": step, "summary": Summary(value=values)})

    def _write(self, event: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        try:
            self._records.write(Event(wall_time=time.time(), **event).SerializeToString())
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from None


def _scalars(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield (name, number) of a row; members of members are joined by slashes, which group them in TensorBoard."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "epoch":
            yield f"{prefix}{name}", float(value)


def _wait_for_another_second(folder: Path) -> None:
    """Wait until a new file comes after those that are there: readers order files by the second in their names."""
    while any(f".tfevents.{int(time.time())}." in path.name for path in folder.glob("*tfevents*")):
        time.sleep(0.05)


def _last_steps(folder: Path) -> dict[str, int]:
    """Return the last step of each scalar in a folder's event files; one that was cut off counts as far as it goes."""
    if not any(folder.glob("*tfevents*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0})
    events.Reload()
    return {tag: events.Scalars(tag)[-1].step for tag in events.Tags()[SCALARS] if events.Scalars(tag)}
