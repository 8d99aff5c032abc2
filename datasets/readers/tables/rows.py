"""Reading of table cells (CSV, TSV, XLSX, Parquet) as text, with detection of the delimiter."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbench.core.csv_files import as_written
from gridbench.core.files import LARGEST_TABLE, limited, open_file
from gridbench.datasets.readers.files import canonical
from gridbench.datasets.readers.source_files import Unreadable, open_regular, read_bytes
from gridbench.datasets.readers.tables.header import LOOKED_AT, refuse_title, shown_row
from gridbench.datasets.readers.tables.spreadsheets import (
    MOST_CELLS,
    TooManyCells,
    cell_text,
    check_cells,
    hidden_rows,
    read_parquet,
    read_workbook,
)
from gridbench.errors import InputError, counted

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
# Columns, and a few cells of 131,072 characters that are full of delimiters.
MOST_DELIMITERS = 200_000
LEAST_CELLS = 16
# Cells of numbers, flags and class names repeat themselves in every row; file names do not.
LONGEST_SHARED = 32
# Lines as files opened with newline="" have them: vertical tabs and separators of other scripts end none.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_DECLARED = re.compile(r"""\ufeff?"?sep=(.)"?[ ,;\t]*(?:\r\n|\r|\n)""", re.IGNORECASE)
"""What Excel and LibreOffice write above a table."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}


@dataclass(frozen=True)
class RawTable:
    """The cells of a table, stripped of blanks around them; every row is as long as the header.

    Attributes:
        path: The file.
        header: Names of the columns.
        rows: Cells of each row.
        lines: Number of each row in the file, counted from 1, for messages.
        divided_by: The separator of the columns, in words.
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
    if len(rows) < 2:
        raise InputError(f"{path} is empty: it needs a header and at least one row below it.")
    refuse_title(path, rows)
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
    again = next((line for row, line in zip(rows[1:], lines[1:], strict=True) if row == header), None)
    if again is not None:
        raise InputError(f"{path}, row {again}, repeats the header. Take the row out.")
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
        InputError: It is missing, or it is not text.
    """
    try:
        with open_file(path, LARGEST_TABLE) as file:
            start = file.read(4096)
        if b"\0" in start and start[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            raise InputError(f"{path} is not text: it holds zero bytes. If it is UTF-16, save it as UTF-8.")
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
        raise InputError(f"{path} is not text: it holds zero bytes. If it is UTF-16, save it as UTF-8.")
    return text


def table_of_records(path: Path, records: Sequence[Mapping[str, Any]]) -> RawTable:
    """Return records of JSON as a table; a key that a record lacks is an empty cell.

    Raises:
        InputError: A record is nested.
    """
    header = list(dict.fromkeys(key for record in records for key in record))
    rows = [[canonical(cell_text(record.get(name)).strip()) for name in header] for record in records]
    return RawTable(
        path,
        [canonical(name) for name in header],
        rows,
        list(range(1, len(rows) + 1)),
        "keys of JSON records",
    )


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
                f"{path}, row {line}, has {len(row)} cells where the header has {width}: {shown_row(row)}."
            )
        if any(row[width:]):
            raise InputError(
                f"{path}, row {line}, has {len(row)} cells where the header has {width}: {shown_row(row)}. "
                "Put a cell that holds the "
                'divider in quotes ("a,b"), or divide labels by semicolons.'
            )
        result.append(row if len(row) == width else row[:width])
    return result


class _Cells(dict[str, str]):
    """Cells as written -> as read: without blanks around them, letters composed; short ones are kept once."""

    def __missing__(self, text: str) -> str:
        read = text.strip()
        read = as_written(read) if read[:1] == "'" else read
        read = read if read.isascii() else canonical(read)
        if len(text) <= LONGEST_SHARED:
            self[text] = read
        return read


