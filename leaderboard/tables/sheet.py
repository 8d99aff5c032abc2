"""Sheets: the common input of all text formats, for measurements, statistics and reported numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gridbench.leaderboard.tables.cells import Cell
from gridbench.leaderboard.tables.table import Row, Table
from gridbench.leaderboard.tables.text import number

__all__ = ["Sheet", "SheetCell", "SheetRow", "seeds_short", "sheets_of"]


@dataclass(frozen=True)
class SheetCell:
    """One cell of a sheet, as text.

    Attributes:
        text: The value, or the text in its place.
        spread: Its spread; may be empty.
        extra: Text shown beside it, such as "(2/3)" where seeds are missing.
        mark: Whether it is the best or second best of its column, or says that a value is missing.
    """

    text: str
    spread: str = ""
    extra: str = ""
    mark: Literal["", "best", "second", "missing"] = ""


SheetRow = tuple[tuple[str, ...], tuple[SheetCell, ...]]
"""The texts that head a row of a sheet, and its cells."""


@dataclass(frozen=True)
class Sheet:
    """A table ready to be written.

    Attributes:
        title: Title.
        caption: Description of the numbers.
        headings: Headings of the columns that name a line.
        columns: Headings of the value columns.
        lines: The lines.
        references: Reference lines, shown separately below the others.
        notes: Notes below the table.
    """

    title: str
    caption: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[SheetRow, ...]
    references: tuple[SheetRow, ...] = ()
    notes: tuple[str, ...] = ()


def sheets_of(table: Table) -> list[Sheet]:
    """Lay a table out as one sheet of values and, where it is defined, one of the share of the gap closed."""
    values = Sheet(
        table.title,
        f"{table.metric} ({table.unit.shown}) by {table.over}; {table.caption}",
        table.headings,
        table.columns,
        tuple(_sheet_row(row, table, _value) for row in table.rows),
        tuple(_sheet_row(row, table, _value) for row in table.references),
        table.notes,
    )
    shares = tuple(
        _sheet_row(row, table, _share)
        for row in table.rows
        if any(cell.gap_closed is not None for cell in row.cells.values())
    )
    caption = f"Gap closed (%) by {table.over}: share of the NDCG lost to noise that the method recovers"
    return [values, *([Sheet("", caption, table.headings, table.columns, shares)] if shares else [])]


def seeds_short(cell: Cell, seeds: int) -> str:
    """Return "(2/3)" for a cell that has two of three seeds; nothing for one that has all."""
    return f"({cell.n}/{seeds})" if cell.n < seeds else ""


def _sheet_row(row: Row, table: Table, write: Callable[[Cell | None, Table], SheetCell]) -> SheetRow:
    names = (f"{row.names[0]} {row.note}".rstrip(), *row.names[1:])
    return names, tuple(write(row.cells.get(column), table) for column in table.columns)


def _value(cell: Cell | None, table: Table) -> SheetCell:
    seeds, unit = len(table.seeds), table.unit
    if cell is None:
        return SheetCell(f"—(0/{seeds})", mark="missing")
    return SheetCell(number(cell.mean, unit), number(cell.std, unit), seeds_short(cell, seeds), cell.place)


def _share(cell: Cell | None, table: Table) -> SheetCell:
    if cell is None or cell.gap_closed is None:
        return SheetCell("")
    return SheetCell(f"{cell.gap_closed:.0f}".replace("-", "−"))
