"""What `sweep` and `reproduce` share: how their runs are computed, and what is said of them before and meanwhile."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gridbench.cli.engine_options import EngineChoice, engine_options
from gridbench.cli.options import option
from gridbench.errors import RunFailed

if TYPE_CHECKING:
    from gridbench.core.progress import ProgressReporter
    from gridbench.engines.base import Engine
    from gridbench.records.runner import Execution
    from gridbench.sweeps.grid import Item, Sweep

__all__ = ["Computing", "computing_options", "print_summary"]

F = TypeVar("F", bound=Callable[..., Any])


def computing_options(command: F) -> F:
    """Add the options that say how runs are computed; `Computing.taken_from` takes their values."""
    limit = option(
        "--time-limit",
        type=click.FloatRange(min=1),
        group="machine",
        metavar="SECONDS",
        help="Longest time for one run.",
    )
    failures = option(
        "--max-failures",
        type=click.IntRange(min=1),
        group="machine",
        metavar="N",
        help="Stop after that many failures.",
    )
    return engine_options(limit(failures(command)))


@dataclass(frozen=True)
class Computing:
    """How runs are computed.

    Attributes:
        engine: What computes them.
        time_limit: Longest time for one run, in seconds; None for no limit.
        max_failures: After how many failures to stop; None never to.
    """

    engine: EngineChoice
    time_limit: float | None
    max_failures: int | None

    @classmethod
    def taken_from(cls, given: dict[str, Any]) -> Computing:
        """Take the values of `computing_options` out of what a command was given."""
        engine = EngineChoice(**{name: given.pop(name) for name in EngineChoice.NAMES})
        return cls(engine, given.pop("time_limit"), given.pop("max_failures"))

    def compute(self, execution: Execution, todo: Sequence[Item], progress: ProgressReporter) -> None:
        """Compute runs and show what happens.

        Raises:
            RunFailed: Some failed, or there is no room left to write; all that finished are whole.
        """
        engine = self.engine.make(execution, [item.plan for item in todo], self.time_limit, progress.say)
        failures = _watch(engine, todo, progress, self.max_failures)
        if failures:
            raise RunFailed(
                f"{failures} runs failed; their folders say why. Try them again with --retry-failed. "
                "All others are intact."
            )


def _watch(engine: Engine, todo: Sequence[Item], progress: ProgressReporter, max_failures: int | None) -> int:
    """Let the engine compute, show what happens, and return the number of failures."""
    from gridbench.engines.base import Event

    finished, failures = 0, 0
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
                raise RunFailed(event.detail)
            elif event.kind in ("done", "failed", "busy"):
                finished += 1
                share[event.index] = 1.0
                failures += event.kind == "failed"
                progress.say(
                    f"{event.kind:6} {label}" + (f": {event.detail}" if event.kind != "done" else "")
                )
            progress.show("sweep", sum(share.values()), len(todo), f"{finished} finished, {failures} failed")
            if max_failures and failures >= max_failures:
                progress.say(f"Stopped after {failures} failures.")
                break
    return failures


def print_summary(planned: Sweep, runs: Path, retry_failed: bool, every: bool) -> None:
    """Print how many runs there are in which state, and with `every` each of them."""
    from gridbench.records.runtime import Measured

    if every:
        for item in planned.items:
            click.echo(f"{item.state:10} {item.label}")
    for what, why in planned.left_out:
        click.echo(f"left out   {what}: {why}")
    counts = Counter(item.state for item in planned.items)
    todo = planned.todo(retry_failed)
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    told = f"{len(planned.items)} runs: {states}. To compute: {len(todo)}"
    if todo:
        cost = Measured(runs).estimate(item.plan.config.canonical() for item in todo)
        told += f"; time: {cost.words()}"
    failed = counts["failed"] if not retry_failed else 0
    click.echo(f"{told}." + (f" {failed} failed before; --retry-failed tries them again." if failed else ""))
