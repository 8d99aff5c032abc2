"""`gridbench status`: what is done, what runs, what failed and why."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gridbench.cli.options import runs_option
from gridbench.errors import InputError

if TYPE_CHECKING:
    from gridbench.status import RunStatus

__all__ = ["status"]

STATES = ("done", "running", "failed", "incomplete", "corrupt")
LONGEST_REASON = 300


@click.command()
@runs_option
@click.option("--verify", is_flag=True, help="Compare every file of the finished runs with its hash.")
@click.option("--all", "everything", is_flag=True, help="List the finished runs, too.")
@click.option(
    "--format", "format_", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True
)
def status(runs: Path, verify: bool, everything: bool, format_: str) -> None:
    """Tell what became of the runs of a folder, without changing anything.

    Exit code 0: every run is done or running. 1: something failed, is incomplete or is damaged.
    """
    from gridbench.status import set_aside, statuses

    if not runs.is_dir():
        raise InputError(
            f"There is no folder {str(runs)!r}. Name the one that holds the runs with --runs, or make a first "
            "result: gridbench run --method grid --loss bce --slnir 30"
        )
    found, aside = list(statuses(runs, verify)), set_aside(runs)
    if format_ == "json":
        _print_json(found, aside)
    else:
        _print_text(found, aside, everything)
    if any(run.needs_attention for run in found):
        sys.exit(1)


def _print_json(found: list[RunStatus], aside: list[Path]) -> None:
    import json

    rows = [
        {
            "folder": str(run.folder),
            "state": run.state,
            "epoch": run.epoch,
            "epochs": run.epochs,
            "reason": run.reason,
        }
        for run in found
    ]
    click.echo(json.dumps({"runs": rows, "set_aside": [str(path) for path in aside]}, indent=1))


def _print_text(found: list[RunStatus], aside: list[Path], everything: bool) -> None:
    counted: Counter[str] = Counter(run.state for run in found)
    click.echo(", ".join(f"{counted[state]} {state}" for state in STATES if counted[state]) or "No runs.")
    for run in found:
        if run.state == "done" and not everything:
            continue
        reached = f" after epoch {run.epoch} of {run.epochs}" if run.epoch is not None else ""
        reason = " ".join(run.reason.split())[:LONGEST_REASON]
        click.echo(f"{run.state:10} {run.folder.name}{reached}" + (f": {reason}" if reason else ""))
    if any(run.state in ("failed", "incomplete") for run in found):
        click.echo("The same command again goes on after the last finished epoch.")
    if counted["corrupt"]:
        click.echo("The same command again sets a damaged run aside and computes it anew.")
    for path in aside:
        click.echo(f"set aside  {path}")
