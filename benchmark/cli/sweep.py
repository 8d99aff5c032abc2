"""`gridbench sweep`: many runs in one line."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.options import (
    cache_option,
    collect,
    config_options,
    plugin_option,
    quiet_option,
    runs_option,
)
from gridbench.errors import InputError, RunFailed

if TYPE_CHECKING:
    from gridbench.engines import Engine
    from gridbench.progress import ProgressReporter
    from gridbench.runner import Execution
    from gridbench.sweep import Item, Sweep

__all__ = ["sweep"]


@click.command()
@config_options
@plugin_option
@click.option("--seeds", metavar="N", help="Seeds 0 to N-1, or a list such as 0,3,7.")
@runs_option
@cache_option
@click.option(
    "--workers", type=click.IntRange(min=0), help="Processes; 0 computes in this one.  [default: cores]"
)
@click.option(
    "--device", "devices", multiple=True, help="Device of a worker; again for more, dealt out in turn."
)
@click.option("--keep", type=click.Choice(["light", "weights", "all"]), default="light", show_default=True)
@click.option(
    "--time-limit", type=click.FloatRange(min=1), metavar="SECONDS", help="Longest time for one run."
)
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option(
    "--max-failures", type=click.IntRange(min=1), metavar="N", help="Stop after that many failures."
)
@click.option("--dry-run", is_flag=True, help="Show the runs, what is done and a time estimate, and stop.")
@quiet_option
def sweep(
    seeds: str | None,
    runs: Path,
    cache: Path | None,
    workers: int | None,
    devices: tuple[str, ...],
    keep: str,
    time_limit: float | None,
    retry_failed: bool,
    max_failures: int | None,
    dry_run: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compute every combination of comma lists and ranges; the same command again goes on where it stopped.

    \b
      gridbench sweep --method grid,bce,oracle --slnir 0:60:10 --seeds 5
      gridbench sweep --method grid --slnir 30 -p lambda=0:90:10 --seeds 3
    """  # noqa: D301
    from gridbench.datasets import default_cache
    from gridbench.progress import ProgressReporter
    from gridbench.runner import Execution
    from gridbench.sweep import expand, make_sweep

    axes, base = _axes(collect(given), seeds)
    execution = Execution(runs=runs, cache=cache, keep=keep)
    with ProgressReporter(quiet, "sweep") as progress:
        planned = make_sweep(expand(axes, base), runs, cache or default_cache(), progress.build)
        _print_summary(planned, runs, retry_failed, dry_run)
        todo = planned.todo(retry_failed)
        if dry_run or not todo:
            return
        engine = _engine(execution, workers, devices, time_limit)
        failures = _compute(engine, todo, progress, max_failures)
    if failures:
        raise RunFailed(
            f"{failures} runs failed; their folders say why. Try them again with --retry-failed. All others are intact."
        )


def _axes(values: dict[str, Any], seeds: str | None) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Take apart what was given into axes with several values and settings that all runs share."""
    from gridbench.sweep import AXES, values_of

    axes: dict[str, list[str]] = {}
    parameters = values.pop("parameters", None) or {}
    for name in AXES:
        if name in values:
            given = values.pop(name)
            axes[name] = [str(v) for v in given] if isinstance(given, list) else values_of(str(given))
    if seeds is not None:
        if "seed" in axes:
            raise InputError("Give --seed or --seeds, not both.")
        axes["seed"] = [str(n) for n in range(int(seeds))] if seeds.isdecimal() else values_of(seeds)
    for name, given in parameters.items():
        several = [str(v) for v in given] if isinstance(given, list) else values_of(str(given))
        axes[f"parameters.{name}"] = several
    return axes, values


def _engine(
    execution: Execution, workers: int | None, devices: tuple[str, ...], limit: float | None
) -> Engine:
    import os

    from gridbench.engines.inprocess import InProcess
    from gridbench.engines.local import LocalPool

    if workers == 0:
        return InProcess(execution)
    return LocalPool(execution, workers or os.cpu_count() or 1, devices or ("auto",), limit)


def _compute(engine: Engine, todo: list[Item], progress: ProgressReporter, max_failures: int | None) -> int:
    """Let the engine compute, show what happens, and return the number of failures."""
    from gridbench.engines import Event

    finished, failures = 0, 0
    share: dict[int, float] = {}
    # Closing the generator is what ends its workers; a break alone would leave that to the garbage collector.
    with contextlib.closing(engine.compute([item.plan.config for item in todo])) as events:  # type: ignore[type-var]
        event: Event
        for event in events:
            label = todo[event.index].label
            if event.kind == "epoch":
                share[event.index] = event.epoch / event.epochs
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


def _print_summary(planned: Sweep, runs: Path, retry_failed: bool, every: bool) -> None:
    """Print how many runs there are in which state, and with `every` each of them."""
    from collections import Counter

    from gridbench.sweep import estimate_seconds

    if every:
        for item in planned.items:
            click.echo(f"{item.state:10} {item.label}")
    for what, why in planned.left_out:
        click.echo(f"left out   {what}: {why}")
    counts = Counter(item.state for item in planned.items)
    todo = planned.todo(retry_failed)
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    seconds = estimate_seconds(todo, runs) if todo else 0.0
    cost = (
        "unknown, nothing like it was measured here"
        if seconds is None
        else f"{seconds / 60:.1f} core-minutes"
    )
    click.echo(f"{len(planned.items)} runs: {states}. To compute: {len(todo)}; estimated cost: {cost}.")
