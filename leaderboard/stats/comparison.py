"""The statistics of a table's methods: against a baseline over seeds, and ranked over cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gridbench.errors import InputError, nearest
from gridbench.leaderboard.stats.statistics import (
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
from gridbench.leaderboard.tables.cells import Cell, order_of
from gridbench.leaderboard.tables.matching import Counterparts
from gridbench.leaderboard.tables.table import Row, Table, common_columns, means_over

__all__ = ["Comparison", "Standing", "compare_rows", "ranking_of"]


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
    methods = {cell.text("method") for row in table.rows for cell in _cells(row).values()}
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
    own = {table.columns[at]: cell for at, cell in _cells(row).items()}
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
    values: dict[tuple[str, ...], dict[tuple[int, int], float]] = {}
    for which, table in enumerate(alike):
        for row in table.rows:
            line = values.setdefault(row.names, {})
            line.update(
                {(which, at): cell.mean for at, cell in _cells(row).items() if cell.n == len(table.seeds)}
            )
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


def _cells(row: Row) -> dict[int, Cell]:
    return {at: entry.cell for at, entry in enumerate(row.entries) if entry.cell is not None}


def _numeric(table: Table, columns: Sequence[int]) -> bool:
    return all(order_of(table.columns[at])[0] == 1 for at in columns)
