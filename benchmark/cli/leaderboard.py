"""`gridbench leaderboard`: from a folder of results to a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gridbench.errors import InputError, nearest

if TYPE_CHECKING:
    from gridbench.leaderboard.runs import Collection
    from gridbench.leaderboard.table import Table

FORMATS = ("terminal", "markdown", "csv")
WIDEST = 1000
MOST_REPORTED = 5
_SUFFIXES = {".md": "markdown", ".csv": "csv", ".txt": "terminal"}


@click.command()
@click.option(
    "--runs", default="runs", show_default=True, metavar="DIR", help="Folder that results are read from."
)
@click.option("--metric", metavar="NAME", help="What to compare [default: ndcg at each run's own k].")
@click.option(
    "--dataset", multiple=True, metavar="NAME", help="Only this data set; may be given several times."
)
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), help="[default: by the suffix of --out, or terminal]"
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead.")
def leaderboard(
    runs: str, metric: str | None, dataset: tuple[str, ...], format_: str | None, out: Path | None
) -> None:
    """Compare the results in a folder: methods by noise rates, averaged over seeds and nothing else."""
    from gridbench.leaderboard.runs import collect
    from gridbench.leaderboard.table import Request, tables_of

    found = collect(Path(runs))
    if dataset:
        known = sorted({str(run.settings["dataset"]) for run in found.runs})
        for name in dataset:
            if found.runs and name not in known:
                raise InputError(
                    f"No result is of the data set {name!r}.{nearest(name, known)} "
                    f"There are: {', '.join(known)}."
                )
        found.runs = [run for run in found.runs if run.settings["dataset"] in dataset]
    if not found.runs:
        raise InputError(_nothing(runs, [item.state for item in found.left_out]))
    tables = tables_of(found, Request(metric=metric))
    chosen = format_ or (_SUFFIXES.get(out.suffix.lower(), "terminal") if out else "terminal")
    _write(tables, chosen, out)
    _report(found)


def _nothing(runs: str, states: list[str]) -> str:
    counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    seen = f" There are only runs that do not count: {counted} (gridbench status says why)." if states else ""
    first = "gridbench run --method grid --loss bce --slnir 30"
    return f"There is no finished run in {runs!r}.{seen} Make a result with: {first} --runs {runs}"


def _write(tables: Sequence[Table], format_: str, out: Path | None) -> None:
    if format_ == "terminal":
        _print(tables, out)
        return
    if format_ == "csv":
        from gridbench.leaderboard.format_csv import render_csv as render
    else:
        from gridbench.leaderboard.format_markdown import render_markdown as render
    text = render(tables)
    if out is None:
        click.echo(text, nl=False)
    else:
        _save(out, text)


def _print(tables: Sequence[Table], out: Path | None) -> None:
    import io

    from rich.console import Console

    from gridbench.leaderboard.format_terminal import print_tables

    if out is None:
        print_tables(tables, Console(highlight=False, width=None if sys.stdout.isatty() else WIDEST))
        return
    text = io.StringIO()
    print_tables(tables, Console(file=text, highlight=False, width=WIDEST))
    _save(out, text.getvalue())


def _save(out: Path, text: str) -> None:
    from gridbench.atomic import write_bytes

    if not out.parent.is_dir():
        raise InputError(f"There is no folder {str(out.parent)!r} to write {out.name!r} to.")
    write_bytes(out, text.encode())
    click.echo(f"Wrote {out}", err=True)


def _report(found: Collection) -> None:
    """Say on standard error what was not counted, and why."""
    from gridbench.leaderboard.text import clean

    broken = [item for item in found.left_out if item.state == "corrupt"]
    for item in broken[:MOST_REPORTED]:
        click.echo(f"Left out {clean(item.folder.name)}: {clean(item.reason, 200)}", err=True)
    if len(broken) > MOST_REPORTED:
        click.echo(f"... and {len(broken) - MOST_REPORTED} more that are damaged.", err=True)
    others = len(found.left_out) - len(broken)
    if others:
        click.echo(f"{others} unfinished or failed; gridbench status tells more.", err=True)
    for note in found.notes[:MOST_REPORTED]:
        click.echo(clean(note, 300), err=True)
