"""Tables of labels: CSV, workbooks and Parquet that are damaged or unpack to far more than their size."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from inputs import OSC, SHEET, XML, workbook

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
EXTERNAL = (
    f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets>'
    '<externalReferences><externalReference r:id="rId9"/></externalReferences></workbook>'
)
LINKS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="/xl/worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId9" Type="{OFFICE}/externalLink" Target="file:///etc/passwd" TargetMode="External"/>'
    "</Relationships>"
)
LAUGHS = '<!ENTITY l0 "xxxxxxxxxx">' + "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))


def parquet(rows: int, text: str, name: str = "labels") -> bytes:
    """A Parquet file whose rows share one text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    indices = pa.array(np.zeros(rows, np.int32))
    columns = {
        "file": indices.cast(pa.int32()),
        name: pa.DictionaryArray.from_arrays(indices, pa.array([text])),
    }
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


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
    "a row of ten digits": (
        "x.xlsx",
        lambda: workbook(SHEET.format('<row r="4000000000"><c r="A4000000000"><v>1</v></c></row>')),
    ),
    "a gap between rows": (
        "x.xlsx",
        lambda: workbook(
            SHEET.format(
                '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="B1048576"><v>1</v></c></row>'
            )
        ),
    ),
    "dimensions of everything": (
        "x.xlsx",
        lambda: workbook(
            SHEET.replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>').format(
                '<row r="1"><c r="A1"><v>1</v></c></row><row r="900000"><c r="A900000"><v>1</v></c></row>'
            )
        ),
    ),
    "10 million columns": ("x.csv", lambda: b"c" + b",c" * 10_000_000 + b"\n"),
    "10 million columns over lines": ("x.csv", lambda: b"file,a\n" + b'"a\n",' * 3_000_000),
    "10 million blank lines": ("x.csv", lambda: b"file,a\n" + b"\n" * 10_000_000),
    "10 million empty cells": ("x.csv", lambda: b"file,a\n" + (b"," * 5000 + b"\n") * 2000),
    "external links": (
        "x.xlsx",
        lambda: workbook(
            SHEET.format('<row r="1"><c r="A1"><f>[1]Sheet1!A1</f></c></row>'),
            {"xl/workbook.xml": XML + EXTERNAL, "xl/_rels/workbook.xml.rels": XML + LINKS},
        ),
    ),
    "a document type after 5,000 characters": (
        "x.xlsx",
        lambda: workbook(
            f"{XML}<!--{'x' * 5000}--><!DOCTYPE a [{LAUGHS}]>" + SHEET[len(XML) :].format("&l9;")
        ),
    ),
    "rows up to the last column": (
        "x.xlsx",
        lambda: workbook(
            SHEET.format("".join(f'<row r="{i}"><c r="XFD{i}"><v>1</v></c></row>' for i in range(1, 4000)))
        ),
    ),
    "9,000 names that differ in case": (
        "x.csv",
        lambda: ("file," + ",".join(f"{'ab'[i % 2]}C{i // 2}" for i in range(9000)) + "\nx\n").encode(),
    ),
    "a cell of 100,000 labels": ("x.csv", lambda: b"file,labels\nx," + b"a;" * 60_000 + b"\n"),
    "brackets": ("x.csv", lambda: b'file,labels\nx,"' + b"[" * 100_000 + b'"\n'),
    "texts that rows share": ("x.parquet", lambda: parquet(5000, "x" * 10**6)),
    "a hundred million rows": ("x.parquet", lambda: parquet(40_000_000, "x")),
    "columns with controls": ("x.parquet", lambda: parquet(3, "x", name=OSC)),
    "no parquet": ("x.parquet", lambda: b"PAR1" + b"\xff" * 100 + b"PAR1"),
    "half a parquet": ("x.parquet", lambda: b"PAR1"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_damaged_table_is_refused(check, tmp_path, kind):
    name, content = TABLES[kind]
    (tmp_path / name).write_bytes(content())
    assert check("noise", "estimate", "--clean", name, "--noisy", name, "--out", "out.csv").seconds < 3


def sheet(*cells: str) -> bytes:
    """A workbook of a header, a row that is right, and these cells below it."""
    rows = [["file", "x"], ["a", "1"]]
    text = "".join(
        f'<row r="{i}">'
        + "".join(
            f'<c r="{"AB"[j]}{i}" t="inlineStr"><is><t>{cell}</t></is></c>' for j, cell in enumerate(row)
        )
        + "</row>"
        for i, row in enumerate(rows, start=1)
    )
    return workbook(SHEET.format(f'{text}<row r="3">{"".join(cells)}</row>'))


NAME = '<c r="A3" t="inlineStr"><is><t>b</t></is></c>'
FORMULAS: dict[str, Callable[[], bytes]] = {
    "never computed": lambda: sheet(NAME, '<c r="B3"><f>1+1</f></c>'),
    "never computed, as text": lambda: sheet(NAME, '<c r="B3" t="str"><f>HYPERLINK("http://a")</f></c>'),
    "of a range": lambda: sheet(NAME, '<c r="B3"><f t="array" ref="B3:B9">A1:A9*2</f></c>'),
    "a table of data": lambda: sheet(NAME, '<c r="B3"><f t="dataTable" ref="B3:B9" r1="A1"/></c>'),
    "shared": lambda: sheet(NAME, '<c r="B3"><f t="shared" si="0" ref="B3:B4">1+1</f></c>'),
    "an error": lambda: sheet(NAME, '<c r="B3" t="e"><f>1/0</f><v>#DIV/0!</v></c>'),
    "a reference that is gone": lambda: sheet(NAME, '<c r="B3" t="e"><f>#REF!A1</f><v>#REF!</v></c>'),
    "in the header": lambda: sheet('<c r="A1"><f>A2</f></c>'),
    "of a megabyte": lambda: sheet(NAME, f'<c r="B3"><f>"{"x" * 10**6}"</f></c>'),
    "of controls": lambda: sheet(NAME, '<c r="B3"><f>"&#x202e;&#x200b;&#x9b;"</f></c>'),
    "of another program": lambda: sheet(NAME, "<c r=\"B3\"><f>cmd|' /C calc'!A0</f></c>"),
    "entities in UTF-16": lambda: utf16(),
}


def utf16() -> bytes:
    """A workbook whose sheet declares entities in UTF-16, in which no search for bytes finds them."""
    with zipfile.ZipFile(io.BytesIO(workbook(SHEET))) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    text = (
        '<?xml version="1.0" encoding="UTF-16"?>'
        + f"<!DOCTYPE a [{LAUGHS}]>"
        + SHEET[len(XML) :].format("&l9;")
    )
    entries["xl/worksheets/sheet1.xml"] = text.encode("utf-16")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("kind", FORMULAS)
def test_a_formula_without_a_value_is_refused(check, tmp_path, kind):
    (tmp_path / "x.xlsx").write_bytes(FORMULAS[kind]())
    answer = check("noise", "estimate", "--clean", "x.xlsx", "--noisy", "x.xlsx", "--out", "out.csv")
    assert "object at" not in answer.text
    assert len(answer.text) < 2000


ACTING = [
    '=HYPERLINK("http://a")',
    "@SUM(1)",
    "+cmd|' /C calc'!A0",
    "-1+1",
    "a;=1+1;b",
    "a:=1",
    "a|@SUM(1)",
    "\u200b=1",
]
CELL = re.compile(r"[^;|\n]+")


@pytest.mark.parametrize("names", [ACTING, [f" {name}" for name in ACTING], [f"'{name}" for name in ACTING]])
def test_names_of_classes_act_in_no_table_that_is_written(check, tmp_path, names):
    """What comes in from a table of labels goes out with an apostrophe, and comes in again as it was."""
    out = io.StringIO()
    labels = ([f"i{i}", *(int(i % 8 == j) for j in range(8))] for i in range(16))
    csv.writer(out).writerows([["file", *names], *labels])
    (tmp_path / "x.csv").write_text(out.getvalue())
    for at in range(2):
        name = f"{'x' * (at + 1)}.csv"
        if at:
            (tmp_path / name).write_text(out.getvalue())
        check("noise", "estimate", "--clean", name, "--noisy", name, "--out", f"{at}.csv", codes=(0,))
    text = (tmp_path / "0.csv").read_text()
    (header, *_), cells = list(csv.reader(io.StringIO(text))), CELL.findall(text)
    assert len(header) == 9
    assert not [cell for cell in cells if re.match(r"[\s\"\u200b]*[=@+]|[\s\"]*-\D", cell.split(",")[0])]


def test_a_tab_is_part_of_no_name(check, tmp_path):
    """A program for tables that is given the text with tabs between columns would read the rest as a cell."""
    (tmp_path / "x.csv").write_text("file,a\t=1\ni0,1\ni1,0\n")
    answer = check(
        "noise", "estimate", "--clean", "x.csv", "--noisy", "x.csv", "--out", "out.csv", codes=(2,)
    )
    assert "a character that no name has" in answer.text
    assert not (tmp_path / "out.csv").exists()
