"""`gridbench reproduce`: the paper's tables and figures as commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.computing import computing_of, computing_options, print_summary
from gridbench.cli.options import (
    GroupedCommand,
    OutputFolder,
    cache_option,
    keep_option,
    option,
    quiet_option,
    runs_option,
    typed_command,
)
from gridbench.core.terminal import say
from gridbench.errors import AlreadyPrinted, InputError, RunFailed, counted, reason_of

if TYPE_CHECKING:
    from gridbench.core.progress import ProgressReporter
    from gridbench.leaderboard.tables.sheet import Sheet
    from gridbench.records.execution import Execution
    from gridbench.sweeps.computing import Computing
    from gridbench.sweeps.paper import Exhibit
    from gridbench.sweeps.reproduce import Source
    from gridbench.sweeps.run_sweep import PlannedSweep

__all__ = ["reproduce"]


@click.command(cls=GroupedCommand)
@click.argument("names", nargs=-1, required=True, metavar="list|NAME...")
@option(
    "--dataset",
    group="data",
    metavar="NAME",
    help="Archive to use, such as bluemarble.  [default: the paper's own]",
)
@option(
    "--seeds", group="recipe", default="5", show_default=True, metavar="N", help="Seeds 0 to N-1, or a list."
)
@option(
    "--epochs", group="recipe", type=click.IntRange(min=1), metavar="N", help="Epochs.  [default: recipe]"
)
@runs_option
@cache_option
@click.option(
    "--out",
    type=OutputFolder(),
    default=Path("reproduced"),
    show_default=True,
    metavar="DIR",
    help="Folder for tables (Markdown, LaTeX) and figures (PNG, PDF).",
)
@computing_options
@keep_option("light")
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option("--dry-run", is_flag=True, help="Show the runs, what is done and what is needed, and stop.")
@quiet_option
def reproduce(
    names: tuple[str, ...],
    dataset: str | None,
    seeds: str,
    epochs: int | None,
    runs: Path,
    cache: Path | None,
    out: Path,
    keep: str,
    retry_failed: bool,
    dry_run: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compute a table or figure of the GRID paper on its exact grid, and compare measured with reported values.

    `list` says what each needs. The runs are ordinary ones: tables and figures share them, the same command again
    resumes where it stopped, and nothing that is done is computed again.

    \b
      gridbench reproduce list
      gridbench reproduce table-5 --dataset bluemarble --epochs 3 --seeds 2
      gridbench reproduce table-1 table-5 figure-2 --dry-run
    """  # noqa: D301
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets import default_cache
    from gridbench.datasets.archive.building import nothing_built
    from gridbench.records.runner import Execution, NoRoom
    from gridbench.sweeps.grid import seeds_of
    from gridbench.sweeps.paper import EXHIBITS, exhibit
    from gridbench.sweeps.reproduce import datasets_for, source_of

    how = computing_of(given)
    wanted = seeds_of(seeds)
    chosen = list(EXHIBITS.values()) if "list" in names else [exhibit(name) for name in dict.fromkeys(names)]
    where = cache or default_cache()
    if "list" in names:
        from gridbench.cli.reproduce.exhibits import print_list

        print_list(chosen, dataset, wanted, epochs, runs, where)
        return
    how.engine.require_devices()
    execution = Execution(runs=runs, cache=cache, keep=keep)
    failed = False
    with ProgressReporter(quiet, "reproduce") as progress, nothing_built(dry_run):
        for shown in chosen:
            for name in datasets_for(shown, dataset):
                source = source_of(name, where, progress.build)
                say(f"{shown.name}: {shown.title}, on {name}")
                if dry_run:
                    _print_plan(shown, source, wanted, epochs, execution, how, progress, retry_failed)
                    continue
                try:
                    ids = _compute(shown, source, wanted, epochs, execution, how, progress, retry_failed)
                except NoRoom:
                    raise
                except RunFailed as error:
                    failed = True
                    say(f"Error: {error}", err=True)
                    continue
                _show(shown, source, ids, wanted, epochs, runs, out)
    if failed:
        raise AlreadyPrinted


def _planned(
    shown: Exhibit, source: Source, seeds: list[str], epochs: int | None, execution: Execution, how: Computing
) -> PlannedSweep:
    """Plan the runs of a table or figure on an existing archive."""
    from gridbench.datasets import default_cache
    from gridbench.sweeps.grid import make_sweep
    from gridbench.sweeps.paper import settings_of
    from gridbench.sweeps.run_sweep import PlannedSweep

    settings = settings_of(shown, source.name, seeds, {} if epochs is None else {"epochs": epochs})
    planned = make_sweep(settings, execution.runs, execution.cache or default_cache())
    return PlannedSweep(planned, execution, how, None)


