"""Sheets of statistics: a table's methods against plain training, ranks over cells, one method among others."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from statistics import mean, stdev

from gridbench.errors import counted
from gridbench.leaderboard.records.metric_info import Unit, unit_of
from gridbench.leaderboard.stats.comparison import Comparison, Standing, compare_rows, compared, ranking_of
from gridbench.leaderboard.stats.statistics import (
    FEWEST_SEEDS,
    VERDICTS,
    Curve,
    Interval,
    holm_corrected,
    paired_interval,
)
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell
from gridbench.leaderboard.tables.table import Row, Table
from gridbench.leaderboard.tables.text import interval_text, p_text, signed, unsigned

__all__ = ["comparison_sheets", "difference_sheet", "row_of", "shift_sheet", "side_by_side_sheet"]


def comparison_sheets(tables: Sequence[Table], against: str | None = None) -> list[Sheet]:
    """Lay out the statistics of all tables.

    Args:
        tables: The tables.
        against: Method to compare with; None compares with plain training on the same loss.

    Returns:
        One sheet per table, and one ranking over all of them where there is one; none where no way is better, as with
        times and counts.

    Raises:
        InputError: A table has no row of the method `against`.
    """
    tables = [table for table in tables if table.unit.better]
    sheets = [_sheet(table, against) for table in tables]
    standing = ranking_of(tables)
    return [*sheets, *([_ranking(tables[0], standing)] if standing else [])]


def _sheet(table: Table, against: str | None) -> Sheet:
    compared = compare_rows(table, against)
    whom = against or "plain"
    heads = [f"better than {whom} by", "95 % interval", "p (Holm)", "verdict", "wins (%)"]
    several = len(table.columns) > 1
    if several:
        heads.append(f"resolved at {table.over}")
    shared = table.common_columns()
    areas = any(not math.isnan(one.area) for one in compared)
    drops = any(not math.isnan(one.drop) for one in compared)
    heads += [f"area {shared[0]}–{shared[-1]}"] if areas else []
    heads += [f"drop {shared[0]}–{shared[-1]} (%)"] if drops else []
    lines = []
    for one in compared:
        texts = ["(baseline)" if one.is_baseline else "", "", "", ""]
        if one.interval is not None:
            texts = _pooled_texts(one.interval, table.unit)
        texts.append(unsigned(one.wins * 100, 0))
        if several:
            texts.append(_resolved(one))
        texts += [unsigned(one.area * table.unit.scale, table.unit.decimals)] if areas else []
        texts += [unsigned(one.drop * 100, 1)] if drops else []
        lines.append((one.row.names, tuple(map(SheetCell, texts))))
    seeds = "seed" if len(table.seeds) == 1 else "seeds"
    return Sheet(
        table.title,
        f"Statistics of {table.metric} ({table.unit.shown}) over {seeds} {', '.join(map(str, table.seeds))}",
        table.headings,
        tuple(heads),
        tuple(lines),
        notes=tuple(_notes(compared, against, shared if areas else [])),
    )


def _notes(compared: Sequence[Comparison], against: str | None, shared: Sequence[str]) -> list[str]:
    whom = (
        f"{against}, with the same loss if it has several," if against else "plain training on the same loss"
    )
    notes = [
        f"Differences are to {whom} at the same settings, paired by seed on one machine, averaged over the columns "
        "both have; "
        f"where some have {FEWEST_SEEDS} paired seeds, over those alone. "
        f"{VERDICTS} Wins are counted over pairs of cell and seed."
    ]
    alone = ["+".join(one.row.names) for one in compared if one.interval is None and not one.is_baseline]
    if alone and against is None:
        notes.append(
            f"No plain training on the same loss at the same settings: {', '.join(alone)}. --against METHOD compares "
            "every row with that method."
        )
    if shared:
        notes.append(
            f"The area is the mean height of the curve of means over {', '.join(shared)}, by trapezoids."
        )
    return notes


def _pooled_texts(interval: Interval, unit: Unit) -> list[str]:
    """Write a pooled difference: mean and n, 95 % interval, p-value and verdict, as far as there are pairs."""
    if not interval.seeds:
        return ["— (n = 0)", "", "", interval.verdict]
    return [
        f"{signed(interval.difference * unit.scale, unit.decimals)} (n = {interval.seeds})",
        interval_text(interval.low * unit.scale, interval.high * unit.scale, unit.decimals),
        p_text(interval.adjusted),
        interval.verdict,
    ]


def _resolved(one: Comparison) -> str:
    """Name the columns in which the difference alone is resolved."""
    verdicts = {column: interval.verdict for column, interval in one.by_column.items()}
    if not verdicts or all(verdict == "not enough seeds" for verdict in verdicts.values()):
        return ""
    marks = {"better": "+", "worse": "−"}
    found = [f"{column}{marks[verdict]}" for column, verdict in verdicts.items() if verdict in marks]
    return " ".join(found) or "none"


def _ranking(table: Table, standing: Standing) -> Sheet:
    test = standing.test
    if test is None:
        notes = ["A Friedman test needs three methods and two cells that differ."]
    else:
        notes = [
            f"Friedman's chi-square is {test.statistic:.2f}, p = {test.p_value:.2g}; mean ranks that differ by more "
            f"than {test.difference:.2f} differ (Nemenyi, 5 %). The cells of one data set are not independent of "
            "each other, so this is optimistic."
        ]
    if standing.left_out:
        missing = "; ".join(" ".join(filter(None, names)) for names in standing.left_out)
        notes.append(f"Not ranked, since they lack cells or seeds that others have: {missing}.")
    return Sheet(
        "Ranking",
        f"Mean rank by {table.metric} over {counted(standing.blocks, 'cell')}, of their means",
        table.headings,
        ("mean rank",),
        tuple(
            (names, (SheetCell(f"{rank:.2f}"),))
            for names, rank in zip(standing.names, standing.ranks, strict=True)
        ),
        notes=tuple(notes),
    )


def row_of(table: Table, ids: Collection[str], origin: str = "") -> Row | None:
    """Return the ranked row of an origin that holds the runs with these ids; None when the table has none."""
    for row in table.rows:
        runs = (run for cell in row.cells.values() for run in cell.runs.values())
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
    ours, theirs = ({column: cell.values for column, cell in row.cells.items()} for row in (here, there))
    shared = [column for column in table.columns if column in ours and column in theirs]
    single = {column: paired_interval({column: ours[column]}, {column: theirs[column]}) for column in shared}
    together = paired_interval({c: ours[c] for c in shared}, {c: theirs[c] for c in shared})
    texts = [
        *(_single(single.get(column), table.unit).split(" ")[0] for column in table.columns),
        *_pooled_texts(together, table.unit)[:2],
    ]
    machines = [
        "; ".join(dict.fromkeys(name for cell in row.cells.values() for name in cell.machines))
        for row in (here, there)
    ]
    name = " ".join(dict.fromkeys(filter(None, here.names[:2])))
    return Sheet(
        "This machine against that of the baselines",
        f"{table.metric} ({table.unit.shown}) of {name} here minus that of the same runs there, paired by seed, by "
        f"{table.over}",
        table.headings[:2],
        (*table.columns, "all", "95 % interval of all"),
        ((here.names[:2], tuple(map(SheetCell, texts))),),
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
    lines = []
    pairs = ((other, own.cells, other.cells) for other in others)
    for one in compared(pairs, table.unit.better != "lower"):
        pooled = one.interval or paired_interval({}, {})
        texts = [
            *(_single(one.by_column.get(column), table.unit) for column in table.columns),
            *_pooled_texts(pooled, table.unit),
            unsigned(one.wins * 100, 0),
        ]
        lines.append((one.row.names, tuple(map(SheetCell, texts))))
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


def side_by_side_sheet(title: str, caption: str, before: Curve, after: Curve) -> Sheet:
    """Lay out the scores of the same runs on two archives, a line for each metric.

    Args:
        title: Title of the sheet.
        caption: Description of the scores.
        before: Metric -> seed -> value.
        after: The same after the change.

    Returns:
        Mean and standard deviation over the seeds of both, and the paired difference with n, interval and verdict.
    """
    names = [name for name in before if name in after]
    units = {name: unit_of(name) for name in names}
    intervals = holm_corrected(
        [
            paired_interval({name: after[name]}, {name: before[name]}, units[name].better != "lower")
            for name in names
        ]
    )
    lines = []
    for name, interval in zip(names, intervals, strict=True):
        unit = units[name]
        marks = [_mean_of(list(side[name].values()), unit) for side in (before, after)]
        lines.append(((name,), (*marks, *map(SheetCell, _pooled_texts(interval, unit)))))
    heads = ("before", "after", "better by", "95 % interval", "p (Holm)", "verdict")
    return Sheet(title, caption, ("score (%)",), heads, tuple(lines), notes=(VERDICTS,))


def _mean_of(values: Sequence[float], unit: Unit) -> SheetCell:
    scaled = [value * unit.scale for value in values]
    spread = f"{stdev(scaled):.{unit.decimals}f}" if len(scaled) > 1 else ""
    return SheetCell(f"{mean(scaled):.{unit.decimals}f}", spread)


def _single(interval: Interval | None, unit: Unit) -> str:
    if interval is None or not interval.seeds:
        return "—"
    verdict = interval.verdict if interval.seeds >= FEWEST_SEEDS else ""
    return f"{signed(interval.difference * unit.scale, unit.decimals)} {verdict}".rstrip()