def _numbered_rows(path: Path) -> tuple[list[list[str]], list[int], str]:
    """Return the rows that are not blank, their numbers in the file, and what divides the columns."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    try:
        open_regular(path).close()
    except Unreadable as error:
        raise InputError(f"{error}.") from error
    found: Iterable[list[str]]
    if suffix == ".xlsx":
        found, divided_by = read_workbook(path), "cells of the first sheet"
    elif suffix == ".parquet":
        found, divided_by = read_parquet(path), "columns of Parquet"
    elif suffix in TABLE_SUFFIXES:
        found, divided_by = _read_delimited(path)
    else:
        raise InputError(f"{path} is not a table; known are {', '.join(TABLE_SUFFIXES)}.")
    cells = _Cells()
    rows: list[list[str]] = []
    lines: list[int] = []
    for number, row in enumerate(found, start=1):
        read = [cells[text] for text in row]
        if any(read):
            if not rows and len(read) > MOST_COLUMNS:
                raise InputError(
                    f"{path} has {len(read):,} columns; a table of labels may have {MOST_COLUMNS:,}."
                )
            rows.append(read)
            lines.append(number)
    if suffix == ".xlsx" and (hidden := hidden_rows(path)):
        divided_by += f" ({counted(hidden, 'hidden row')}, which {'is' if hidden == 1 else 'are'} read, too)"
    return rows, lines, divided_by


def _read_delimited(path: Path) -> tuple[Iterator[list[str]], str]:
    """Divide the lines by the character that gives every row as many cells as the header."""
    text = read_text(path)
    # Every line counts as a row, of at least LEAST_CELLS cells.
    check_cells(path, LEAST_CELLS * (text.count("\n") + text.count("\r") - text.count("\r\n")))
    declared = ""
    if first := _DECLARED.match(text):
        declared, text = first[1], text[first.end() :]
    candidates = [declared] if declared else list(_DELIMITERS)
    # Delimiter -> cells in the header, and whether every row has as many.
    readings: dict[str, tuple[int, bool]] = {}
    refused = None
    for delimiter in candidates:
        filled = (row for row in _parse(path, text, delimiter) if any(map(str.strip, row)))
        try:
            header = next(filled, [])
            if header and (declared or len(header) > 1):
                readings[delimiter] = len(header), _is_even(header, filled)
        except InputError as error:
            refused = refused or error
    even = [delimiter for delimiter, (_, good) in readings.items() if good]
    if " " in even and len(even) > 1:
        even.remove(" ")
    if len(even) > 1:
        words = " or by ".join(_DELIMITERS[delimiter] for delimiter in even)
        raise InputError(
            f"The columns of {path} may be divided by {words}; both give every row as many cells as the header. "
            "Put cells in quotes, or save the table as .tsv or .xlsx."
        )
    if not even and refused is not None:
        raise refused
    if not even and not declared:
        for delimiter in list(_DELIMITERS)[:-1]:
            filled = (row for row in _parse(path, text, delimiter) if any(map(str.strip, row)))
            if rows := list(itertools.islice(filled, LOOKED_AT)):
                refuse_title(path, rows)
    if not readings:
        return _parse(path, text, ","), "nothing"
    uneven = [delimiter for delimiter in readings if delimiter != " "] or list(readings)
    chosen = even[0] if even else max(uneven, key=lambda d: readings[d][0])
    return _parse(path, text, chosen), _DELIMITERS.get(chosen, repr(chosen))


def _parse(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the cells of each row; one row is in memory at a time, and it is no wider than a table can be."""
    pending = total = 0
    most = limited(MOST_CELLS)

    def lines() -> Iterator[str]:
        nonlocal pending
        for match in _LINE.finditer(text):
            pending += match[0].count(delimiter)
            if pending > MOST_DELIMITERS:
                raise TooManyCells(
                    f"{path} has a row of more than {MOST_DELIMITERS:,} cells; a table of labels may have "
                    f"{MOST_COLUMNS:,} columns."
                )
            yield match[0]

    blanks = delimiter == " "
    rows = (
        map(str.split, lines()) if blanks else csv.reader(lines(), delimiter=delimiter, skipinitialspace=True)
    )
    try:
        for row in rows:
            # A line of nothing takes as long as one of a few cells.
            pending, total = 0, total + max(len(row), LEAST_CELLS)
            if total > most:
                check_cells(path, total)
            yield row
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as a table: {error}.") from error


def _is_even(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bool:
    def length(row: Sequence[str]) -> int:
        return max((i + 1 for i, cell in enumerate(row) if cell.strip()), default=0)

    width, least = len(header), length(header)
    return all(len(row) == width or (length(row) <= width and len(row) >= least) for row in rows)


def _drop_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    kept = [i for i in range(len(rows[0])) if any(row[i] for row in rows)]
    return rows if len(kept) == len(rows[0]) else [[row[i] for i in kept] for row in rows]
