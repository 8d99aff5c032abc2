"""Output of `gridbench compare`: the announcement before its runs and the report afterwards."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gridbench.core.machine import NOT_RECORDED
from gridbench.core.terminal import say
from gridbench.errors import RunFailed, counted, method_in_words

if TYPE_CHECKING:
    from gridbench.leaderboard.formats.report import Report
    from gridbench.leaderboard.records.runs import Run
    from gridbench.leaderboard.tables.table import Row, Table
    from gridbench.sweeps.baselines import Baselines
    from gridbench.sweeps.grid import Item

__all__ = ["announce", "close", "comparison_report", "explain_control"]

YOURS = "the method in question, computed on this machine"
CONTROL = "plain training computed on this machine: the control of the method in question"
HERE, THERE = "here", "baselines"
SHIPPED = "the method in question is one of the baselines: these are its shipped records"


def announce(
    method: str,
    loss: str,
    baselines: Baselines,
    items: Sequence[Item],
    control: Sequence[Item],
    todo: Sequence[Item],
) -> None:
    """Print the compared methods, the noise rates and seeds, the number of runs and their estimated time."""
    config = items[0].plan.config
    cells = "; ".join(
        f"SLNIR {rate}: seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
        for rate, seeds in baselines.plain.items()
    )
    say(f"{method_in_words(method, loss)} on {config.dataset}, on the cells of the baselines ({cells}).")
    if loss != baselines.loss:
        say(f"There is no plain training with the loss {loss}: it is compared with {baselines.loss}.")
    seconds = baselines.seconds()
    spent = seconds and f"{seconds / len(items) * len(todo) / 60:.1f} core-minutes"
    cost = f" Where the baselines were made, plain training took {spent} for as many." if spent else ""
    failed = sum(item.state == "failed" for item in (*items, *control))
    more = f"; {failed} failed before, tried again with --retry-failed" if failed else ""
    state = f"{len(todo)} to compute{more}.{cost}" if todo else f"all there already{more}."
    beside = f" and {len(control)} of plain {baselines.loss} as their control" if control else ""
    say(f"{counted(len(items), 'run')}{beside}, {state}")


def explain_control(
    baselines: Baselines, control: Sequence[Item], todo: Sequence[Item], here: str | None
) -> None:
    """Explain whether and why plain training is recomputed on this machine."""
    there = sorted({run.machine for seeds in baselines.plain.values() for run in seeds.values()})
    if control:
        recorded = "; ".join("a machine that they do not record" if m == NOT_RECORDED else m for m in there)
        say(
            f"The baselines were computed on {recorded}.\n"
            f"Runs are computed on {here or 'the machines of the engine'}.\n"
            "The same seed trains otherwise on another machine (docs/computing/machines.md), so plain training is "
            "computed here, too, once for all methods, and the method is paired with it."
        )
    elif todo:
        say("The baselines were computed on this machine, so their plain training is the control.")


def comparison_report(
    baselines: Baselines, items: Sequence[Item], control: Sequence[Item], runs: Path, metric: str | None
) -> Report:
    """Put the new runs among the baselines.

    Args:
        baselines: The baselines.
        items: The method's runs.
        control: Plain training on the machine of the method's runs; none where the baselines are of that machine.
        runs: Folder of the user's own records.
        metric: What to compare; None for NDCG.

    Returns:
        The table, by how much plain training here differs from the baselines' where it was computed, and the
        differences between the method and what was computed on its machine.

    Raises:
        RunFailed: None of the runs is done.
    """
    from gridbench.leaderboard.formats.report import Report
    from gridbench.leaderboard.records.runs import Collection
    from gridbench.leaderboard.stats.sheets import difference_sheet, row_of, shift_sheet
    from gridbench.leaderboard.tables.table import tables_of

    own, plain = _own_runs(items, runs), _done(control, runs)
    if not own:
        raise RunFailed("None of the runs is done, so there is nothing to show.")
    ids = {run.id for run in own}
    here, there = (HERE, THERE) if control else ("", "")
    found = Collection(
        [
            *(replace(run, origin=there) for run in baselines.runs if control or run.id not in ids),
            *(replace(run, origin=here) for run in own),
            *(replace(run, origin=here, note=CONTROL) for run in plain),
        ]
    )
    tables = tables_of(found, metric)
    sheets = []
    for table in tables:
        mine = row_of(table, ids, here)
        if mine is None or not table.unit.better:
            continue
        plain_here, plain_there = (
            row_of(table, {run.id for run in plain}, origin) for origin in (here, there)
        )
        if control and plain_here and plain_there:
            sheets.append(shift_sheet(table, plain_here, plain_there))
        differences = difference_sheet(table, mine, _others(table, mine, baselines.loss))
        if control:
            title = differences.title.replace("the baselines", "what was computed here, too")
            differences = replace(differences, title=title)
        sheets.append(differences)
    return Report(found, tables, extra=sheets)


def _others(table: Table, mine: Row, plain: str) -> list[Row]:
    """Return the rows trained with the loss of plain training, which comes first: it is what every method must beat.

    Plain training is the method named after its loss. Rows without any run on the same machine are left out, unless
    there is no other.
    """

    def pairs(row: Row) -> bool:
        return any(
            mine.cells[column].paired_values(cell)
            for column, cell in row.cells.items()
            if column in mine.cells
        )

    others = [row for row in table.rows if row is not mine and row.first.settings["loss"] == plain]
    others = [row for row in others if pairs(row)] or others
    return sorted(others, key=lambda row: row.first.settings["method"] != plain)


def _own_runs(items: Sequence[Item], runs: Path) -> list[Run]:
    """Return the method's finished runs, each with a note that says where it was computed."""
    from gridbench.sweeps.baselines import is_shipped

    shipped = [item for item in items if is_shipped(item, runs)]
    computed = [item for item in items if not is_shipped(item, runs)]
    noted = [
        *((run, SHIPPED) for run in _done(shipped, runs)),
        *((run, YOURS) for run in _done(computed, runs)),
    ]
    return [replace(run, note=" ".join(filter(None, [run.note, note]))) for run, note in noted]


