"""Which columns of a table hold labels, whatever language or form they are in."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.tables import TableOptions, read_label_table
from gridbench.datasets.readers.tables.class_table import read_class_table
from gridbench.errors import InputError

NAMES = [f"t{i}" for i in range(8)]
WORDS = ["Wasser", "Wald"]


def files(names=NAMES):
    return FileIndex({name: Path(f"images/{name}.png") for name in names})


def read(tmp_path, header, row, class_names=None, **options):
    """Read a table with one row an image; `row` returns the cells behind the name, by the row's number."""
    path = tmp_path / "labels.csv"
    path.write_text(
        "\n".join([header, *(f"{name},{row(i)}" for i, name in enumerate(NAMES))]), encoding="utf-8"
    )
    return read_label_table(path, class_names, files(), TableOptions(**options))


def labels_of(table):
    rows = zip(table.keys, table.labels, strict=True)
    return {key: [table.class_names[c] for c in np.flatnonzero(row)] for key, row in rows}


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        ("file,Klasse,ok", lambda i: "1"),
        ("file,Klasse,train,test", lambda i: f"{int(i < 5)},{int(i >= 5)}"),
        ("file,Klasse,verified,difficult", lambda i: f"1,{int(i == 2)}"),
        ("archivo,etiqueta,revisado,dudoso", lambda i: f"1,{int(i == 2)}"),
        ("file,Klasse,wolkig,schnee", lambda i: f"{int(i == 1)},{int(i == 2)}"),
        ("filename,region_attributes,region_count,region_id", lambda i: "1,0"),
    ],
)
def test_flags_beside_a_column_of_words_are_asked_about(tmp_path, header, flags):
    word = header.split(",")[1]
    with pytest.raises(
        InputError, match=rf"may be the words of the column '{word}'.*--label-columns {word} or"
    ):
        read(tmp_path, header, lambda i: f"{WORDS[i % 2]},{flags(i)}")
    table = read(tmp_path, header, lambda i: f"{WORDS[i % 2]},{flags(i)}", label_columns=(word,))
    assert labels_of(table) == {name: [WORDS[i % 2]] for i, name in enumerate(NAMES)}


def test_flags_that_label_every_image_are_classes_whatever_stands_beside(tmp_path):
    table = read(tmp_path, "file,Ort,Wasser,Wald", lambda i: f"{'AB'[i % 2]},{i % 2},{1 - i % 2}")
    assert table.class_names == ("Wasser", "Wald")


@pytest.mark.parametrize("values", [(-1, -1, 1), (-1, -1, -1, 0, 1)])
def test_a_column_of_minus_one_and_one_is_a_class_and_refused(tmp_path, values):
    with pytest.raises(InputError, match="column 'sand': '-1' is neither 0 nor 1"):
        read(tmp_path, "file,water,trees,sand", lambda i: f"{i % 2},{1 - i % 2},{values[i % len(values)]}")


def test_minus_one_is_no_class(tmp_path):
    with pytest.raises(InputError, match="'-1' may be a class, or say that there is no label"):
        read(tmp_path, "file,label", lambda i: str(i % 3 - 1))
    with pytest.raises(InputError, match="label '-1' is not among the classes"):
        read(tmp_path, "file,label", lambda i: str(i % 3 - 1), ("0", "1"))


def test_several_columns_of_names_are_read_together_when_they_are_named(tmp_path):
    def row(i):
        return f"water,{'trees' if i % 2 else ''}"

    with pytest.raises(InputError, match="--label-columns label1 --label-columns label2"):
        read(tmp_path, "file,label1,label2", row)
    with pytest.raises(InputError, match="--label-columns main --label-columns 'a second'"):
        read(tmp_path, "file,main,a second", lambda i: f"{'abc'[i % 3]},{'de'[i % 2]}")
    with pytest.raises(InputError, match="Write 1 for 'ja' and 0 for 'nein'"):
        read(tmp_path, "file,Wald,Wasser", lambda i: f"{['ja', 'nein'][i % 2]},{['ja', 'nein'][i // 2 % 2]}")
    with pytest.raises(InputError, match="--label-columns NAME, again for more"):
        read(tmp_path, "file,height,width", lambda i: f"{i + 3},{i + 4}")
    table = read(tmp_path, "file,label1,label2", row, label_columns=("label1", "label2"))
    assert labels_of(table) == {n: ["trees", "water"] if i % 2 else ["water"] for i, n in enumerate(NAMES)}
    with pytest.raises(InputError, match=r"'Water' and 'water'.*differ in case"):
        read(tmp_path, "file,label1,label2", lambda i: "water,Water", label_columns=("label1", "label2"))


