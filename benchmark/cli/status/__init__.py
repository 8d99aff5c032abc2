"""`gridbench status`: finished, running and failed runs with reasons, and the progress of sweeps."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.options import runs_option
from gridbench.core.machine import NOT_RECORDED
from gridbench.core.terminal import one_line, say
from gridbench.errors import AlreadyPrinted, InputError, counted

if TYPE_CHECKING:
    from gridbench.records.status import Report

__all__ = ["status"]

LONGEST_REASON = 300


@click.command()
@runs_option
@click.option(
    "--verify",
    is_flag=True,
    help="Check every file of finished and imported runs against its hash, and scores against those of single queries.",
)
@click.option("--all", "everything", is_flag=True, help="Also list finished runs and sweeps.")
@click.option("--watch", is_flag=True, help="Repeat until no run is left; on a terminal, as a live table.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Interval of --watch.",
)
@click.option(
    "--format", "format_", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True
)
def status(runs: Path, verify: bool, everything: bool, watch: bool, every: float, format_: str) -> None:
    """Show the state of the runs in a folder, and the remaining runs and time of its sweeps.

    Nothing is changed. Exit code 0: every run is done or running. 1: something failed, is incomplete or is damaged.

    \b
      gridbench status
      gridbench status --watch
    """  # noqa: D301
    from gridbench.records.status import read_status

    if not runs.is_dir():
        raise InputError(
            f"There is no folder {str(runs)!r}. Name the one that holds the runs with --runs, or make a first "
            "result: gridbench run --method grid --loss bce --slnir 30"
        )
    if watch and format_ == "json":
        raise InputError("--watch shows a picture; leave it out with --format json.")
    if watch:
        from gridbench.cli.status.watch import watch_runs

        report = watch_runs(
            lambda: read_status(runs, verify), lambda report: _lines(report, everything), every
        )
    else:
        report = read_status(runs, verify)
        if format_ == "json":
            click.echo(_json(report))
        else:
            say("\n".join(_lines(report, everything)), indent=11)
    if any(run.needs_attention for run in report.found):
        raise AlreadyPrinted


def _json(report: Report) -> str:
    import json

    rows = [
        {
            "folder": str(run.folder),
            "state": run.state,
            "epoch": run.epoch,
            "epochs": run.epochs,
            "reason": run.reason,
            "machine": run.machine or None,
        }
        for run in report.found
    ]
    sweeps: list[dict[str, Any]] = [
        {
            "command": sweep.command,
            "file": str(sweep.file),
            "total": sweep.total,
            "done": sweep.done,
            "failed": sweep.failed,
            "running": list(sweep.running),
            "left": list(sweep.left),
            "seconds_left": sweep.seconds_left,
        }
        for sweep in report.sweeps
    ]
    aside = [str(path) for path in report.aside]
    return json.dumps(
        {"runs": rows, "sweeps": sweeps, "set_aside": aside, "imported": dict(report.imported)}, indent=1
    )


def _lines(report: Report, everything: bool) -> list[str]:
    lines = [report.summary()]
    for sweep in report.sweeps:
        if everything or not sweep.finished:
            lines.append(f"sweep      {sweep.command}: {sweep.words()}")
    for run in report.found:
        if run.state == "done" and not everything:
            continue
        reached = f" after epoch {run.epoch} of {run.epochs}" if run.epoch is not None else ""
        reason = " ".join(run.reason.split())[:LONGEST_REASON]
        lines.append(
            f"{run.state:10} {one_line(run.folder.name)}{reached}" + (f": {reason}" if reason else "")
        )
    lines += [f"running    {one_line(name)} on another machine" for name in report.elsewhere]
    lines += [
        f"imported   {counted(count, 'record')} of {one_line(origin)}: gridbench leaderboard shows them"
        for origin, count in report.imported.items()
    ]
    machines = Counter(run.machine for run in report.found if run.machine)
    if set(machines) - {NOT_RECORDED}:
        lines += [
            f"machine    {one_line(label)}: {counted(count, 'run')}"
            for label, count in machines.most_common()
        ]
    if len(machines) > 1:
        lines.append("Runs of different machines are never paired: the same seed trains otherwise there.")
    states = {run.state for run in report.found}
    if states & {"failed", "incomplete"}:
        lines.append("The same command again goes on after the last finished epoch.")
    if "corrupt" in states:
        lines.append("The same command again sets a damaged run aside and computes it anew.")
    for sweep in report.sweeps:
        if sweep.left and not sweep.running:
            lines.append(
                f"To go on: {sweep.command}\nTo forget this sweep: rm {shlex.quote(str(sweep.file))}"
            )
    return [*lines, *(f"set aside  {one_line(str(path))}" for path in report.aside)]