def _print_plan(
    shown: Exhibit,
    source: Source,
    seeds: list[str],
    epochs: int | None,
    execution: Execution,
    how: Computing,
    progress: ProgressReporter,
    retry_failed: bool,
) -> None:
    """Print the grid of a table or figure, its progress, and its remaining requirements; refuse what the runs would."""
    from gridbench.core.files import check_writable
    from gridbench.records.runtime import Measured
    from gridbench.sweeps.reproduce import cautions, requirements

    for part in shown.parts:
        words = [f"{name.removeprefix('parameters.')} {values}" for name, values in part.items()]
        say(f"  {'; '.join(words)}; seeds {','.join(seeds)}")
    if not shown.parts:
        say("  no runs: the networks are built and counted")
    elif source.archive is not None:
        planned = _planned(shown, source, seeds, epochs, execution, how)
        print_summary(planned.sweep, execution.runs, retry_failed, False)
        planned.check(progress, retry_failed)
    else:
        needed = requirements(shown, source, seeds, epochs)
        say(f"  {counted(len(needed), 'run')}; time: {Measured(execution.runs).estimate(needed).words()}.")
        check_writable(execution.runs)
    for line in cautions(shown, source, seeds, epochs):
        say(f"  {line}")
    if shown.parts and source.missing:
        say(f"  {source.missing}")


def _compute(
    shown: Exhibit,
    source: Source,
    seeds: list[str],
    epochs: int | None,
    execution: Execution,
    how: Computing,
    progress: ProgressReporter,
    retry_failed: bool,
) -> set[str]:
    """Compute what is missing, and return the identities of all runs that belong to the table or figure."""
    from gridbench.sweeps.reproduce import refuse_missing

    if not shown.parts:
        return set()
    refuse_missing(source)
    planned = _planned(shown, source, seeds, epochs, execution, how)
    print_summary(planned.sweep, execution.runs, retry_failed, False)
    planned.compute(typed_command(), progress, retry_failed)
    return {item.plan.id for item in planned.sweep.items}


def _show(
    shown: Exhibit,
    source: Source,
    ids: set[str],
    seeds: list[str],
    epochs: int | None,
    runs: Path,
    out: Path,
) -> None:
    """Write the table of what was measured and the figures that follow from the records, and print the table."""
    from gridbench.sweeps.reproduce import cautions, result_of

    sheets, figures = result_of(shown, source, ids, runs)
    said = [f"Note: {line}" for line in cautions(shown, source, seeds, epochs)]
    if shown.said:
        said.append(f"The paper prints no numbers for this figure; it says: {shown.said}.")
    # Caveats are printed with the numbers, so that neither is quoted without the other.
    sheets[0] = replace(sheets[0], notes=(*sheets[0].notes, *said))
    own = "" if source.name in shown.datasets and len(shown.datasets) == 1 else source.name
    # Write files first: the reader of the tables, such as `head`, may close the pipe early.
    written = _write("-".join(filter(None, (shown.name, own))), sheets, figures, out)
    _print(sheets)
    say(f"Written to {out}: {', '.join(written)}")


def _print(sheets: list[Sheet]) -> None:
    import io
    import sys

    from gridbench.core.console import Console
    from gridbench.leaderboard.formats.terminal import print_sheets

    if sys.stdout.isatty():
        print_sheets(sheets, Console(highlight=False))
        return
    text = io.StringIO()
    print_sheets(sheets, Console(file=text, highlight=False, width=1000))
    click.echo(text.getvalue(), nl=False)


def _write(name: str, sheets: list[Sheet], figures: dict[str, Any], out: Path) -> list[str]:
    from gridbench.core.files import NO_ROOM, all_or_nothing, write_bytes
    from gridbench.leaderboard.figures.style import rendered
    from gridbench.leaderboard.formats.latex import render_latex
    from gridbench.leaderboard.formats.markdown import render_markdown

    files = {}
    if sheets:
        files = {f"{name}.md": render_markdown(sheets).encode(), f"{name}.tex": render_latex(sheets).encode()}
    for part, figure in figures.items():
        for suffix in ("png", "pdf"):
            files["-".join(filter(None, (name, part))) + f".{suffix}"] = rendered(figure, suffix)
    try:
        with all_or_nothing(out):
            for file, content in files.items():
                write_bytes(out / file, content)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise InputError(
            f"The folder {str(out)!r} cannot be written: {reason_of(error, out)}. Give another --out."
        ) from None
    return list(files)
