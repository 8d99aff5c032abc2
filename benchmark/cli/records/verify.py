"""`gridbench verify`: a record, and the same run computed here, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.options import (
    GroupedCommand,
    cache_option,
    collect,
    config_options,
    device_option,
    option,
    plugin_option,
    quiet_option,
    threads_option,
)
from gridbench.core.terminal import say
from gridbench.errors import AlreadyPrinted, InputError

if TYPE_CHECKING:
    from gridbench.leaderboard.records.runs import Run
    from gridbench.records.record import StoredRun
    from gridbench.records.verify import Line

__all__ = ["verify"]


@click.command(cls=GroupedCommand)
@click.argument("what", metavar="METHOD_OR_RECORD")
@config_options("dataset", "loss", "slnir", "seed", "noise", "epochs", "parameters")
@option(
    "--records",
    "file",
    group="data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compact records, or a folder of runs, with those of METHOD.  [default: those that ship with gridbench]",
)
@option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("verified"),
    show_default=True,
    metavar="DIR",
    help="Folder for the recomputed run.",
)
@cache_option
@device_option
@threads_option
@option("--force", is_flag=True, help="Recompute even if the run was recomputed here before.")
@plugin_option
@quiet_option
def verify(
    what: str,
    file: Path | None,
    runs: Path,
    cache: Path | None,
    device: str,
    threads: int,
    force: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Recompute the run of a record on this machine, and show where the two start to differ.

    METHOD_OR_RECORD is a method of the shipped records, or a run folder, or its config.json. Exit code 0: all is equal,
    or the difference is within what machines differ by. 1: it is not.

    \b
    Examples:
      gridbench verify bce --slnir 30 --seed 0
      gridbench verify runs/bluemarble-bce-slnir30-seed0-1106ebbe1b
    """  # noqa: D301
    from gridbench.config import stored_config
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets import default_cache
    from gridbench.plan import make_plan
    from gridbench.records.runner import Execution, run
    from gridbench.records.verify import check_comparable, plan_lines, verify_records

    values = collect(given)
    stored = _from_path(Path(what), values, file) or _from_records(
        what, values, file, cache or default_cache()
    )
    config = stored_config(stored.config["config"])
    with ProgressReporter(quiet) as progress:
        plan = make_plan(config, cache or default_cache(), progress.build)
        say(f"{stored.folder.name}")
        if plan.id != stored.id:
            _print(plan_lines(stored.config, plan.document()))
            say("Differs. This gridbench and its data would compute another run, so nothing was computed.")
            raise AlreadyPrinted
        if (runs / plan.folder_name).resolve() == stored.folder.resolve():
            raise InputError(
                f"The record lies in {runs} itself; name another folder for the new run with --runs."
            )
        check_comparable(stored)
        execution = Execution(
            runs=runs,
            cache=cache,
            device=device,
            keep="light",
            force=force,
            threads=threads,
            progress=progress,
            building=progress.build,
            say=progress.say,
        )
        fresh = run(config, execution)
    found = verify_records(stored, fresh)
    _print(found.lines)
    words = {"equal": "Equal.", "within": "Within what machines differ by.", "differs": "Differs."}
    say(f"{words[found.verdict]} {found.reason}")
    if found.verdict == "differs":
        raise AlreadyPrinted


def _from_path(path: Path, values: Mapping[str, Any], file: Path | None) -> StoredRun | None:
    """Return the record at a path; None if the argument is the name of a method."""
    from gridbench.records.record import read_record

    if not path.exists():
        if len(path.parts) > 1 or path.suffix:
            raise InputError(
                f"There is no record {str(path)!r}. `gridbench status --all` lists those of a folder."
            )
        return None
    if values or file is not None:
        raise InputError(f"{path} names its run already; leave out the settings and --records.")
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.name != "config.json":
        raise InputError(
            f"{path} is not a record; name a run folder or its config.json, or its method with --records FILE."
        )
    stored = read_record(folder, verify=True)
    if stored.state != "done":
        raise InputError(
            f"The run in {folder} is {stored.state}: {stored.reason}. Only a finished run can be verified."
        )
    return stored


def _from_records(method: str, values: Mapping[str, Any], file: Path | None, cache: Path) -> StoredRun:
    """Return the only record of a method with the given settings, the data set's own recipe first."""
    from gridbench.config import make_config
    from gridbench.leaderboard.records.runs import collect as read_runs
    from gridbench.leaderboard.records.runs import shipped_records
    from gridbench.registry import METHODS

    METHODS.get(method)
    asked = make_config({**values, "method": method}).canonical()
    fixed = {name: asked[name] for name in (*values, "method", "seed") if name != "parameters"}
    source = file or shipped_records()
    everything = [run for run in read_runs(source).runs if _matches(run, {"method": method}, {})]
    parameters = dict(values.get("parameters") or {})
    matching = [run for run in everything if _matches(run, fixed, parameters)]
    if not matching:
        there = sorted({_short(run) for run in everything})
        raise InputError(
            f"{source} has no record of {method} with "
            f"{', '.join(f'{name} {value}' for name, value in fixed.items())}. "
            f"It has: {'; '.join(there) or 'none of that method'}."
        )
    return _usual(matching, source, cache)


def _usual(matching: Sequence[Run], source: Path, cache: Path) -> StoredRun:
    """Return the one record with the default recipe and default parameters."""
    from gridbench.config import make_config
    from gridbench.plan import make_plan

    if len(matching) == 1:
        return matching[0].stored
    kept = ("dataset", "method", "loss", "slnir", "seed", "noise")
    usual = []
    for run in matching:
        settings = run.stored.config["config"]
        config = make_config({name: settings[name] for name in kept if name in settings})
        if make_plan(config, cache).config.canonical() == settings:
            usual.append(run)
    if len(usual) == 1:
        return usual[0].stored
    names = sorted(
        {n for run in matching for n in run.settings if len({str(r.settings.get(n)) for r in matching}) > 1}
    )
    raise InputError(
        f"{len(matching)} records of {source} match; they differ in {', '.join(names)}. Name one of them."
    )


def _matches(run: Run, fixed: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    settings = run.stored.config["config"]
    own = settings.get("parameters") or {}
    return all(settings.get(name) == value for name, value in fixed.items()) and all(
        str(own.get(name)) in (str(value), f"{value}.0") for name, value in parameters.items()
    )


def _short(run: Run) -> str:
    settings = run.settings
    return f"{settings['loss'] or 'no loss'} at {settings['slnir']}"


def _print(lines: Sequence[Line]) -> None:
    from rich.table import Table

    from gridbench.core.console import Console

    table = Table("", "the record", "here", "")
    beside = [line for line in lines if line.what != "machine"]
    for line in beside:
        table.add_row(line.what, line.there, line.here, line.outcome)
    Console(highlight=False).print(table)
    for line in lines[len(beside) :]:
        say(f"The record's machine: {line.there}\nThis machine:         {line.here}", indent=22)
