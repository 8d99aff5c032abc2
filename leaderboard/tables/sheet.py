"""Sheets: what every text format writes, whether it comes from measurements, statistics or a paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gridbench.leaderboard.records.metric_info import Unit
from gridbench.leaderboard.tables.table import Entry, Row, Table
from gridbench.leaderboard.tables.text import number

__all__ = ["Line", "Mark", "Sheet", "sheets_of"]


@dataclass(frozen=True)
class Mark:
    """One place of a sheet.

    Attributes:
        text: The value, or what stands for it.
        spread: Its spread; may be empty.
        extra: What must stand beside it, such as "(2/3)" where seeds are missing.
        place: Whether it is the best or second best of its column.
        faint: Whether it only says that something is missing.
    """

    text: str
    spread: str = ""
    extra: str = ""
    place: Literal["", "best", "second"] = ""
    faint: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a sheet: the texts that head it, and its values."""

    names: tuple[str, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Sheet:
    """A table ready to be written.

    Attributes:
        title: What it is about.
        caption: What its numbers are.
        headings: Headings of the columns that name a line.
        columns: Headings of the value columns.
        lines: The lines.
        references: Lines set apart below.
        notes: What must be said below it.
    """

    title: str
    caption: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    references: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()


def sheets_of(table: Table) -> list[Sheet]:
    """Lay a table out as one sheet of values and, where it can be told, one of the share won back."""
    sheets = [
        Sheet(
            table.title,
            f"{table.metric} ({table.unit.shown}) by {table.over}; {table.caption}",
            table.headings,
            table.columns,
            tuple(_line(row, table.unit) for row in table.rows),
            tuple(_line(row, table.unit) for row in table.references),
            table.notes,
        )
    ]
    shares = tuple(
        Line(_names(row), tuple(_share(entry) for entry in row.entries))
        for row in table.rows
        if any(entry.won_back is not None for entry in row.entries)
    )
    if shares:
        caption = "Share of the NDCG lost to noise that was won back (%)"
        sheets.append(Sheet("", caption, table.headings, table.columns, shares))
    return sheets


def _line(row: Row, unit: Unit) -> Line:
    return Line(_names(row), tuple(_mark(entry, unit) for entry in row.entries))


def _names(row: Row) -> tuple[str, ...]:
    return (f"{row.names[0]} {row.note}".rstrip(), *row.names[1:])


def _mark(entry: Entry, unit: Unit) -> Mark:
    cell = entry.cell
    if cell is None:
        return Mark(f"—(0/{entry.expected})", faint=True)
    extra = f"({cell.n}/{entry.expected})" if cell.n < entry.expected else ""
    return Mark(number(cell.mean, unit), number(cell.std, unit), extra, entry.place)


def _share(entry: Entry) -> Mark:
    return Mark("" if entry.won_back is None else f"{entry.won_back:.0f}".replace("-", "−"))