def test_rows_of_one_image_are_refused_with_what_joins_them(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("image,label\nt0,water\nt0,trees\nt1,water\n")
    with pytest.raises(InputError, match=r"table.groupby\('image'\)\['label'\]"):
        read_label_table(path, None, files())


@pytest.mark.parametrize("word", ["partition", "subset"])
def test_a_column_called_like_a_split_that_is_not_used_is_told(tmp_path, word):
    table = read(tmp_path, f"file,label,{word}", lambda i: f"{WORDS[i % 2]},{i // 3}")
    assert any(f"the column '{word}' (0, 1, 2) may give the split and is not used" in n for n in table.notes)


def test_numbers_of_classes_are_read_by_the_table_of_classes(tmp_path):
    numbers = {"10": "water", "20": "trees"}
    table = read(tmp_path, "file,label", lambda i: f"{10 * (i % 2 + 1)}", ("water", "trees"), numbers=numbers)
    assert labels_of(table) == {n: ["trees" if i % 2 else "water"] for i, n in enumerate(NAMES)}
    assert "the label '10' is read as the class 'water'" in table.notes
    # A class that is called so comes first.
    table = read(tmp_path, "file,label", lambda i: "10", ("water", "10"), numbers={"10": "water"})
    assert labels_of(table) == {name: ["10"] for name in NAMES}
    with pytest.raises(InputError, match="--classes FILE is a table with the columns value and name"):
        read(tmp_path, "file,label", lambda i: "10", ("water", "trees"))


def test_a_column_of_no_known_class_is_told(tmp_path):
    table = read(tmp_path, "file,a,b,rock", lambda i: f"{i % 2},1,{int(i == 3)}", ("a", "b"))
    assert any(
        "the column 'rock' of labels.csv holds 0 and 1, is none of the classes" in n for n in table.notes
    )


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_letters_are_composed_in_names_of_columns_classes_and_labels(tmp_path, form):
    name = unicodedata.normalize(form, "forêt")
    (tmp_path / "classes.txt").write_text(f"{name}\neau\n", encoding="utf-8")
    names = read_class_table(tmp_path / "classes.txt").names
    assert names == ("forêt", "eau")
    assert read(tmp_path, f"file,{name},eau", lambda i: f"{i % 2},{1 - i % 2}", names).class_names == names
    assert read(tmp_path, f"file,{name},eau", lambda i: f"{i % 2},{1 - i % 2}").class_names == names
    (tmp_path / "classes.txt").write_text(f"forêt\n{name}\neau\n", encoding="utf-8")
    with pytest.raises(InputError, match="holds the class 'forêt' twice"):
        read_class_table(tmp_path / "classes.txt")


def test_names_of_digits_that_are_no_numbers_are_names(tmp_path):
    assert read(tmp_path, "file,label", lambda i: "²³"[i % 2]).class_names == ("²", "³")


@pytest.mark.parametrize("cells", [("[true, false]", "[false, true]"), ("['0', '1']", "['1', '0']")])
def test_lists_of_signs_are_no_names(tmp_path, cells):
    with pytest.raises(InputError, match="are zeros and ones, no names"):
        read(tmp_path, "file,labels", lambda i: f'"{cells[i % 2]}"')


def test_lists_of_class_numbers_may_hold_zero_and_one(tmp_path):
    table = read(tmp_path, "file,labels", lambda i: '"[0, 1]"' if i % 2 else '"[0, 1, 3]"')
    assert table.class_names == ("0", "1", "3")


def parquet(tmp_path, labels, keys=NAMES):
    pq.write_table(pa.table({"file": keys, "labels": labels}), tmp_path / "labels.parquet")
    return read_label_table(tmp_path / "labels.parquet", None, files())


def test_texts_that_parquet_stores_as_bytes_are_texts(tmp_path):
    words = [WORDS[i % 2].encode() for i in range(len(NAMES))]
    assert parquet(tmp_path, words, [name.encode() for name in NAMES]).class_names == ("Wald", "Wasser")
    assert parquet(tmp_path, [[word] for word in words]).class_names == ("Wald", "Wasser")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        parquet(tmp_path, [b"\xff\xfe\xfa"] * len(NAMES))


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        (lambda i: i % 2, {"_type": "ClassLabel", "names": WORDS}),
        (lambda i: [i % 2], {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": WORDS}}),
    ],
)
def test_numbers_of_classes_that_parquet_names_are_read_by_name(tmp_path, values, feature):
    table = pa.table({"file": NAMES, "label": [values(i) for i in range(len(NAMES))]})
    noted = json.dumps({"info": {"features": {"label": feature}}})
    pq.write_table(table.replace_schema_metadata({"huggingface": noted}), tmp_path / "labels.parquet")
    found = labels_of(read_label_table(tmp_path / "labels.parquet", None, files()))
    assert found == {name: [WORDS[i % 2]] for i, name in enumerate(NAMES)}


def test_a_number_that_parquet_gives_no_name_is_refused(tmp_path):
    noted = json.dumps({"info": {"features": {"label": {"_type": "ClassLabel", "names": WORDS}}}})
    table = pa.table({"file": NAMES, "label": [-1] * len(NAMES)})
    pq.write_table(table.replace_schema_metadata({"huggingface": noted}), tmp_path / "labels.parquet")
    with pytest.raises(InputError, match="the class -1 is none of the 2 named ones"):
        read_label_table(tmp_path / "labels.parquet", None, files())


def test_records_in_cells_of_parquet_are_no_labels(tmp_path):
    with pytest.raises(InputError, match="holds objects"):
        parquet(tmp_path, [{"name": "water", "score": 0.9}] * len(NAMES))


def workbook(tmp_path, sheets, hidden=()):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if title in hidden else "visible"
    book.save(tmp_path / "labels.xlsx")
    return read_label_table(tmp_path / "labels.xlsx", None, files())


def test_the_first_sheet_that_is_not_hidden_is_read(tmp_path):
    header, old = ["file", "label"], [[name, "old"] for name in NAMES]
    new = [[name, WORDS[i % 2]] for i, name in enumerate(NAMES)]
    assert workbook(tmp_path, {"a": [header, *old], "b": [header, *new]}, hidden="a").class_names == (
        "Wald",
        "Wasser",
    )
    assert workbook(tmp_path, {"a": [header, *new], "notes": [["by"], ["me"]]}).class_names == (
        "Wald",
        "Wasser",
    )
    with pytest.raises(InputError, match="the sheets 'a' and 'b' have the same header"):
        workbook(tmp_path, {"a": [header, *new[:4]], "b": [header, *new[4:]]})


def test_names_of_files_with_other_blanks_are_told(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\nmy image 1,a\nmy image 2,b\n")
    with pytest.raises(InputError, match="differ from them in blanks, dashes or underscores"):
        read_label_table(path, None, files(["my_image_1", "my_image_2"]))


def test_the_prefix_of_files_uploaded_to_label_studio_is_known(tmp_path):
    path = tmp_path / "labels.csv"
    rows = [f"/data/upload/1/0a1b2c3d-{name}.png,{WORDS[i % 2]}" for i, name in enumerate(NAMES)]
    path.write_text("image,choice\n" + "\n".join(rows))
    found = files()
    table = read_label_table(path, None, found)
    assert table.class_names == ("Wald", "Wasser")
    assert set(found.match(table.keys, "labels.csv")) == set(NAMES)


@pytest.mark.parametrize("text", ["- sea\n- land\n", "'sea'\n'land'\n", '"sea"\n"land"\n'])
def test_lists_of_classes_in_yaml_or_python_are_refused(tmp_path, text):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(InputError, match="Write one name per line"):
        read_class_table(tmp_path / "classes.txt")


def test_a_column_that_pandas_renamed_is_no_class_of_its_own(tmp_path):
    header, row = "file,water,sand,water.1", (lambda i: f"{i % 2},{1 - i % 2},1")
    with pytest.raises(InputError, match=r"'water' and 'water\.1': pandas renames"):
        read(tmp_path, header, row)
    known = read(tmp_path, header, row, class_names=["water", "sand", "water.1"])
    assert known.class_names == ("water", "sand", "water.1")
