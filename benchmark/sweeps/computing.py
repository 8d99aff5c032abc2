"""How the runs of `sweep`, `reproduce` and `compare` are computed, and what is refused before the first of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridbench.core.progress import ProgressReporter
from gridbench.engines.base import Engine, Event
from gridbench.engines.choice import EngineChoice
from gridbench.errors import RunFailed, counted
from gridbench.records.run_folder import NoRoom, check_ready, make_ready
from gridbench.records.runner import Execution
from gridbench.records.write import clear_finished
from gridbench.sweeps.grid import Item
from gridbench.training.building import check_networks
from gridbench.training.corrupt import check_noise

__all__ = ["Computing", "clear_done"]


@dataclass(frozen=True)
class Computing:
    """How runs are computed.

    Attributes:
        engine: The engine and its settings.
        time_limit: Longest time for one run, in seconds; None for no limit.
        max_failures: Number of failures after which to stop; None for no limit.
    """

    engine: EngineChoice = field(default_factory=EngineChoice)
    time_limit: float | None = None
    max_failures: int | None = None

    def check(self, runs: Path, todo: Sequence[Item], progress: ProgressReporter) -> None:
        """Refuse what runs would fail for one by one, as a dry run does; nothing is written.

        Args:
            runs: Folder of records.
            todo: The runs to compute.
            progress: Shows how far a long check has come.

        Raises:
            InputError: The folder of runs cannot be written, labels do not allow a noise rate, a method cannot be
                built with its parameters and its backbone, or there is no compiler.
            RunFailed: Code of a plug-in failed.
        """
        if not todo:
            return
        check_ready(runs)  # before networks are built, which needs torch
        if any(item.plan.config.compile for item in todo):
            self.engine.require_compiler()
        plans = [item.plan for item in todo]
        check_noise(plans)
        check_networks(plans, progress.build)

    def compute(self, execution: Execution, todo: Sequence[Item], progress: ProgressReporter) -> None:
        """Compute runs and show what happens.

        Raises:
            InputError: A folder of notes is a link, or the runs folder cannot be written.
            RunFailed: Some failed, or there is no room left to write; all that finished are whole.
        """
        make_ready(execution.runs)
        engine = self.engine.make(execution, [item.plan for item in todo], self.time_limit, progress.say)
        failures = _watch(engine, todo, progress, self.max_failures)
        if failures:
            # Shown here, since a run that failed before it began, or was stopped, leaves no reason in its folder.
            first = "" if len(failures) == 1 else "The first: "
            raise RunFailed(
                f"{counted(len(failures), 'run')} failed; all others are intact. {first}{failures[0].rstrip('.')}. "
                "Try again with --retry-failed."
            )


def clear_done(items: Iterable[Item], runs: Path) -> None:
    """Remove the checkpoints of finished runs whose processes were killed before they could remove them.

    Args:
        items: Runs; those that are not done keep their checkpoints.
        runs: Folder of records.
    """
    for item in items:
        if item.state == "done":
            clear_finished(runs / item.plan.folder_name)


def _watch(
    engine: Engine, todo: Sequence[Item], progress: ProgressReporter, max_failures: int | None
) -> list[str]:
    """Let the engine compute, show what happens, and return which runs failed, and why."""
    finished = 0
    failures: list[str] = []
    share: dict[int, float] = {}
    # Closing the generator is what ends its workers; a break alone would leave that to the garbage collector.
    with contextlib.closing(engine.compute([item.plan.config for item in todo])) as events:  # type: ignore[type-var]
        event: Event
        for event in events:
            label = todo[event.index].label
            if event.kind == "epoch":
                share[event.index] = event.epoch / event.epochs
            elif event.kind == "again":
                share[event.index] = 0.0
                progress.say(f"again  {label}: {event.detail}")
            elif event.kind == "full":
                raise NoRoom(event.detail)
            elif event.kind in ("done", "failed", "busy"):
                finished += 1
                share[event.index] = 1.0
                line = label + (f": {event.detail}" if event.kind != "done" else "")
                failures += [line] if event.kind == "failed" else []
                progress.say(f"{event.kind:6} {line}")
            detail = f"{finished} finished, {len(failures)} failed"
            progress.show("sweep", sum(share.values()), len(todo), detail)
            if max_failures and len(failures) >= max_failures:
                progress.say(f"Stopped after {counted(len(failures), 'failure')}.")
                break
    return failures
