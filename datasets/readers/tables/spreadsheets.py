"""Reads the cells of workbooks (.xlsx) and Parquet files as text."""

from __future__ import annotations

import datetime
import json
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbench.core.files import FACTOR, LARGEST_TABLE, limited, open_file
from gridbench.core.zip_files import check_zip
from gridbench.datasets.readers.tables.hub_classes import class_names_of, with_names
from gridbench.errors import InputError, reason_of

__all__ = [
    "MOST_CELLS",
    "TooManyCells",
    "cell_text",
    "check_cells",
    "hidden_rows",
    "read_parquet",
    "read_workbook",
]

# BigEarthNet's 600,000 patches with a column for each of 43 classes are 26 million.
MOST_CELLS = 32_000_000
LARGEST_WORKBOOK = 2**29
ROWS_AT_ONCE = 4096
MOST_SHEETS = 20
_MERGED = re.compile(rb"""<(?:\w+:)?mergeCell\s[^>]*?ref=["']([A-Za-z0-9:$]{1,40})["']""")
_HIDDEN = re.compile(rb"""<(?:\w+:)?row\s[^>]*?\bhidden=["'](?:1|true)["'][^>]*>""")
# Rows without a cell between two that have some.
LONGEST_GAP = 100_000


class TooManyCells(InputError):
    """A table with more cells than labels of the largest archives take."""


def check_cells(path: Path, count: int) -> None:
    """Refuse a table of more cells than MOST_CELLS.

    Raises:
        TooManyCells: It has more.
    """
    if count > limited(MOST_CELLS):
        raise TooManyCells(
            f"{path} has more than {limited(MOST_CELLS):,} cells (to raise the limit: {FACTOR}=4)."
        )


def read_workbook(path: Path) -> Iterator[list[str]]:
    """Yield the rows of the first sheet of an .xlsx that is not hidden as text.

    Raises:
        InputError: It cannot be read, another sheet has the same header, or a formula in it was never computed.
    """
    import openpyxl
    from openpyxl.cell.cell import ERROR_CODES

    total, gap, errors = 0, 0, frozenset(ERROR_CODES)
    before: object = None
    books: list[Any] = []
    try:
        _check_workbook(path)
        books += [
            openpyxl.load_workbook(path, read_only=True, data_only=computed) for computed in (True, False)
        ]
        # Some programs write a wrong size of the sheet, behind which openpyxl would read no cell.
        declared = [sheet.max_column or 0 for sheet in books[0].worksheets]
        for sheet in (sheet for book in books for sheet in book.worksheets):
            sheet.reset_dimensions()
        first = _sheet_to_read(path, books[0])
        _refuse_merged_cells(path, books[0].worksheets[first])
        width = declared[first]
        sheets = [book.worksheets[first].iter_rows(values_only=True) for book in books]
        for number, (row, formulas) in enumerate(zip(*sheets, strict=True), start=1):
            # A row that is not in the file is one and the same object: a number of a row may be made up, and leads to
            # millions of them.
            gap, before = gap + 1 if row is before else 0, row
            if gap > LONGEST_GAP:
                raise ValueError(
                    f"the rows {number - gap:,} to {number:,} are missing in it; save it as .csv"
                )
            width = max(width, len(row))
            total += width
            check_cells(path, total)
            _refuse_failed_formulas(path, number, row, formulas, errors)
            yield [*map(cell_text, row), *[""] * (width - len(row))]
    except InputError:
        raise
    # On damaged workbooks openpyxl raises errors of any type.
    except Exception as error:
        hint = ""
        if isinstance(error, zipfile.BadZipFile):
            hint = " If it is a table of text, let its name end in .csv; from any other, save it as .xlsx."
        raise InputError(f"{path} cannot be read as a workbook: {reason_of(error, path)}.{hint}") from error
    finally:
        for book in books:
            book.close()


def _refuse_failed_formulas(
    path: Path, number: int, row: Sequence[Any], formulas: Sequence[Any], errors: frozenset[str]
) -> None:
    """Refuse a row with a formula that was never computed, or whose value is an error.

    Args:
        path: The workbook.
        number: Number of the row, from 1.
        row: Values of its cells.
        formulas: What the cells hold: formulas where there are any, else the same values.
        errors: Values that stand for an error.

    Raises:
        InputError: There is such a formula; the message names its cell.
    """
    for column, (cell, formula) in enumerate(zip(row, formulas, strict=True), start=1):
        if cell is formula or (cell is not None and cell not in errors):
            continue
        from openpyxl.utils import get_column_letter

        # A formula of a range is an object, whose text is the formula.
        text = str(formula if isinstance(formula, str) else getattr(formula, "text", "of a data table"))
        place = f"{get_column_letter(column)}{number}"
        if cell is None:
            raise InputError(
                f"{path}: the cell {place} holds the formula {text:.200}, which was never computed. Open and save the "
                "workbook in a spreadsheet program, or write the values."
            )
        if text != cell:
            raise InputError(f"{path}: the formula {text:.200} in the cell {place} gives {cell}.")


