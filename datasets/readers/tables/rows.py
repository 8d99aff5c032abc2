"""Reads the cells of a table (CSV, TSV, XLSX, Parquet) as text and finds out how its columns are divided."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbench.core.csv_files import as_written
from gridbench.core.files import LARGEST_TABLE, open_file
from gridbench.datasets.readers.source_files import Unreadable, read_bytes
from gridbench.datasets.readers.tables.spreadsheets import cell_text, read_parquet, read_workbook
from gridbench.errors import InputError

__all__ = [
    "TABLE_SUFFIXES",
    "RawTable",
    "read_raw_table",
    "read_rows",
    "read_text",
    "refuse_ragged_rows",
    "table_of_records",
]

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
MOST_COLUMNS = 10_000
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}


@dataclass(frozen=True)
class RawTable:
    """The cells of a table, stripped of blanks around them; every row is as long as the header.

    Attributes:
        path: The file.
        header: Names of the columns.
        rows: Cells of each row.
        lines: Number of each row in the file, counted from 1, for messages.
        divided_by: What divides the columns, in words.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    divided_by: str = ""

    def column(self, index: int) -> list[str]:
        """Return the cells of a column."""
        return [row[index] for row in self.rows]

    def where(self, row: int, column: int) -> str:
        """Return the place of a cell, for messages."""
        return f"{self.path}, row {self.lines[row]}, column {self.header[column]!r}"


def read_raw_table(path: Path) -> RawTable:
    """Read a table with a header and at least one row.

    Raises:
        InputError: The file is missing, of another kind, empty, or its rows have other lengths than the header.
    """
    rows, lines, divided_by = _numbered_rows(path)
    if rows and len(rows[0]) > MOST_COLUMNS:
        raise InputError(f"{path} has {len(rows[0]):,} columns; a table of labels may have {MOST_COLUMNS:,}.")
    if len(rows) < 2:
        raise InputError(f"{path} is empty: it needs a header and at least one row below it.")
    rows = _drop_empty_columns(refuse_ragged_rows(path, rows, lines))
    header = rows[0]
    named = Counter(name.lower() for name in header if name)
    twice = next((name for name in header if named[name.lower()] > 1), None)
    if twice is not None:
        raise InputError(
            f"{path}: two columns are called {twice!r}. Is the header missing? The first row must name the "
            "columns, such as "
            "file, labels."
        )
    return RawTable(path, header, rows[1:], lines[1:], divided_by)


def read_rows(path: Path) -> list[list[str]]:
    """Return the cells of a table as text, without blank rows.

    Raises:
        InputError: The file is missing or of another kind.
    """
    return _numbered_rows(path)[0]


