"""Statistics of a table's methods, against a baseline over seeds and ranked over cells, and their sheets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gridbench.errors import InputError, nearest
from gridbench.leaderboard.records.metric_info import Unit
from gridbench.leaderboard.stats.statistics import (
    FEWEST_SEEDS,
    VERDICTS,
    Friedman,
    Interval,
    area_under,
    friedman,
    holm_corrected,
    mean_ranks,
    paired_interval,
    relative_drop,
    win_rate,
)
from gridbench.leaderboard.tables.cells import order_of
from gridbench.leaderboard.tables.matching import Counterparts
from gridbench.leaderboard.tables.sheet import Mark, Sheet
from gridbench.leaderboard.tables.table import Row, Table, common_columns, means_over
from gridbench.leaderboard.tables.text import interval_text, p_text, signed, unsigned

__all__ = ["Comparison", "Standing", "compare_rows", "comparison_sheets", "pooled_texts", "ranking_of"]


@dataclass(frozen=True)
class Comparison:
    """The statistics of one row.

    Attributes:
        row: The row.
        is_baseline: Whether it is what others are compared with.
        interval: Paired difference over seeds, pooled over the columns; None without a baseline.
        by_column: The same in each column.
        wins: Share of (column, seed) pairs won; NaN without a baseline.
        area: Area under the curve over the common columns, divided by their range.
        drop: Relative drop from the clean column to the last common one.
    """

    row: Row
    is_baseline: bool
    interval: Interval | None
    by_column: Mapping[str, Interval]
    wins: float
    area: float
    drop: float


@dataclass(frozen=True)
class Standing:
    """Methods ranked over blocks, a block being one column of one table.

    Attributes:
        names: Row headings of each method, best first.
        ranks: Mean rank of each.
        test: The Friedman test, when there is enough to test.
        blocks: Number of blocks.
        left_out: Methods that lack a block that others have.
    """

    names: tuple[tuple[str, ...], ...]
    ranks: tuple[float, ...]
    test: Friedman | None
    blocks: int
    left_out: tuple[tuple[str, ...], ...]


def compare_rows(table: Table, against: str | None = None) -> list[Comparison]:
    """Compute the statistics of every ranked row of a table.

    Args:
        table: The table.
        against: Method to compare with; None compares with plain training on the same loss.

    Returns:
        One comparison per row, in the table's order; a row is compared with cells at its own settings only. The
        verdicts of all rows, pooled and in each column, are one family in Holm's correction.

    Raises:
        InputError: No row is of the method `against`.
    """
    methods = {cell.text("method") for row in table.rows for cell in row.cells if cell is not None}
    if against is not None and against not in methods:
        raise InputError(
            f"No row of {table.title!r} is of the method {against!r}.{nearest(against, methods)} "
            f"There are: {', '.join(sorted(methods))}."
        )
    known = Counterparts(table.cells)
    columns = common_columns(table.rows)
    return _corrected([_compare(table, row, against, known, columns) for row in table.rows])


def _corrected(compared: Sequence[Comparison]) -> list[Comparison]:
    """Correct every verdict of a table for their number; a single column is the pooled difference and counts once."""
    family: dict[tuple[int, str | None], Interval] = {}
    for at, one in enumerate(compared):
        if one.interval is not None:
            family[at, None] = one.interval
        if len(one.by_column) > 1:
            family |= {(at, column): interval for column, interval in one.by_column.items()}
    corrected = dict(zip(family, holm_corrected(list(family.values())), strict=True))
    return [
        replace(
            one,
            interval=corrected.get((at, None)),
            by_column={column: corrected.get((at, column), corrected[at, None]) for column in one.by_column},
        )
        for at, one in enumerate(compared)
    ]


def _compare(
    table: Table, row: Row, against: str | None, known: Counterparts, columns: Sequence[int]
) -> Comparison:
    higher = table.unit.better != "lower"
    own = table.line(row)
    others = {column: known.method(c, against) if against else known.plain(c) for column, c in own.items()}
    is_baseline = any(others[column] is cell for column, cell in own.items())
    both = [] if is_baseline else [column for column, other in others.items() if other is not None]
    mine = {column: own[column].paired_values(other) for column in both if (other := others[column])}
    theirs = {column: other.values for column in both if (other := others[column])}
    means = means_over(row, columns)
    positions = [float(table.columns[at]) for at in columns] if means and _numeric(table, columns) else []
    return Comparison(
        row,
        is_baseline,
        paired_interval(mine, theirs, higher) if both else None,
        {c: paired_interval({c: mine[c]}, {c: theirs[c]}, higher) for c in both},
        win_rate(mine, theirs, higher) if both else math.nan,
        area_under(positions, means),
        relative_drop(means[0], means[-1]) if len(positions) > 1 and positions[0] == 0 else math.nan,
    )


def ranking_of(tables: Sequence[Table]) -> Standing | None:
    """Rank the methods over all columns of the tables that have the first one's row headings and metric.

    A cell counts when it has all seeds of its table. A method that lacks a column is left out rather than ranked on
    the columns that it has. Where that would leave fewer than two methods, the columns that not all have are dropped
    instead.

    Returns:
        None with fewer than two methods, without a column that all have, or where no way is better.
    """
    if not tables or not tables[0].unit.better:
        return None
    first = tables[0]
    alike = [table for table in tables if (table.headings, table.metric) == (first.headings, first.metric)]
    values: dict[tuple[str, ...], dict[tuple[int, str], float]] = {}
    for which, table in enumerate(alike):
        for row in table.rows:
            line = values.setdefault(row.names, {})
            full = {column: cell for column, cell in table.line(row).items() if cell.n == len(table.seeds)}
            line.update({(which, column): cell.mean for column, cell in full.items()})
    blocks = sorted({block for line in values.values() for block in line})
    complete = [names for names, line in values.items() if len(line) == len(blocks)]
    if len(complete) < 2:
        complete = list(values)
        blocks = [block for block in blocks if all(block in line for line in values.values())]
    if len(complete) < 2 or not blocks:
        return None
    matrix = np.array([[values[names][block] for names in complete] for block in blocks])
    ranks = mean_ranks(matrix, first.unit.better == "higher")
    order = np.argsort(ranks, kind="stable")
    return Standing(
        tuple(complete[at] for at in order),
        tuple(float(ranks[at]) for at in order),
        friedman(matrix),
        len(blocks),
        tuple(names for names in values if names not in complete),
    )


def _numeric(table: Table, columns: Sequence[int]) -> bool:
    return all(order_of(table.columns[at])[0] == 1 for at in columns)


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
    shared = [table.columns[at] for at in common_columns(table.rows)]
    areas = any(not math.isnan(one.area) for one in compared)
    drops = any(not math.isnan(one.drop) for one in compared)
    heads += [f"area {shared[0]}–{shared[-1]}"] if areas else []
    heads += [f"drop {shared[0]}–{shared[-1]} (%)"] if drops else []
    lines = []
    for one in compared:
        texts = ["(baseline)" if one.is_baseline else "", "", "", ""]
        if one.interval is not None:
            texts = pooled_texts(one.interval, table.unit)
        texts.append(unsigned(one.wins * 100, 0))
        if several:
            texts.append(_resolved(one))
        texts += [unsigned(one.area * table.unit.scale, table.unit.decimals)] if areas else []
        texts += [unsigned(one.drop * 100, 1)] if drops else []
        lines.append((one.row.names, tuple(map(Mark, texts))))
    return Sheet(
        table.title,
        f"Statistics of {table.metric} ({table.unit.shown}) over seeds {', '.join(map(str, table.seeds))}",
        table.headings,
        tuple(heads),
        tuple(lines),
        notes=tuple(_notes(against, shared if areas else [])),
    )


def _notes(against: str | None, shared: Sequence[str]) -> list[str]:
    whom = f"{against} with the same loss" if against else "plain training on the same loss"
    notes = [
        f"Differences are to {whom} at the same settings, paired by seed on one machine, averaged over the columns "
        "both have; "
        f"where some have {FEWEST_SEEDS} paired seeds, over those alone. "
        f"{VERDICTS} Wins are counted over pairs of cell and seed."
    ]
    if shared:
        notes.append(
            f"The area is the mean height of the curve of means over {', '.join(shared)}, by trapezoids."
        )
    return notes


def pooled_texts(interval: Interval, unit: Unit) -> list[str]:
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
    """Name the columns in which the difference is resolved by itself."""
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
        f"Mean rank by {table.metric} over {standing.blocks} cells, of their means",
        table.headings,
        ("mean rank",),
        tuple(
            (names, (Mark(f"{rank:.2f}"),))
            for names, rank in zip(standing.names, standing.ranks, strict=True)
        ),
        notes=tuple(notes),
    )
