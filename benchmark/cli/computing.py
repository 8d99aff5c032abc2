"""Options of how runs are computed, for `sweep`, `reproduce` and `compare`, and the summary before they start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gridbench.cli.options import option
from gridbench.core.terminal import say
from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    from gridbench.sweeps.computing import Computing
    from gridbench.sweeps.grid import Sweep

__all__ = ["computing_of", "computing_options", "print_summary"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    option(
        "--engine",
        group="machine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="local: processes on this machine; ray: the machines of a Ray cluster (docs/computing/clusters.md).",
    ),
    option(
        "--workers",
        group="machine",
        type=click.IntRange(min=0),
        help="local: number of processes, 0 to compute in this one.  [default: as many as fit the cores or devices]",
    ),
    option(
        "--threads",
        group="machine",
        metavar="N|auto",
        default="1",
        show_default=True,
        help="CPU threads per run; runs with another number count as another machine's. auto measures the fastest.",
    ),
    option(
        "--device",
        "devices",
        group="machine",
        multiple=True,
        help="local: device of the workers; if repeated, workers take the devices in turn.",
    ),
    option(
        "--per-device",
        group="machine",
        metavar="N|auto",
        default="auto",
        show_default=True,
        help="local: concurrent runs per accelerator; auto starts with one and measures how many fit.",
    ),
    option(
        "--address",
        group="machine",
        metavar="auto|local|HOST:PORT",
        default="auto",
        show_default=True,
        help="ray: the cluster that RAY_ADDRESS names, one for this sweep alone, or the one with that head.",
    ),
    option(
        "--gpus",
        group="machine",
        type=click.FloatRange(min=0),
        default=0.0,
        show_default=True,
        help="ray: accelerators per run; with 0.5, two runs share one.",
    ),
    option(
        "--time-limit",
        type=click.FloatRange(min=1),
        group="machine",
        metavar="SECONDS",
        help="Time limit for each run.",
    ),
    option(
        "--max-failures",
        type=click.IntRange(min=1),
        group="machine",
        metavar="N",
        help="Stop after this many failed runs.",
    ),
)


_ONLY = {"workers": "local", "devices": "local", "per_device": "local", "address": "ray", "gpus": "ray"}
"""Setting -> the one engine that reads it."""


def computing_options(command: F) -> F:
    """Add the options that say how runs are computed; `computing_of` takes their values."""
    for add in reversed(_OPTIONS):
        command = add(command)
    return command


def computing_of(given: dict[str, Any]) -> Computing:
    """Take the values of `computing_options` out of a command's keywords.

    Raises:
        InputError: One of them is for the other engine, or has a wrong value.
    """
    from gridbench.engines.choice import EngineChoice
    from gridbench.sweeps.computing import Computing

    engine = EngineChoice(**{field.name: given.pop(field.name) for field in fields(EngineChoice)})
    for field in fields(engine):
        only = _ONLY.get(field.name, engine.engine)
        if only != engine.engine and getattr(engine, field.name) != field.default:
            flag = "--" + field.name.replace("devices", "device").replace("_", "-")
            raise InputError(f"{flag} is for --engine {only}, not for --engine {engine.engine}.")
    return Computing(engine, given.pop("time_limit"), given.pop("max_failures"))


def print_summary(planned: Sweep, runs: Path, retry_failed: bool, every: bool) -> None:
    """Print how many runs there are in which state, and with `every` each of them."""
    from gridbench.records.runtime import Measured

    if every:
        for item in planned.items:
            say(f"{item.state:10} {item.label}", indent=11)
    for what, why in planned.left_out:
        say(f"left out   {what}: {why}")
    counts = Counter(item.state for item in planned.items)
    todo = planned.todo(retry_failed)
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    summary = f"{counted(len(planned.items), 'run')}: {states}. To compute: {len(todo)}"
    if todo:
        cost = Measured(runs).estimate(item.plan.config.canonical() for item in todo)
        summary += f"; time: {cost.words()}"
    failed = counts["failed"] if not retry_failed else 0
    say(f"{summary}." + (f" {failed} failed before; --retry-failed tries again." if failed else ""))
