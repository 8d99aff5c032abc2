"""Reads the cells of workbooks (.xlsx) and Parquet files as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gridbench.core.files import LARGEST_TABLE, limited, open_file
from gridbench.core.zip_files import check_zip
from gridbench.errors import InputError

__all__ = ["cell_text", "read_parquet", "read_workbook"]

MOST_CELLS = 10**8
LARGEST_WORKBOOK = 2**29


def read_workbook(path: Path) -> list[list[str]]:
    """Return the cells of the first sheet of an .xlsx as text.

    Raises:
        InputError: It cannot be read, or a formula in it was never computed.
    """
    import openpyxl
    from openpyxl.utils import get_column_letter

    def cells(computed: bool) -> list[tuple[object, ...]]:
        book = openpyxl.load_workbook(path, read_only=True, data_only=computed)
        try:
            return list(book.worksheets[0].iter_rows(values_only=True))
        finally:
            book.close()

    try:
        _check_workbook(path)
        values, written = cells(True), cells(False)
    # Of a damaged workbook openpyxl raises whatever its damaged part leads to.
    except Exception as error:
        raise InputError(f"{path} cannot be read as a workbook: {error}.") from error
    for number, (row, formulas) in enumerate(zip(values, written, strict=True), start=1):
        for column, (cell, formula) in enumerate(zip(row, formulas, strict=True), start=1):
            if cell is None and formula is not None:
                raise InputError(
                    f"{path}: the cell {get_column_letter(column)}{number} holds the formula {formula}, "
                    "which was never computed. "
                    "Open and save the workbook in a spreadsheet program, or write the values."
                )
    return [[cell_text(cell) for cell in row] for row in values]


def _check_workbook(path: Path) -> None:
    """Refuse a workbook by what its members would take, and one whose XML declares entities.

    Raises:
        ValueError: With the reason.
        OSError: It cannot be read.
    """
    import zipfile

    with open_file(path, LARGEST_TABLE) as file, zipfile.ZipFile(file) as archive:
        check_zip(archive, path.stat().st_size)
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > limited(LARGEST_WORKBOOK):
            raise ValueError(f"it would unpack to {unpacked:,} bytes; save it as .csv")
        for entry in archive.infolist():
            with archive.open(entry) as member:
                if b"<!DOCTYPE" in member.read(4096):
                    raise ValueError(f"{entry.filename} declares a document type, which no workbook needs")


def _check_parquet(file: Any) -> None:
    cells = file.metadata.num_rows * max(file.metadata.num_columns, 1)
    groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
    unpacked = sum(group.total_byte_size for group in groups)
    if cells > MOST_CELLS or unpacked > limited(LARGEST_WORKBOOK):
        raise ValueError(f"it holds {cells:,} cells and would unpack to {unpacked:,} bytes")


def read_parquet(path: Path) -> list[list[str]]:
    """Return the names of the columns of a Parquet file, and below them its cells as text.

    Raises:
        InputError: It cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(path) as source:
            file = pq.ParquetFile(source)
            _check_parquet(file)
            table = file.read()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}.") from error
    columns = [table.column(i).to_pylist() for i in range(table.num_columns)]
    return [
        list(table.column_names),
        *([cell_text(cell) for cell in row] for row in zip(*columns, strict=True)),
    ]


def cell_text(cell: object) -> str:
    """Return a value as a cell of a table: nothing for none, whole numbers without a point, lists as JSON."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, Iterable) and not isinstance(cell, (str, bytes)):
        return json.dumps(list(cell), default=str)
    return str(cell)
