"""Tables whose cells would take far more memory than their file are refused, and real ones are read row by row."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridbench.datasets.readers.tables import read_label_table, spreadsheets
from gridbench.errors import InputError

SHEET = (
    '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<dimension ref="A1:XFD{0}"/><sheetData>{1}</sheetData></worksheet>'
)


def far_cells(path: Path) -> None:
    """Write a workbook of 3,000 rows of one cell in the last of 16,384 columns."""
    plain = io.BytesIO()
    openpyxl.Workbook().save(plain)
    rows = "".join(f'<row r="{i}"><c r="XFD{i}"><v>1</v></c></row>' for i in range(1, 3001))
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            sheet = name == "xl/worksheets/sheet1.xml"
            new.writestr(name, SHEET.format(3000, rows) if sheet else old.read(name))


def shared_text(path: Path) -> None:
    """Write 5,000 rows that share one text of a megabyte, which Parquet keeps once."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * 10**6]))
    pq.write_table(pa.table({"file": pa.array(range(5000)).cast(pa.string()), "labels": text}), path)


def wide(path: Path) -> None:
    path.write_bytes(b"file" + b",c" * 3_000_000 + b"\na,1\n")


def wide_over_lines(path: Path) -> None:
    path.write_bytes(b"file,x\n" + b'"a\n",' * 1_000_000)


def blank_columns(path: Path) -> None:
    path.write_bytes(b"file x\n" + b"a " * 3_000_000)


def many_cells(path: Path) -> None:
    path.write_bytes(b"file" + b",c" * 999 + b"\n" + (b"," * 999 + b"\n") * 400)


@pytest.mark.parametrize(
    ("write", "suffix"),
    [
        (far_cells, ".xlsx"),
        (shared_text, ".parquet"),
        (wide, ".csv"),
        (wide_over_lines, ".csv"),
        (blank_columns, ".txt"),
        (many_cells, ".csv"),
    ],
)
def test_a_small_file_of_many_cells_is_refused_in_little_memory(tmp_path, monkeypatch, write, suffix):
    monkeypatch.setattr(spreadsheets, "MOST_CELLS", 300_000)
    monkeypatch.setattr("gridbench.datasets.readers.tables.rows.MOST_CELLS", 300_000)
    path = tmp_path / f"table{suffix}"
    write(path)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"cells|columns|texts have more"):
            read_label_table(path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_texts_that_rows_of_parquet_share_are_read(tmp_path):
    columns = {"file": ["a", "b", "c"], "labels": pa.array([["x"], ["y", "x"], ["y"]])}
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    table = read_label_table(tmp_path / "table.parquet")
    assert (table.class_names, table.labels.tolist()) == (("x", "y"), [[1, 0], [1, 1], [0, 1]])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_a_line_ends_a_row_and_nothing_else_does(tmp_path, end):
    (tmp_path / "table.csv").write_bytes(end.join(["file,labels", "a,x\u2028y", 'b,"z"', ""]).encode())
    table = read_label_table(tmp_path / "table.csv")
    assert (table.keys, table.class_names) == (["a", "b"], ("x\u2028y", "z"))
