"""Titles and comments above the header of a table are refused with the row that looks like the header."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.tables import read_label_table
from gridbench.datasets.readers.tables.class_table import read_class_table
from gridbench.datasets.readers.tables.rows import read_raw_table
from gridbench.errors import InputError

NAMES = "abcdef"
WORDS = ("water", "trees")
TABLES = {
    "labels": "file,label\n" + "".join(f"{name}.png,{WORDS[i % 2]}\n" for i, name in enumerate(NAMES)),
    "columns": "image,water,trees\n"
    + "".join(f"{name}.png,{i % 2},{1 - i % 2}\n" for i, name in enumerate(NAMES)),
}
ABOVE = [
    "# made by a tool",
    "# made by a tool, 2024",
    "# one\n# two, three",
    "// version 2, checked",
    "Labels of my data",
    "Labels of my data,",
    "Labels of my data, version 2",
    "Labels",
    "My data\n",
    "version,2\ndate,2024",
]


def read(path):
    files = FileIndex({name: Path(f"images/{name}.png") for name in NAMES})
    return read_label_table(path, None, files)


@pytest.mark.parametrize("above", ABOVE)
@pytest.mark.parametrize("kind", TABLES)
def test_what_stands_above_the_header_is_refused(tmp_path, kind, above):
    path = tmp_path / "labels.csv"
    path.write_text(f"{above}\n{TABLES[kind]}")
    header = TABLES[kind].partition("\n")[0].replace(",", ", ")
    message = f"begins with '{above[:5]}.*looks like a title or a comment; the header may be '{header}'"
    with pytest.raises(InputError, match=message):
        read(path)


@pytest.mark.parametrize("cells", [["My data"], ["My data", "version 2"]])
def test_a_title_in_a_workbook_is_refused(tmp_path, cells):
    book = openpyxl.Workbook()
    for row in (cells, [], ["file", "label"], *([f"{name}.png", "water"] for name in NAMES)):
        book.active.append(row)
    book.save(tmp_path / "labels.xlsx")
    with pytest.raises(InputError, match=r"begins with 'My data.*the header may be 'file, label'"):
        read(tmp_path / "labels.xlsx")


@pytest.mark.parametrize("above", ["# made by a tool", "# made by a tool, 2024"])
def test_a_comment_above_a_table_of_classes_is_refused(tmp_path, above):
    (tmp_path / "classes.csv").write_text(f"{above}\nname,value\nwater,1\ntrees,2\n")
    with pytest.raises(InputError, match="the header may be 'name, value'"):
        read_class_table(tmp_path / "classes.csv")


@pytest.mark.parametrize("first", ["sep=,", '"sep=,"', "sep=,,"])
def test_the_separator_that_a_first_line_declares_is_no_title(tmp_path, first):
    (tmp_path / "labels.csv").write_text(f"{first}\n{TABLES['labels']}")
    assert read(tmp_path / "labels.csv").class_names == ("trees", "water")


def test_a_header_behind_a_comment_sign_is_a_header(tmp_path):
    (tmp_path / "labels.csv").write_text(f"#{TABLES['labels']}")
    assert read(tmp_path / "labels.csv").class_names == ("trees", "water")


def test_words_of_headers_as_labels_are_labels(tmp_path):
    (tmp_path / "t.csv").write_text("photo,kind\na.png,path\nb.png,image\nc.png,label\n")
    assert read_raw_table(tmp_path / "t.csv").header == ["photo", "kind"]


@pytest.mark.parametrize("header", ["file,labels", "photo,kind"])
def test_rows_that_are_longer_than_a_header_make_it_no_title(tmp_path, header):
    (tmp_path / "t.csv").write_text(f"{header}\na.png,water,trees\nb.png,water\nc.png,water,trees,sand\n")
    with pytest.raises(InputError, match="row 2, has 3 cells where the header has 2"):
        read_raw_table(tmp_path / "t.csv")
