"""What `gridbench compare` shows and says when its runs are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.errors import RunFailed

if TYPE_CHECKING:
    from gridbench.leaderboard.records.runs import Run
    from gridbench.leaderboard.tables.report import Report
    from gridbench.leaderboard.tables.table import Row, Table
    from gridbench.sweeps.baselines import Baselines
    from gridbench.sweeps.grid import Item

__all__ = ["close", "placed"]

ENOUGH_SEEDS = 5
YOURS = "the method in question, computed on this machine; all other rows are the baselines' records"
SHIPPED = "the method in question is one of the baselines: these are its shipped records"


def placed(baselines: Baselines, items: Sequence[Item], runs: Path, metric: str | None) -> Report:
    """Put the new runs among the baselines.

    Raises:
        RunFailed: None of the runs is done.
    """
    from gridbench.leaderboard.records.runs import Collection
    from gridbench.leaderboard.stats.versus_baselines import difference_sheet, row_of
    from gridbench.leaderboard.tables.report import Report
    from gridbench.leaderboard.tables.table import Request, tables_of

    own = _own_runs(items, runs)
    if not own:
        raise RunFailed("None of the runs is done, so there is nothing to show.")
    ids = {run.id for run in own}
    found = Collection([*(run for run in baselines.runs if run.id not in ids), *own])
    tables = tables_of(found, Request(metric))
    sheets = []
    for table in tables:
        mine = row_of(table, ids)
        if mine is not None and table.unit.better:
            sheets.append(difference_sheet(table, mine, _others(table, mine, own[0])))
    return Report(found, tables, extra=sheets)


def _others(table: Table, mine: Row, own: Run) -> list[Row]:
    """Return the rows trained with the same loss, plain training first: it is what every method must beat."""

    def settings(row: Row) -> Mapping[str, Any]:
        return row.first.settings

    shared = own.settings["loss"]
    others = [row for row in table.rows if row is not mine and settings(row)["loss"] == shared]
    return sorted(others, key=lambda row: settings(row)["method"] != shared)


def _own_runs(items: Sequence[Item], runs: Path) -> list[Run]:
    from gridbench.leaderboard.records.runs import Run, as_run
    from gridbench.records.record import read_record

    own = []
    for item in items:
        shipped = (
            item.stored is not None and item.stored.state == "done" and item.stored.folder.parent != runs
        )
        stored = item.stored if shipped and item.stored else read_record(runs / item.plan.folder_name)
        run = as_run(stored, "")
        if isinstance(run, Run):
            own.append(replace(run, note=" ".join(filter(None, [run.note, SHIPPED if shipped else YOURS]))))
    return own


def close(
    what: str,
    baselines: Baselines,
    items: Sequence[Item],
    runs: Path,
    quick: bool,
    file: Path | None,
    metric: str | None,
) -> None:
    """Say how long it took, what may be concluded, and what to do next."""
    own = _own_runs(items, runs)
    plain = [run for seeds in baselines.plain.values() for run in seeds.values()]
    mine, theirs = _median_seconds(own), _median_seconds(plain)
    if mine is not None and theirs is not None:
        click.echo(
            f"Training took {mine:.1f} s a run (median); plain training {theirs:.1f} s where the baselines were "
            "made. Compare times only on one machine."
        )
    if len(own) < len(items):
        click.echo(
            f"{len(items) - len(own)} of {len(items)} runs are missing; gridbench status --runs {runs} says why."
        )
    seeds = min(map(len, baselines.plain.values()))
    again = f"gridbench compare {what}" + (f" --baselines {file}" if file else "")
    if quick:
        click.echo(
            "One seed at one noise rate shows that it runs, and nothing yet about which method is better."
        )
        click.echo(f"Next: {again}")
    elif seeds < ENOUGH_SEEDS:
        click.echo(f"{seeds} seeds resolve nothing; {ENOUGH_SEEDS} can.")
        click.echo(f"Next: {again} --seeds {ENOUGH_SEEDS}")
    else:
        if metric is None:
            click.echo(
                "To choose among variants of a method, compare them by --metric validation/ndcg: test scores choose "
                "nothing."
            )
        click.echo(f"As a page: {again} --out comparison.html")
        name = items[0].plan.config.method
        click.echo(
            f"To publish: gridbench leaderboard export {name}.zip --runs {runs} --filter method={name}"
        )


def _median_seconds(runs: Sequence[Run]) -> float | None:
    from statistics import median

    spent = []
    for run in runs:
        try:
            spent.append(float(run.stored.environment()["seconds"]["training"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return median(spent) if spent else None
