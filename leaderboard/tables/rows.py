"""Rows of a table: comparable columns, order of the rows, and best values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gridbench.leaderboard.records.metric_info import Unit, shown
from gridbench.leaderboard.tables.cells import PLACES, Cell, Place, order_of

__all__ = ["Row", "common_columns", "means_over", "ordered", "reference_order", "with_places"]

_REFERENCES = ("oracle", "untrained", "random")


@dataclass(frozen=True)
class Row:
    """One row: the texts that head it, its cells by column (of those that were measured), and its footnote marks."""

    names: tuple[str, ...]
    cells: Mapping[str, Cell]
    note: str = ""

    @property
    def first(self) -> Cell:
        """Its first cell; every row has one."""
        return next(iter(self.cells.values()))


def common_columns(rows: Sequence[Row], columns: Sequence[str]) -> list[str]:
    """Return the columns in which rows can be compared.

    A row with a single cell must not reduce the others to that one column, nor may a row that was measured in every
    column make all others incomparable.

    Returns:
        The set of columns that allows most comparisons with one row, in the order of the table: the number of its
        columns times that of the other rows with a value in all of them; of equal ones that with more rows, then
        that further left.
    """
    sets = {frozenset(one.cells.keys() & other.cells.keys()) for one in rows for other in rows}
    complete = {shared: sum(shared <= row.cells.keys() for row in rows) for shared in sets}

    def worth(shared: frozenset[str]) -> tuple[int, int, list[int]]:
        positions = [at for at, column in enumerate(columns) if column in shared]
        return len(shared) * (complete[shared] - 1), complete[shared], [-at for at in positions]

    best: frozenset[str] = max(sets, key=worth, default=frozenset())
    return [column for column in columns if column in best]


def means_over(row: Row, columns: Sequence[str]) -> list[float]:
    """Return a row's means in these columns, in the recorded unit; nothing when it lacks one of them."""
    return [row.cells[column].mean for column in columns] if set(columns) <= row.cells.keys() else []


def ordered(
    rows: Sequence[Row], columns: Sequence[str], unit: Unit, seeds: int
) -> tuple[list[Row], list[str]]:
    """Order rows, best first, and say by what.

    Args:
        rows: The ranked rows.
        columns: Texts that head each column.
        unit: The metric's unit; where no way is better, the rows are ordered by their names.
        seeds: Number of seeds of the table; rows that lack some come after the others.
    """
    by_name = sorted(rows, key=lambda row: [order_of(name) for name in row.names])
    shared = common_columns(rows, columns)
    if len(rows) < 2 or not shared or not unit.better:
        return by_name, []
    sign = -1 if unit.better == "higher" else 1

    def lacks_seeds(row: Row) -> bool:
        return any(row.cells[column].n < seeds for column in shared if column in row.cells)

    def place(row: Row) -> tuple[bool, bool, float]:
        means = means_over(row, shared)
        return (not means, lacks_seeds(row), sign * math.fsum(means))

    if len(columns) == 1:
        return sorted(by_name, key=place), []
    which = "all columns" if len(shared) == len(columns) else ", ".join(shared)
    lacking = ["lack one"] if any(not means_over(row, shared) for row in rows) else []
    if len({lacks_seeds(row) for row in rows if means_over(row, shared)}) > 1:
        lacking.append("lack seeds")
    last = f"; those that {' or '.join(lacking)} come last" if lacking else ""
    said = f"Rows are ordered by their mean over {which}{last}."
    return sorted(by_name, key=place), [said]


def with_places(rows: Sequence[Row], unit: Unit, seeds: int) -> tuple[Row, ...]:
    """Mark the best and second best of each column; values that are equal at the shown decimals share a place.

    Only what has all seeds of the table can be either.
    """
    if len(rows) < 2 or not unit.better:
        return tuple(rows)
    complete: dict[str, list[float]] = {}
    for row in rows:
        for column, cell in row.cells.items():
            if cell.n == seeds:
                complete.setdefault(column, []).append(_rounded(cell, unit))
    places: dict[str, dict[float, Place]] = {
        column: dict(zip(sorted(set(values), reverse=unit.better == "higher"), PLACES, strict=False))
        for column, values in complete.items()
        if len(values) > 1
    }

    def placed(column: str, cell: Cell) -> Cell:
        place = places.get(column, {}).get(_rounded(cell, unit), "") if cell.n == seeds else ""
        return replace(cell, place=place)

    return tuple(replace(row, cells={c: placed(c, cell) for c, cell in row.cells.items()}) for row in rows)


def _rounded(cell: Cell, unit: Unit) -> float:
    return round(shown(cell.mean, unit), unit.decimals)


def reference_order(row: Row) -> tuple[int, tuple[str, ...]]:
    """Return a sorting key of reference rows: oracle, untrained, random, others."""
    method = row.first.text("method")
    return (_REFERENCES.index(method) if method in _REFERENCES else len(_REFERENCES), row.names)
