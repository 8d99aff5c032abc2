"""One method's place among others: paired differences over seeds to each of them."""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Sequence

from gridbench.leaderboard.records.metric_info import Unit
from gridbench.leaderboard.stats.comparison import pooled_texts
from gridbench.leaderboard.stats.statistics import (
    FEWEST_SEEDS,
    VERDICTS,
    Interval,
    holm_corrected,
    paired_interval,
    win_rate,
)
from gridbench.leaderboard.tables.sheet import Mark, Sheet
from gridbench.leaderboard.tables.table import Row, Table
from gridbench.leaderboard.tables.text import signed, unsigned

__all__ = ["difference_sheet", "row_of", "shift_sheet"]


def row_of(table: Table, ids: Container[str], origin: str = "") -> Row | None:
    """Return the ranked row of an origin that holds the runs with these ids; None when the table has none."""
    for row in table.rows:
        runs = [run for cell in table.line(row).values() for run in cell.runs.values()]
        if any(run.id in ids and run.origin == origin for run in runs):
            return row
    return None


def shift_sheet(table: Table, here: Row, there: Row) -> Sheet:
    """Lay out by how much the same runs differ between two machines.

    Args:
        table: The table that the rows are of.
        here: The row computed on this machine.
        there: The row with the same settings, computed on another one.

    Returns:
        One line: the mean difference over the seeds in each column and over all with its 95 % interval.
    """
    ours, theirs = (
        {column: cell.values for column, cell in table.line(row).items()} for row in (here, there)
    )
    shared = [column for column in table.columns if column in ours and column in theirs]
    single = {column: paired_interval({column: ours[column]}, {column: theirs[column]}) for column in shared}
    together = paired_interval({c: ours[c] for c in shared}, {c: theirs[c] for c in shared})
    texts = [
        *(_single(single.get(column), table.unit).split(" ")[0] for column in table.columns),
        *pooled_texts(together, table.unit)[:2],
    ]
    machines = [
        "; ".join(dict.fromkeys(name for cell in table.line(row).values() for name in cell.machines))
        for row in (here, there)
    ]
    name = " ".join(dict.fromkeys(filter(None, here.names[:2])))
    return Sheet(
        "This machine against that of the baselines",
        f"{table.metric} ({table.unit.shown}) of {name} here minus that of the same runs there, paired by seed, by "
        f"{table.over}",
        table.headings[:2],
        (*table.columns, "all", "95 % interval of all"),
        ((here.names[:2], tuple(map(Mark, texts))),),
        notes=(
            f"Here: {machines[0]}. There: {machines[1]}. Settings, seeds, labels and initial weights are the same and "
            "the arithmetic differs, so runs of the two are never paired.",
        ),
    )


def difference_sheet(table: Table, own: Row, others: Sequence[Row]) -> Sheet:
    """Lay out the paired differences of one row to others.

    Args:
        table: The table that the rows are of.
        own: The row whose place is asked for.
        others: What it is compared with, line by line.

    Returns:
        A line for each of the others: the difference in each column with its verdict, pooled over the columns that
        both have with its 95 % interval and verdict, and the share of (column, seed) pairs that were won.
    """
    higher = table.unit.better != "lower"
    mine = table.line(own)
    pairs = []
    tests: list[Interval] = []
    for other in others:
        theirs = {column: cell for column, cell in table.line(other).items() if column in mine}
        paired = {column: mine[column].paired_values(cell) for column, cell in theirs.items()}
        curves = paired, {column: cell.values for column, cell in theirs.items()}
        pairs.append(curves)
        tests.append(paired_interval(*curves, higher))
        if len(theirs) > 1:  # a single column is the pooled difference, and one test
            tests += [paired_interval({c: curves[0][c]}, {c: curves[1][c]}, higher) for c in theirs]
    corrected = iter(holm_corrected(tests))
    lines = []
    for other, curves in zip(others, pairs, strict=True):
        pooled = next(corrected)
        single = {column: next(corrected) if len(curves[0]) > 1 else pooled for column in curves[0]}
        wins = win_rate(*curves, higher)
        texts = [
            *(_single(single.get(column), table.unit) for column in table.columns),
            *pooled_texts(pooled, table.unit),
            unsigned(wins * 100, 0),
        ]
        lines.append((other.names, tuple(map(Mark, texts))))
    name = " ".join(filter(None, own.names))
    return Sheet(
        f"{name} against the baselines",
        f"{table.metric} ({table.unit.shown}) of {name} minus that of others, paired by seed on one machine, by "
        f"{table.over}",
        table.headings,
        (*table.columns, "all", "95 % interval of all", "p (Holm)", "verdict", "wins (%)"),
        tuple(lines),
        notes=(f"{VERDICTS} Where columns have {FEWEST_SEEDS} paired seeds, `all` is over those alone.",),
    )


def _single(interval: Interval | None, unit: Unit) -> str:
    if interval is None or not interval.seeds:
        return "—"
    verdict = interval.verdict if interval.seeds >= FEWEST_SEEDS else ""
    return f"{signed(interval.difference * unit.scale, unit.decimals)} {verdict}".rstrip()
