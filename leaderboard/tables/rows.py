"""Rows of a table: comparable columns, order of the rows, and best values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gridbench.leaderboard.records.metric_info import Unit, shown
from gridbench.leaderboard.tables.cells import Cell, order_of

__all__ = ["Row", "common_columns", "means_over", "ordered", "reference_order", "with_places"]

_REFERENCES = ("oracle", "untrained", "random")


@dataclass(frozen=True)
class Row:
    """One row: the texts that head it, its cell in each column (None where nothing was measured), and a footnote."""

    names: tuple[str, ...]
    cells: tuple[Cell | None, ...]
    note: str = ""

    @property
    def first(self) -> Cell:
        """Its first cell; every row has one."""
        return next(cell for cell in self.cells if cell is not None)


def common_columns(rows: Sequence[Row]) -> list[int]:
    """Return the columns in which rows can be compared.

    One row with a lonely cell must not leave the others nothing to be compared by, nor one that was measured everywhere
    make all others incomparable.

    Returns:
        Positions of columns, of all such sets the one that allows most comparisons with one row: its columns, times
        the other rows that have a value in all of them; of equal ones that with more rows, then that further left.
    """
    filled = [frozenset(at for at, cell in enumerate(row.cells) if cell is not None) for row in rows]
    sets = {one & other for one in filled for other in filled}
    complete = {columns: sum(columns <= own for own in filled) for columns in sets}

    def worth(columns: frozenset[int]) -> tuple[int, int, list[int]]:
        return len(columns) * (complete[columns] - 1), complete[columns], [-at for at in sorted(columns)]

    best: frozenset[int] = max(sets, key=worth, default=frozenset())
    return sorted(best)


def means_over(row: Row, columns: Sequence[int]) -> list[float]:
    """Return a row's means in these columns, in the recorded unit; nothing when it lacks one of them."""
    means = [cell.mean for at in columns if (cell := row.cells[at]) is not None]
    return means if len(means) == len(columns) else []


def ordered(
    rows: Sequence[Row], columns: Sequence[tuple[str, ...]], unit: Unit, seeds: int
) -> tuple[list[Row], list[str]]:
    """Order rows, best first, and say by what.

    Args:
        rows: The ranked rows.
        columns: Texts that head each column.
        unit: The metric's unit; where no way is better, the rows are ordered by their names.
        seeds: Number of seeds of the table; rows that lack some come after the others.
    """
    by_name = sorted(rows, key=lambda row: [order_of(name) for name in row.names])
    shared = common_columns(rows)
    if len(rows) < 2 or not shared or not unit.better:
        return by_name, []
    sign = -1 if unit.better == "higher" else 1

    def lacks_seeds(row: Row) -> bool:
        return any((cell := row.cells[at]) is not None and cell.n < seeds for at in shared)

    def place(row: Row) -> tuple[bool, bool, float]:
        means = means_over(row, shared)
        return (not means, lacks_seeds(row), sign * math.fsum(means))

    if len(columns) == 1:
        return sorted(by_name, key=place), []
    which = (
        "all columns" if len(shared) == len(columns) else ", ".join(" · ".join(columns[at]) for at in shared)
    )
    lacking = ["lack one"] if any(not means_over(row, shared) for row in rows) else []
    if len({lacks_seeds(row) for row in rows if means_over(row, shared)}) > 1:
        lacking.append("lack seeds")
    last = f"; those that {' or '.join(lacking)} come last" if lacking else ""
    said = f"Rows are ordered by their mean over {which}{last}."
    return sorted(by_name, key=place), [said]


def with_places(rows: list[Row], unit: Unit, seeds: int) -> tuple[Row, ...]:
    """Mark the best and second best of each column, as far as the shown decimals tell them apart.

    Only what has all seeds of the table can be either.
    """
    if len(rows) < 2 or not unit.better:
        return tuple(rows)
    columns = [
        _column_placed(column, unit, seeds) for column in zip(*(row.cells for row in rows), strict=True)
    ]
    return tuple(
        replace(row, cells=cells) for row, cells in zip(rows, zip(*columns, strict=True), strict=True)
    )


def _column_placed(column: Sequence[Cell | None], unit: Unit, seeds: int) -> list[Cell | None]:
    values = {
        at: round(shown(cell.mean, unit), unit.decimals)
        for at, cell in enumerate(column)
        if cell is not None and cell.n == seeds
    }
    best = sorted(set(values.values()), reverse=unit.better == "higher")[:2] if len(values) > 1 else []
    places: dict[float, Literal["best", "second"]] = dict(zip(best, ("best", "second"), strict=False))
    return [
        replace(cell, place=places[values[at]]) if cell and values.get(at) in places else cell
        for at, cell in enumerate(column)
    ]


def reference_order(row: Row) -> tuple[int, tuple[str, ...]]:
    """Return a sorting key of reference rows: oracle, untrained, random, others."""
    method = row.first.text("method")
    return (_REFERENCES.index(method) if method in _REFERENCES else len(_REFERENCES), row.names)
