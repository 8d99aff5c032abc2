"""Statistics of a table's methods: differences over seeds, and ranks over cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from gridbench.leaderboard.tables.table import Row, Table, means_over

__all__ = ["Comparison", "Standing", "compare_rows", "compared", "ranking_of"]


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
    is_baseline: bool = False
    interval: Interval | None = None
    by_column: Mapping[str, Interval] = field(default_factory=dict)
    wins: float = math.nan
    area: float = math.nan
    drop: float = math.nan


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


def compared(
    pairs: Iterable[tuple[Row, Mapping[str, Cell], Mapping[str, Cell]]], higher: bool
) -> list[Comparison]:
    """Compare cells column by column, over the seeds that both have on one machine.

    Args:
        pairs: Row that the comparison is of, and two sets of cells by column, of which the second is subtracted from
            the first; an empty one is compared with nothing.
        higher: Whether a larger value is better.

    Returns:
        One comparison a pair. Their verdicts, pooled and in each column, are one family in Holm's correction; a single
        column is the pooled difference and counts once.
    """
    found = []
    for row, own, others in pairs:
        shared = {column: other for column, other in others.items() if column in own}
        mine = {column: own[column].paired_values(other) for column, other in shared.items()}
        theirs = {column: other.values for column, other in shared.items()}
        single = {c: paired_interval({c: mine[c]}, {c: theirs[c]}, higher) for c in shared}
        pooled = paired_interval(mine, theirs, higher) if shared else None
        wins = win_rate(mine, theirs, higher) if shared else math.nan
        found.append(Comparison(row, interval=pooled, by_column=single, wins=wins))
    family = {(at, ""): one.interval for at, one in enumerate(found) if one.interval is not None}
    for at, one in enumerate(found):
        if len(one.by_column) > 1:
            family |= {(at, f"={column}"): interval for column, interval in one.by_column.items()}
    corrected = dict(zip(family, holm_corrected(list(family.values())), strict=True))
    return [
        replace(
            one,
            interval=corrected.get((at, "")),
            by_column={c: corrected.get((at, f"={c}"), corrected[at, ""]) for c in one.by_column},
        )
        for at, one in enumerate(found)
    ]


def compare_rows(table: Table, against: str | None = None) -> list[Comparison]:
    """Compute the statistics of every ranked row of a table.

    Args:
        table: The table.
        against: Method to compare with; None compares with plain training on the same loss.

    Returns:
        One comparison per row, in the table's order; a row is compared with cells at its own settings only.

    Raises:
        InputError: No row is of the method `against`.
    """
    methods = {cell.text("method") for row in table.rows for cell in row.cells.values()}
    if against is not None and against not in methods:
        raise InputError(
            f"No row of {table.title!r} is of the method {against!r}.{nearest(against, methods)} "
            f"There are: {', '.join(sorted(methods))}."
        )
    known = Counterparts(table.cells)
    baselines, pairs = [], []
    for row in table.rows:
        own = row.cells
        found = {c: known.method(cell, against) if against else known.plain(cell) for c, cell in own.items()}
        baselines.append(any(found[column] is cell for column, cell in own.items()))
        others = {c: cell for c, cell in found.items() if cell is not None and not baselines[-1]}
        pairs.append((row, own, others))
    columns = table.common_columns()
    numeric = all(order_of(column)[0] == 1 for column in columns)
    positions = [float(column) for column in columns] if numeric else []
    statistics = []
    for one, is_baseline in zip(compared(pairs, table.unit.better != "lower"), baselines, strict=True):
        means = means_over(one.row, columns) if len(positions) > 1 else []
        area = area_under(positions, means) if means else math.nan
        drop = relative_drop(means[0], means[-1]) if means and positions[0] == 0 else math.nan
        statistics.append(replace(one, is_baseline=is_baseline, area=area, drop=drop))
    return statistics


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
            full = {column: cell for column, cell in row.cells.items() if cell.n == len(table.seeds)}
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
