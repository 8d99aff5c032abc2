"""Tables of labels: CSV, workbooks and Parquet that are damaged or unpack to far more than their size."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from inputs import OSC, SHEET, XML, workbook

TABLES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("x.csv", lambda: b""),
    "zero bytes": ("x.csv", lambda: b"\0" * 2**24),
    "no text": ("x.csv", lambda: b"file,\xff\xfe\n\xff,1\n"),
    "wide cell": ("x.csv", lambda: b'file,a\n"' + b"x" * 200_000 + b'",1\n'),
    "open quote": ("x.csv", lambda: b'file,a\n"' + b"x,1\n" * 100_000),
    "columns": (
        "x.csv",
        lambda: b",".join(b"c%d" % i for i in range(100_000)) + b"\n" + b"1," * 99_999 + b"1\n",
    ),
    "same columns": ("x.csv", lambda: b",".join([b"c"] * 9000) + b"\n" + b"1," * 8999 + b"1\n"),
    "ragged": ("x.csv", lambda: b"file,a,b\nx,1\n"),
    "controls": ("x.csv", lambda: f"file,{OSC}\n{OSC},3\n".encode()),
    "no workbook": ("x.xlsx", lambda: b"PK"),
    "broken XML": ("x.xlsx", lambda: workbook("<worksheet><a")),
    "a gigabyte in a cell": (
        "x.xlsx",
        lambda: workbook(
            SHEET.format(f'<row><c t="inlineStr"><is><t>{"x" * (256 * 2**20)}</t></is></c></row>')
        ),
    ),
    "entities": (
        "x.xlsx",
        lambda: workbook('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + SHEET.format("&b;")),
    ),
    "no sheet": ("x.xlsx", lambda: workbook(SHEET, {"xl/workbook.xml": XML + "<workbook/>"})),
    "broken workbook": ("x.xlsx", lambda: workbook(SHEET, {"xl/workbook.xml": "<"})),
    "no relations": (
        "x.xlsx",
        lambda: workbook(SHEET, {"xl/_rels/workbook.xml.rels": XML + "<Relationships/>"}),
    ),
    "odd cell": ("x.xlsx", lambda: workbook(SHEET.format('<row r="x"><c r="?" t="s"><v>99</v></c></row>'))),
    "far cell": (
        "x.xlsx",
        lambda: workbook(SHEET.format('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')),
    ),
    "no parquet": ("x.parquet", lambda: b"PAR1" + b"\xff" * 100 + b"PAR1"),
    "half a parquet": ("x.parquet", lambda: b"PAR1"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_damaged_table_is_refused(check, tmp_path, kind):
    name, content = TABLES[kind]
    (tmp_path / name).write_bytes(content())
    assert check("noise", "estimate", "--clean", name, "--noisy", name, "--out", "out.csv").seconds < 6