def _sheet_to_read(path: Path, book: Any) -> int:
    """Return the position of the first sheet that is not hidden.

    Raises:
        InputError: Another has the same header, so the rows of a table may be divided among them.
    """
    visible = [i for i, sheet in enumerate(book.worksheets) if sheet.sheet_state == "visible"] or [0]
    headers = {
        i: [
            cell
            for cell in next(book.worksheets[i].iter_rows(max_row=1, values_only=True), ())
            if cell is not None
        ]
        for i in visible[:MOST_SHEETS]
    }
    first = visible[0]
    again = next((i for i in visible[1:MOST_SHEETS] if headers[first] and headers[i] == headers[first]), None)
    if again is not None:
        titles = [book.worksheets[i].title for i in (first, again)]
        raise InputError(
            f"{path}: the sheets {titles[0]!r} and {titles[1]!r} have the same header, and only one sheet is read. Put "
            "all rows into one, with a column split where the sheets were splits; or hide the others."
        )
    return first


def _refuse_merged_cells(path: Path, sheet: Any) -> None:
    """Refuse a sheet with cells that are one cell to the eye: all of them but the first are empty in the file.

    Raises:
        InputError: With the first of them.
    """
    found, rest = None, b""
    with sheet._get_source() as member:
        while found is None and (part := member.read(1 << 20)):
            found = _MERGED.search(rest + part)
            rest = part[-200:]
    if found is not None:
        raise InputError(
            f"{path}: the cells {found[1].decode()} of the first sheet are merged, so only the first of them holds the "
            "value. Unmerge them, and fill in each."
        )


def hidden_rows(path: Path) -> int:
    """Return how many rows of the sheet that `read_workbook` has read are hidden, as by a filter."""
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True)
    try:
        sheet = book.worksheets[_sheet_to_read(path, book)]
        count, rest = 0, b""
        with sheet._get_source() as member:
            while part := member.read(1 << 20):
                whole, _, rest = (rest + part).rpartition(b">")
                count += len(_HIDDEN.findall(whole + b">"))
        return count
    finally:
        book.close()


def _check_workbook(path: Path) -> None:
    """Refuse a workbook by what its members would take, and one whose XML declares entities.

    Raises:
        ValueError: With the reason.
        OSError: It cannot be read.
    """
    with open_file(path, LARGEST_TABLE) as file, zipfile.ZipFile(file) as archive:
        check_zip(archive, path.stat().st_size)
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > limited(LARGEST_WORKBOOK):
            raise ValueError(f"it would unpack to {unpacked:,} bytes; save it as .csv")
        for entry in archive.infolist():
            with archive.open(entry) as member:
                if b"<!DOCTYPE" in member.read(4096):
                    raise ValueError(f"{entry.filename} declares a document type, which no workbook needs")


def read_parquet(path: Path) -> Iterator[list[str]]:
    """Yield the names of the columns of a Parquet file, then its rows as text, numbers of named classes by their names.

    Raises:
        InputError: It cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(path) as source:
            metadata = pq.read_metadata(source)
            check_cells(path, metadata.num_rows * max(metadata.num_columns, 1))
            groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
            unpacked = sum(group.total_byte_size for group in groups)
            if unpacked > limited(LARGEST_WORKBOOK):
                raise ValueError(f"it would unpack to {unpacked:,} bytes")
            # Rows share one string object for equal texts, however long.
            columns = (metadata.schema.column(i) for i in range(metadata.num_columns))
            texts = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
            file = pq.ParquetFile(source, read_dictionary=texts)
            yield file.schema_arrow.names
            classes = class_names_of(file.schema_arrow)
            names = [classes.get(name, ()) for name in file.schema_arrow.names]
            left = limited(LARGEST_WORKBOOK)
            for batch in file.iter_batches(ROWS_AT_ONCE):
                left -= sum(map(_text_bytes, batch.columns))
                if left < 0:
                    raise ValueError(f"its texts have more than {limited(LARGEST_WORKBOOK):,} bytes in all")
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield [
                        cell_text(with_names(cell, of) if of else cell)
                        for cell, of in zip(row, names, strict=True)
                    ]
    except InputError:
        raise
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as Parquet: {reason_of(error, path)}.") from error


def _text_bytes(column: Any) -> int:
    """Return the bytes that the texts of an Arrow array take once each row has its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = column.flatten()
    if not pa.types.is_dictionary(column.type) or not len(column):
        return int(column.nbytes)
    return int(pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0)


def _text_of(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def cell_text(cell: object) -> str:
    """Return a value as a cell of a table: nothing for none, no point in whole numbers, no midnight, lists as JSON.

    Raises:
        ValueError: It is bytes that are not text in UTF-8.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, bytes):
        return cell.decode("utf-8")
    if isinstance(cell, Iterable) and not isinstance(cell, str):
        whole = cell if isinstance(cell, Mapping) else list(cell)
        return json.dumps(whole, default=_text_of, ensure_ascii=False)
    # Spreadsheets store dates with a time of day.
    return str(cell).removesuffix(" 00:00:00") if isinstance(cell, datetime.datetime) else str(cell)