def read_text(path: Path) -> str:
    """Read a text file, whatever its line ends, with or without a byte order mark.

    Raises:
        InputError: It is missing, or it is no text.
    """
    try:
        with open_file(path, LARGEST_TABLE) as file:
            start = file.read(4096)
        if b"\0" in start and start[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            raise InputError(f"{path} is no text: it holds zero bytes.")
        content = read_bytes(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Unreadable as error:
        raise InputError(f"{error}.") from error
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8 (in Excel: CSV UTF-8)."
        ) from error
    if "\0" in text:
        raise InputError(f"{path} is no text: it holds zero bytes.")
    return text


def table_of_records(path: Path, records: Sequence[Mapping[str, Any]]) -> RawTable:
    """Return records of JSON as a table; a key that a record lacks is an empty cell.

    Raises:
        InputError: A record is nested.
    """
    header = list(dict.fromkeys(key for record in records for key in record))
    rows = [[cell_text(record.get(name)).strip() for name in header] for record in records]
    return RawTable(path, header, rows, list(range(1, len(rows) + 1)), "keys of JSON records")


def refuse_ragged_rows(path: Path, rows: Sequence[list[str]], lines: Sequence[int]) -> list[list[str]]:
    """Return rows of one length; empty cells at the end of longer rows are dropped.

    Raises:
        InputError: A row has fewer cells than the header, or more that are not empty.
    """
    width = len(rows[0])
    while width > 1 and not rows[0][width - 1] and not any(len(r) >= width and r[width - 1] for r in rows):
        width -= 1
    result = []
    for row, line in zip(rows, lines, strict=True):
        if len(row) < width:
            raise InputError(
                f"{path}, row {line}, has {len(row)} cells where the header has {width}: {_shown(row)}."
            )
        if any(row[width:]):
            raise InputError(
                f"{path}, row {line}, has {len(row)} cells where the header has {width}: {_shown(row)}. "
                "Put a cell that holds the "
                'divider in quotes ("a,b"), or divide labels by semicolons.'
            )
        result.append(row[:width])
    return result


def _numbered_rows(path: Path) -> tuple[list[list[str]], list[int], str]:
    """Return the rows that are not blank, their numbers in the file, and what divides the columns."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    if suffix == ".xlsx":
        rows, divided_by = read_workbook(path), "cells of the first sheet"
    elif suffix == ".parquet":
        rows, divided_by = read_parquet(path), "columns of Parquet"
    elif suffix in TABLE_SUFFIXES:
        rows, divided_by = _read_delimited(path)
    else:
        raise InputError(f"{path} is no table; known are {', '.join(TABLE_SUFFIXES)}.")
    stripped = [
        [as_written(text) if text[:1] == "'" else text for text in map(str.strip, row)] for row in rows
    ]
    kept = [i for i, row in enumerate(stripped) if any(row)]
    return [stripped[i] for i in kept], [i + 1 for i in kept], divided_by


def _read_delimited(path: Path) -> tuple[list[list[str]], str]:
    """Divide the lines by the character that gives every row as many cells as the header."""
    text = read_text(path)
    declared = text[4:5] if text[:4].lower() == "sep=" else ""
    if declared:
        text = text.partition("\n")[2]
    candidates = [declared] if declared else list(_DELIMITERS)
    readings = {}
    for delimiter in candidates:
        rows = _parse(path, text, delimiter)
        filled = [row for row in rows if any(cell.strip() for cell in row)]
        if filled and (declared or len(filled[0]) > 1):
            readings[delimiter] = rows, _is_even(filled)
    even = [delimiter for delimiter, (_, good) in readings.items() if good]
    if " " in even and len(even) > 1:
        even.remove(" ")
    if len(even) > 1:
        words = " or by ".join(_DELIMITERS[delimiter] for delimiter in even)
        raise InputError(
            f"The columns of {path} may be divided by {words}; both give every row as many cells as the header. "
            "Put cells in quotes, or save the table as .tsv or .xlsx."
        )
    if not readings:
        return _parse(path, text, ","), "nothing"
    uneven = [delimiter for delimiter in readings if delimiter != " "] or list(readings)
    chosen = even[0] if even else max(uneven, key=lambda d: len(readings[d][0][0]))
    return readings[chosen][0], _DELIMITERS.get(chosen, repr(chosen))


def _parse(path: Path, text: str, delimiter: str) -> list[list[str]]:
    if delimiter == " ":
        return [line.split() for line in text.splitlines()]
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        return list(reader)
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as a table: {error}.") from error


def _is_even(rows: Sequence[Sequence[str]]) -> bool:
    def length(row: Sequence[str]) -> int:
        return max((i + 1 for i, cell in enumerate(row) if cell.strip()), default=0)

    width = len(rows[0])
    return all(length(row) <= width and len(row) >= length(rows[0]) for row in rows)


def _drop_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    kept = [i for i in range(len(rows[0])) if any(row[i] for row in rows)]
    return [[row[i] for i in kept] for row in rows]


def _shown(row: Sequence[str]) -> str:
    text = ", ".join(row)
    return text if len(text) <= 80 else text[:77] + "..."
