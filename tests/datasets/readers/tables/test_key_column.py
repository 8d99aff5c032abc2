"""The column that names images: found by its cells, and what its names differ in when none are found."""

from __future__ import annotations

import datetime
from pathlib import Path

import openpyxl
import pytest

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.tables import read_label_table
from gridbench.errors import InputError


def test_a_first_row_of_the_form_of_the_others_is_no_header(tmp_path):
    files = FileIndex({f"tile_{i}": Path(f"images/tile_{i}.png") for i in range(6)})
    (tmp_path / "labels.csv").write_text("tile_99,rock\n" + "".join(f"tile_{i},sand\n" for i in range(6)))
    with pytest.raises(InputError, match="looks like an image's and not like a header"):
        read_label_table(tmp_path / "labels.csv", None, files)


@pytest.mark.parametrize("key", ["file", "image_id", "", "harbour"])
def test_numbers_may_be_the_names_of_classes(tmp_path, key):
    files = FileIndex({f"t{i}": Path(f"images/t{i}.png") for i in range(6)})
    rows = "".join(f"t{i},{int(i % 3 == 0)},{int(i % 3 > 0)}\n" for i in range(6))
    (tmp_path / "labels.csv").write_text(f"{key},0,1\n{rows}")
    if key == "harbour":
        with pytest.raises(InputError, match="looks like an image's and not like a header"):
            read_label_table(tmp_path / "labels.csv", None, files)
        return
    table = read_label_table(tmp_path / "labels.csv", None, files)
    assert table.class_names == ("0", "1")
    assert table.labels[:, 0].tolist() == [1, 0, 0, 1, 0, 0]


def test_a_first_row_of_numbers_says_nothing_about_the_columns(tmp_path):
    files = FileIndex({f"t{i}": Path(f"images/t{i}.png") for i in range(6)})
    rows = "".join(f"t{i},{i % 2},{1 - i % 2}\n" for i in range(6))
    (tmp_path / "labels.csv").write_text(f"0,1,2\n{rows}")
    with pytest.raises(InputError, match="holds numbers, as pandas writes where columns have no names"):
        read_label_table(tmp_path / "labels.csv", None, files)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("T{}.PNG", "differ from them in capitals"),
        ("t{}.jpg", "differ from them in their endings"),
        ("/kaggle/input/t{}.png", "differ from them in the folders before the name"),
        ("t00{}", "differ from them in zeros before numbers"),
        ("t{}.0", "differ from them in commas or zeros of numbers"),
        ("my/T{}.JPG", "more than one of these"),
        ("t{}\u200b", "differ from them in invisible signs"),
    ],
)
def test_the_message_says_what_names_of_images_differ_in(tmp_path, cell, message):
    files = FileIndex({f"t{i}": Path(f"/set/images/t{i}.png") for i in range(6)})
    rows = "".join(f"{cell.format(i)},{'ab'[i % 2]}\n" for i in range(6))
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}", encoding="utf-8")
    with pytest.raises(InputError, match=f"No column .* names the images.*'file' .*{message}"):
        read_label_table(tmp_path / "labels.csv", None, files)


@pytest.mark.parametrize("cell", ["/home/me/set/images/t{}.png", "C:\\set\\images\\t{}.png", "x/images/t{}"])
def test_folders_of_another_machine_may_stand_before_that_of_an_image(tmp_path, cell):
    files = FileIndex({f"t{i}": Path(f"/set/images/t{i}.png") for i in range(6)})
    (tmp_path / "labels.csv").write_text(
        "file,label\n" + "".join(f"{cell.format(i)},{i % 2}\n" for i in range(6))
    )
    table = read_label_table(tmp_path / "labels.csv", None, files)
    assert files.match(table.keys, "labels.csv") == {f"t{i}": i for i in range(6)}
    assert files.find(cell.format(0).replace("images", "others")) == []


def test_dates_of_workbooks_have_no_time(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["file", "label"])
    for i in range(6):
        book.active.append([datetime.datetime(2020, 1, i + 1), "ab"[i % 2]])
    book.save(tmp_path / "labels.xlsx")
    assert read_label_table(tmp_path / "labels.xlsx").keys[:2] == ["2020-01-01", "2020-01-02"]
