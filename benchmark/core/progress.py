"""Progress of long work: a live bar on a terminal, plain timestamped lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from gridbench.core.console import Console
from gridbench.core.terminal import say, wrapped

__all__ = ["BETWEEN_LOOKS", "ProgressReporter", "WorkingTime"]

SECONDS_BETWEEN_LINES = 10.0
BETWEEN_LOOKS = 1.0
"""Seconds between two looks at the working time."""
SUSPENDED = 10.0
"""Seconds between two looks from which on this process, and its workers with it, must have been suspended (Ctrl-Z)."""


class WorkingTime:
    """Seconds that have passed, without those in which this process was suspended.

    Somebody has to look every few seconds: the caller, or a thread while this is entered as a context.
    """

    def __init__(self) -> None:
        self._passed = 0.0
        self._seen = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._keep_looking, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    def look(self) -> float:
        """Add the time since the last look, and return what has passed."""
        with self._lock:
            now = time.monotonic()
            since = now - self._seen
            self._passed += since if since < SUSPENDED else 0.0
            self._seen = now
            return self._passed

    def _keep_looking(self) -> None:
        while not self._ended.wait(BETWEEN_LOOKS):
            self.look()


class ProgressReporter:
    """Shows how far training and building have come, with the time left.

    Args:
        quiet: Show nothing.
        label: What is being done, before the bar.
    """

    def __init__(self, quiet: bool = False, label: str = "training") -> None:
        self._quiet = quiet
        self._label = label
        self._console = Console(stderr=True)
        self._bars: Progress | None = None
        self._time: WorkingTime | None = None
        self._tasks: dict[str, TaskID] = {}
        self._first: dict[str, tuple[float, float]] = {}
        self._last_line: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._quiet:
            return self
        self._time = WorkingTime().__enter__()
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[count]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[detail]}"),
                console=self._console,
                get_time=self._time.look,
            )
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
        if self._time is not None:
            self._time.__exit__()

    def epoch(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        """Report a finished epoch."""
        detail = f"loss {row['loss']:.4f}"
        detection = row.get("detection")
        if detection and detection.get("precision") is not None:
            found, chance = (f"{100 * detection[name]:.0f} %" for name in ("precision", "prevalence"))
            detail += f"  detection precision {found} (chance {chance})"
        self.show(self._label, done, total, detail)

    def build(self, done: int, total: int, message: str) -> None:
        """Report a step of building an archive."""
        self.show(message, done, total, "")

    def say(self, line: str) -> None:
        """Print one line above the bar."""
        if not self._quiet:
            # rich would break a line inside a path or a command.
            if self._bars is None:
                say(line, err=True)
            else:
                self._console.print(wrapped(line, self._console.width), highlight=False, soft_wrap=True)

    def show(self, label: str, done: float, total: int, detail: str) -> None:
        """Advance the bar or print a line, whichever this output can do.

        Args:
            label: What is being done.
            done: How much of it is done; may count parts of a step.
            total: How much there is to do; 0 for work whose amount is unknown, of which no count is shown.
            detail: What else to show, such as the loss.
        """
        if self._quiet:
            return
        count = f"{done:.0f}/{total}" if total else ""
        if self._bars is not None:
            if label not in self._tasks:
                self._tasks[label] = self._bars.add_task(label, total=None, count=count, detail=detail)
            self._bars.update(
                self._tasks[label], completed=done, total=total or None, count=count, detail=detail
            )
            return
        # Outside a `with` block nothing looks at the working time between lines, which may be hours apart.
        now = self._time.look() if self._time is not None else time.monotonic()
        self._first.setdefault(label, (now, done))
        if done < total and now - self._last_line.get(label, -1e9) < SECONDS_BETWEEN_LINES:
            return
        self._last_line[label] = now
        clock = datetime.now().strftime("%H:%M:%S")
        parts = (clock, f"{label} {count}".rstrip(), self._left(label, done, total, now), detail)
        print("  ".join(filter(None, parts)), file=sys.stderr, flush=True)

    def _left(self, label: str, done: float, total: int, now: float) -> str:
        started, first = self._first[label]
        if done <= first or done >= total:
            return ""
        return f"{(now - started) / (done - first) * (total - done):.0f} s left"
