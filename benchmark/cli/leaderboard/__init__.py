"""`gridbench leaderboard`: from a folder of results to a table."""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from gridbench.cli.leaderboard.sharing import export_bundle, import_records, nothing_finished
from gridbench.cli.leaderboard.submissions import submit, verify_submission
from gridbench.cli.options import OutputFile, OutputFolder
from gridbench.core.terminal import say
from gridbench.errors import InputError

if TYPE_CHECKING:
    from gridbench.leaderboard.formats.report import Report
    from gridbench.leaderboard.records.runs import Collection
    from gridbench.leaderboard.tables.sheet import Sheet

FORMATS = ("terminal", "markdown", "latex", "csv", "json", "html")
BESIDE_REPORTED = "reported"
WIDEST = 1000
MOST_REPORTED = 5
_SUFFIXES = {
    ".md": "markdown",
    ".tex": "latex",
    ".csv": "csv",
    ".json": "json",
    ".html": "html",
    ".txt": "terminal",
    "": "terminal",
}


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",")) if value is not None else ()
    if not all(names) or len(set(names)) < len(names):
        raise InputError(
            f"{parameter.opts[0]} is {value!r}; it takes names of settings, each once, divided by commas: method,loss."
        )
    return names


@click.group(invoke_without_command=True)
@click.option(
    "--runs",
    type=click.Path(),
    default="runs",
    show_default=True,
    metavar="DIR",
    help="Folder of run records, or a file of compact records.",
)
@click.option(
    "--baselines", is_flag=True, help="Read the records that ship with gridbench instead of a folder."
)
@click.option("--metric", metavar="NAME", help="Metric to compare.  [default: ndcg at each run's own k]")
@click.option("--dataset", multiple=True, metavar="NAME", help="Only this data set; can be repeated.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="CONDITION",
    help="Only runs that satisfy this condition, such as slnir>=30; can be repeated.",
)
@click.option(
    "--rows", callback=_names, metavar="NAMES", help="Settings that identify a row.  [default: method,loss]"
)
@click.option(
    "--columns", callback=_names, metavar="NAMES", help="Settings that identify a column.  [default: slnir]"
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="[default: by the extension of --out, else terminal]",
)
@click.option("--statistics", is_flag=True, help="Add paired differences over seeds, ranks and areas.")
@click.option(
    "--against",
    metavar="METHOD",
    help="Compare with this method instead of plain training, or with reported numbers: reported.",
)
@click.option(
    "--selected", is_flag=True, help="Hide the variants that a sweep's --select tried but did not choose."
)
@click.option("--reported", is_flag=True, help="Add the numbers that papers report, as separate tables.")
@click.option("--figures", type=OutputFolder(), help="Draw every figure into this folder.")
@click.option("--out", type=OutputFile(), help="Write to this file.")
@click.pass_context
def leaderboard(
    context: click.Context,
    runs: str,
    baselines: bool,
    metric: str | None,
    dataset: tuple[str, ...],
    filters: tuple[str, ...],
    rows: tuple[str, ...],
    columns: tuple[str, ...],
    format_: str | None,
    statistics: bool,
    against: str | None,
    selected: bool,
    reported: bool,
    figures: Path | None,
    out: Path | None,
) -> None:
    """Compare the results in a folder: methods by noise rates, averaged over seeds and nothing else.

    --statistics says which differences are resolved: paired by seed, with five seeds or more, after Holm's correction
    (docs/comparing.md).

    \b
    Examples:
      gridbench leaderboard
      gridbench leaderboard --baselines --statistics
      gridbench leaderboard --filter 'slnir>=30' --metric map_macro \\
        --out table.tex
    """  # noqa: D301
    if context.invoked_subcommand:
        return
    from gridbench.leaderboard.formats.report import Report
    from gridbench.leaderboard.records.filters import Condition, keep, parse_condition
    from gridbench.leaderboard.records.runs import Collection, collect
    from gridbench.leaderboard.tables.table import COLUMNS, ROWS, tables_of

    if baselines:
        if context.get_parameter_source("runs") is ParameterSource.COMMANDLINE:
            absent = "" if Path(runs).exists() else f"There is no folder {runs!r}, and "
            raise InputError(
                f"{absent}--baselines reads the records that ship with gridbench instead of --runs "
                f"{shlex.quote(runs)}. Give one of the two."
            )
        from gridbench.leaderboard.records.runs import shipped_records

        runs = str(shipped_records())
    chosen = format_of(format_, out)
    conditions = [parse_condition(text) for text in filters]
    only_reported = reported and not Path(runs).exists()
    found = Collection() if only_reported else collect(Path(runs))
    if not found.runs and not reported:
        raise nothing_finished([runs], found)
    found = _with_selections(found, Path(runs), selected)
    measured = {str(run.settings["dataset"]) for run in found.runs}
    if reported and not measured.intersection(dataset or measured):
        found = Collection()
    elif dataset:
        conditions.insert(0, Condition("dataset", "=", dataset))
    found = keep(found, conditions)
    beside = against == BESIDE_REPORTED
    report = Report(
        found,
        tables_of(found, metric, rows or ROWS, columns or COLUMNS) if found.runs else [],
        statistics or bool(against and not beside),
        None if beside else against,
        reported,
        beside,
        dataset,
    )
    # Write figures first: the reader of the tables, such as `head`, may close the pipe early.
    if figures:
        _draw(report, figures)
    write_report(report_text(report, chosen, out), out)
    _say(found)


