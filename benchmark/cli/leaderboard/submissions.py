"""`gridbench leaderboard submit` and `verify`: submission of methods, and verification of submissions."""

from __future__ import annotations

import shlex
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import gridbench
from gridbench.cli.leaderboard.sharing import own_records
from gridbench.cli.options import OutputFile, cache_option, device_option, quiet_option, threads_option
from gridbench.core.terminal import say
from gridbench.errors import AlreadyPrinted, InputError, counted

if TYPE_CHECKING:
    from gridbench.leaderboard.bundles.submission import Submission
    from gridbench.leaderboard.records.run import Run

__all__ = ["submit", "verify_submission"]


@click.command()
@click.argument("bundle", type=OutputFile())
@click.option(
    "--runs",
    type=click.Path(),
    multiple=True,
    default=("runs",),
    show_default=True,
    metavar="DIR",
    help="Folder of records.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="CONDITION",
    help="Only runs that satisfy this condition, such as method=mine; can be repeated.",
)
@click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Plug-in that the records were computed with, which is checked and packed; can be repeated.",
)
def submit(bundle: Path, runs: tuple[str, ...], filters: tuple[str, ...], plugins: tuple[Path, ...]) -> None:
    """Pack records, the plug-in that made them and its conformance report into BUNDLE, to be handed in.

    \b
      gridbench leaderboard submit mine.zip --filter method=mine --plugin mine.py
    """  # noqa: D301
    from gridbench.conformance import check_component
    from gridbench.core.environment import cpu_threads
    from gridbench.core.files import write_bytes
    from gridbench.core.plugins import load_plugin
    from gridbench.leaderboard.bundles.submission import pack_submission

    found = own_records(runs, filters)
    findings = []
    for path in plugins:
        for kind, name in load_plugin(path):
            say(f"checking the {kind} {name}")
            with cpu_threads(1):
                for finding in check_component(kind, name):
                    row = {"check": finding.check, "subject": finding.subject, "reason": finding.reason}
                    findings.append({"component": f"{kind} {name}", **row})
    content = pack_submission(found.runs, plugins, findings, gridbench.__version__)
    write_bytes(bundle, content)
    failed = sum(bool(row["reason"]) for row in findings)
    say(
        f"Wrote {bundle}: {counted(len(found.runs), 'record')}, {counted(len(plugins), 'plug-in')}, "
        f"{_checks(len(findings), failed)}."
    )
    say(f"Next: gridbench leaderboard verify {shlex.quote(str(bundle))}")


@click.command("verify")
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--recompute",
    multiple=True,
    metavar="RUN",
    help="Recompute this run, given by the start of its name; all: every run.",
)
@click.option(
    "--run-plugin",
    is_flag=True,
    help="Allow the bundle's plug-in to run: it is code that runs with your permissions, so read it first.",
)
@cache_option
@device_option
@threads_option
@quiet_option
def verify_submission(
    bundle: Path,
    recompute: tuple[str, ...],
    run_plugin: bool,
    cache: Path | None,
    device: str,
    threads: int,
    quiet: bool,
) -> None:
    """Check a submission, and compute chosen runs of it again.

    Without --recompute nothing of the bundle is run: hashes, identities, scores and the plug-in's hash are checked, and
    what passes is "submitted". Runs that were computed again with the same numbers, or within what machines differ by,
    are "verified". Exit code 1: a run differs.

    \b
      gridbench leaderboard verify mine.zip
      gridbench leaderboard verify mine.zip \\
        --recompute bluemarble-mine-bce-slnir30-seed0 --run-plugin
    """  # noqa: D301
    from gridbench.leaderboard.bundles.submission import opened_submission

    with (
        tempfile.TemporaryDirectory(prefix="gridbench-verify-") as name,
        opened_submission(bundle, Path(name)) as submission,
    ):
        chosen = _chosen(submission, recompute)
        _describe(submission)
        if any(run.stored.config.get("plugin") for run in chosen) and not run_plugin:
            files = ", ".join(path.name for path in submission.plugins)
            raise InputError(
                f"These runs need the bundle's plug-in ({files}), which is code. Read it "
                f"(unzip -p {shlex.quote(str(bundle))} 'plugin/*'), then add --run-plugin."
            )
        settings = {"cache": cache, "device": device, "threads": threads}
        verdicts = _recomputed(submission, chosen, Path(name) / "again", settings, quiet) if chosen else {}
    for run in submission.runs:
        say(f"{verdicts.get(run.stored.folder.name, 'submitted'):10} {run.stored.folder.name}")
    if "differs" in verdicts.values():
        raise AlreadyPrinted


def _chosen(submission: Submission, asked: tuple[str, ...]) -> list[Run]:
    """Return the runs that are to be computed again."""
    chosen = []
    for start in asked:
        fitting = [r for r in submission.runs if start == "all" or r.stored.folder.name.startswith(start)]
        if not fitting:
            names = ", ".join(run.stored.folder.name for run in submission.runs)
            raise InputError(f"No run of the bundle begins with {start!r}. There are: {names}.")
        chosen += [run for run in fitting if run not in chosen]
    return chosen


def _describe(submission: Submission) -> None:
    from gridbench.leaderboard.tables.text import clean

    cells = Counter(
        (clean(str(run.settings.get("method"))), clean(str(run.settings.get("slnir"))))
        for run in submission.runs
    )
    machines = sorted({clean(run.stored.machine, 200) for run in submission.runs})
    say(
        f"{counted(len(submission.runs), 'record')}, packed by gridbench {clean(submission.version)}; hashes, "
        "identities and scores are right"
    )
    say(
        "cells: "
        + ", ".join(f"{method} at {rate} % (n = {n})" for (method, rate), n in sorted(cells.items()))
    )
    for machine in machines:
        say(f"machine: {machine}")
    for path in submission.plugins:
        say(
            f"plug-in: {path.name}, {counted(len(path.read_text(encoding='utf-8').splitlines()), 'line')}, the one "
            "that the records name"
        )
    failed = [row for row in submission.findings if row.get("reason")]
    say(f"conformance, as reported: {_checks(len(submission.findings), len(failed))}")


def _checks(total: int, failed: int) -> str:
    if not total:
        return "no conformance checks"
    return f"{failed} of {counted(total, 'check')} failed" if failed else f"all {total} checks passed"


def _recomputed(
    submission: Submission, chosen: list[Run], folder: Path, settings: dict[str, Any], quiet: bool
) -> dict[str, str]:
    """Compute runs again; return name -> verified or differs."""
    from gridbench.config import stored_config
    from gridbench.core.plugins import load_plugin
    from gridbench.core.progress import ProgressReporter
    from gridbench.records.record import read_record
    from gridbench.records.runner import Execution, run
    from gridbench.records.verify import verify_records

    if any(each.stored.config.get("plugin") for each in chosen):
        for path in submission.plugins:
            load_plugin(path)
    verdicts = {}
    for each in chosen:
        stored = read_record(each.stored.folder, verify=True)
        with ProgressReporter(quiet) as progress:
            execution = Execution(
                runs=folder,
                keep="light",
                progress=progress,
                building=progress.build,
                say=progress.say,
                **settings,
            )
            fresh = run(stored_config(stored.config["config"]), execution)
        found = verify_records(stored, fresh)
        same = fresh.id == stored.id and found.verdict != "differs"
        verdicts[stored.folder.name] = "verified" if same else "differs"
        say(f"{stored.folder.name}: {found.reason}")
    return verdicts