def _done(items: Sequence[Item], runs: Path) -> list[Run]:
    """Return the finished runs, those of this command read from the folder that they went to."""
    from gridbench.leaderboard.records.runs import Run, as_run
    from gridbench.records.record import read_record
    from gridbench.sweeps.baselines import is_shipped

    stored = [
        item.stored if item.stored and is_shipped(item, runs) else read_record(runs / item.plan.folder_name)
        for item in items
    ]
    return [run for run in (as_run(each, "") for each in stored) if isinstance(run, Run)]


def close(
    again: str,
    same: str,
    baselines: Baselines,
    items: Sequence[Item],
    control: Sequence[Item],
    runs: Path,
    quick: bool,
    metric: str | None,
) -> None:
    """Print the time taken, the conclusions that can be drawn, and the next command.

    Args:
        again: The command with all seeds.
        same: The command as it was typed, with its seeds and metric.
        baselines: What was compared with.
        items: The runs of the method.
        control: Those of plain training that were computed here.
        runs: Folder of records.
        quick: Whether one seed was asked for only to see that it runs.
        metric: The metric that was asked for.
    """
    from gridbench.leaderboard.stats.statistics import FEWEST_SEEDS

    own = _own_runs(items, runs)
    beside = _done(control, runs)
    shipped = [run for seeds in baselines.plain.values() for run in seeds.values()]
    mine, theirs = _median_seconds(own), _median_seconds(beside or shipped)
    if mine is not None and theirs is not None:
        where = "beside it" if beside else "where the baselines were made. Compare times only on one machine"
        say(f"Training took {mine:.1f} s a run (median); plain training {theirs:.1f} s {where}.")
    expected, found = len(items) + len(control), len(own) + len(beside)
    if found < expected:
        say(
            f"Missing: {expected - found} of {counted(expected, 'run')}; "
            f"gridbench status --runs {shlex.quote(str(runs))} says why."
        )
    if control and (several := sorted({run.machine for run in (*own, *beside)}))[1:]:
        say(f"The runs here are of several machines, which are never paired: {'; '.join(several)}.")
    seeds = min(map(len, baselines.plain.values()))
    if quick:
        say("One seed at one noise rate shows that it runs, and nothing yet about which method is better.")
        say(f"Next: {again}")
    elif seeds < FEWEST_SEEDS:
        say(f"{counted(seeds, 'seed')} cannot resolve any difference; {FEWEST_SEEDS} can.")
        say(f"Next: {again} --seeds {FEWEST_SEEDS}")
    else:
        if metric is None:
            say(
                "To choose among variants of a method, compare them by --metric validation/ndcg: test scores choose "
                "nothing."
            )
        say(f"As a page: {same} --out comparison.html")
        name = items[0].plan.config.method
        say(
            f"To publish: gridbench leaderboard export {name}.zip "
            f"--runs {shlex.quote(str(runs))} --filter method={name}"
        )


def _median_seconds(runs: Sequence[Run]) -> float | None:
    from statistics import median

    spent = []
    for run in runs:
        try:
            spent.append(float(run.environment["seconds"]["training"]))
        except (ValueError, KeyError, TypeError):
            continue
    return median(spent) if spent else None