leaderboard.add_command(export_bundle)
leaderboard.add_command(import_records)
leaderboard.add_command(submit)
leaderboard.add_command(verify_submission)


def _with_selections(found: Collection, runs: Path, only: bool) -> Collection:
    """Let what was selected on validation say so, and with `only` hide the other tries."""
    from gridbench.leaderboard.records.selections import only_chosen, read_selections, say_chosen

    selections, notes = read_selections([runs])
    found.notes.extend(notes)
    if only and not selections:
        raise InputError(
            f"Nothing was selected in {str(runs)!r}. Select with: gridbench sweep --select lambda ... "
            f"--runs {shlex.quote(str(runs))}"
        )
    found = say_chosen(found, selections)
    return only_chosen(found, selections) if only else found


def format_of(format_: str | None, out: Path | None) -> str:
    """Return the format that was asked for, or the one that a file's name asks for.

    Raises:
        InputError: None was asked for, and the ending of the name stands for none.
    """
    ending = out.suffix.lower() if out else ""
    if not format_ and ending not in _SUFFIXES:
        known = ", ".join(each for each in _SUFFIXES if each)
        raise InputError(
            f"--out ends in {ending!r}, which is not a format. Take {known}, or name one with --format."
        )
    return format_ or _SUFFIXES[ending]


def report_text(report: Report, format_: str, out: Path | None) -> str:
    """Return the report in a format; what goes to a terminal is printed at once and leaves nothing to write."""
    if format_ == "csv":
        from gridbench.leaderboard.formats.csv import render_csv

        return render_csv(report)
    if format_ == "json":
        from gridbench.leaderboard.formats.json import render_json

        return render_json(report)
    if format_ == "html":
        from gridbench.leaderboard.formats.html.page import render_page

        return render_page(report)
    sheets = report.sheets()
    if format_ == "markdown":
        from gridbench.leaderboard.formats.markdown import render_markdown

        return render_markdown(sheets)
    if format_ == "latex":
        from gridbench.leaderboard.formats.latex import render_latex

        return render_latex(sheets)
    return _printed(sheets, out is None)


def _printed(sheets: Sequence[Sheet], to_screen: bool) -> str:
    from gridbench.core.console import Console
    from gridbench.leaderboard.formats.terminal import print_sheets

    text = io.StringIO()
    live = to_screen and sys.stdout.isatty()
    print_sheets(
        sheets, Console(highlight=False) if live else Console(file=text, highlight=False, width=WIDEST)
    )
    return text.getvalue()


def write_report(text: str, out: Path | None) -> None:
    """Print a report, or write it to a file."""
    from gridbench.core.files import write_bytes

    if out is None:
        click.echo(text, nl=False)
        return
    write_bytes(out, text.encode())
    say(f"Wrote {out}", err=True)


def _draw(report: Report, folder: Path) -> None:
    """Write every figure as PDF and SVG (for papers) and PNG (for slides)."""
    from gridbench.core.files import all_or_nothing, write_bytes
    from gridbench.leaderboard.figures.figures import figures_of
    from gridbench.leaderboard.figures.style import rendered

    names = []
    with all_or_nothing(folder):
        for name, figure in figures_of(report):
            for suffix in ("pdf", "svg", "png"):
                write_bytes(folder / f"{name}.{suffix}", rendered(figure, suffix))
            names.append(name)
    for name in names:
        say(f"Wrote {folder / name}.pdf, .svg and .png", err=True)
    if not names:
        say("No figure can be drawn of these results; most show several noise rates or parameters.", err=True)


def _say(found: Collection) -> None:
    """Report excluded records on standard error, with reasons."""
    from gridbench.leaderboard.tables.text import clean

    broken = [item for item in found.left_out if item.state == "corrupt"]
    for item in broken[:MOST_REPORTED]:
        say(f"Left out {clean(item.folder.name)}: {clean(item.reason, 200)}", err=True)
    if len(broken) > MOST_REPORTED:
        say(f"... and {len(broken) - MOST_REPORTED} more that are damaged.", err=True)
    others = len(found.left_out) - len(broken)
    if others:
        say(f"{others} unfinished or failed; gridbench status tells more.", err=True)
    for note in found.notes[:MOST_REPORTED]:
        say(clean(note, 300), err=True)
