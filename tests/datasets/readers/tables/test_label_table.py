"""Tables of labels as people have them: each is read as it was meant, or refused with the place and the remedy."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.tables import TableOptions, read_label_table
from gridbench.errors import InputError

NAMES = [f"t{i}" for i in range(8)]
TAGS = [
    "haze primary",
    "agri clear primary water",
    "clear primary",
    "clear primary",
    "agri clear home primary road",
]
TAGS += ["haze primary water", "cloudy", "clear primary road"]
CLASSES = ("agri", "clear", "cloudy", "haze", "home", "primary", "road", "water")
TRUTH = {name: set(tags.split()) for name, tags in zip(NAMES, TAGS, strict=True)}


def index(names=NAMES, ending=".png"):
    return FileIndex({name: Path("images") / f"{name}{ending}" for name in names})


def read(tmp_path, text, options=None, classes=None, names=NAMES, file="labels.csv"):
    path = tmp_path / file
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_label_table(path, classes, index(names), TableOptions(**(options or {})))


def labels_of(table):
    names = np.array(table.class_names)
    keys = [Path(key).stem for key in table.keys]
    return {key: set(names[row == 1].tolist()) for key, row in zip(keys, table.labels, strict=True)}


def lines(header, write, divider=","):
    return "\n".join([header, *(f"{n}{divider}{write(t)}" for n, t in zip(NAMES, TAGS, strict=True))])


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


# Lists of labels in one cell


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (lines("file,tags", lambda t: t.replace(" ", ";")), {}),
        (lines("file,tags", lambda t: t.replace(" ", " | ")), {}),
        (lines("file,tags", lambda t: quoted(t.replace(" ", ", "))), {}),
        (lines("file;tags", lambda t: t.replace(" ", ","), ";"), {}),
        (lines("file\ttags", lambda t: t.replace(" ", ","), "\t"), {}),
        (lines("file|tags", lambda t: t.replace(" ", ";"), "|"), {}),
        (lines("file, tags", lambda t: f' "{t.replace(" ", ";")}"'), {}),
        (lines("file,tags", lambda t: quoted(str(t.split()))), {}),
        (lines("file,tags", lambda t: quoted(json.dumps(t.split()))), {}),
        (lines("file,tags", lambda t: quoted(str(np.array(t.split())))), {}),
        (lines("file,tags", lambda t: quoted("[" + t.replace(" ", ", ") + "]")), {}),
        (lines("file,tags", lambda t: quoted("{" + t.replace(" ", ", ") + "}")), {}),
        (lines("file,tags", lambda t: quoted(str(tuple(t.split())))), {}),
        (lines("file,tags", lambda t: t), {"separator": "blank"}),
        ("sep=;\n" + lines("file;tags", lambda t: t.replace(" ", ","), ";"), {}),
        (lines("file,tags", lambda t: t.replace(" ", ";")).replace("\n", "\r\n").encode("utf-8-sig"), {}),
        (lines("file,tags", lambda t: t.replace(" ", ";")).encode("utf-16"), {}),
        (lines("file,tags,", lambda t: t.replace(" ", ";") + ","), {}),
        (lines("file,tags", lambda t: t.replace(" ", ";") + ";"), {}),
    ],
)
def test_lists_of_labels_are_divided(tmp_path, text, options):
    table = read(tmp_path, text, options)
    assert table.class_names == CLASSES
    assert labels_of(table) == TRUTH


@pytest.mark.parametrize(
    "write", [str, lambda t: quoted(t.replace(" ", ",")), lambda t: t.title().replace(" ", ";")]
)
def test_known_classes_decide_what_divides_and_how_names_are_spelt(tmp_path, write):
    assert labels_of(read(tmp_path, lines("file,labels", write), classes=CLASSES)) == TRUTH


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["dense residential", "sparse residential", "park"],
            "one class or the 2 classes .*--separator none",
        ),
        (['"forest, wet"', '"forest, dry"', "sea"], "one class or the 2 classes .*--separator comma"),
        (['"a,b"', '"a,b"', '"a,b"'], "--separator none or --separator comma"),
        (["a;b", "a|c", "b"], "--separator semicolon or --separator bar"),
        (["a;b", "['a']", "b"], "row 2, column 'labels'.*not a list in brackets"),
        (['"a\nb"', "b", "a"], "row 2, column 'labels'.*line break"),
        (["1 0 1", "0 1 0", "1 1 1"], "zeros and ones"),
        (["a;b", "nan", "b"], "row 3, column 'labels'.*'nan' is not a class"),
        (["a;b;a", "b", "b"], "'a' is there twice"),
        (["Water", "water ;b", "b"], "differ in case or blanks only"),
        (["bare_rock", "bare rock;b", "b"], "differ in case or blanks only"),
        (['"[a b]"', '"[b]"', '"[a]"'], "may be one label or several"),
    ],
)
def test_cells_with_two_readings_or_none_are_refused(tmp_path, cells, message):
    text = "file,labels\n" + "\n".join(f"t{i},{cell}" for i, cell in enumerate(cells))
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_names_with_blanks_in_a_column_of_one_class_are_names(tmp_path):
    table = read(tmp_path, "file,class\nt0,River bank\nt1,Annual Crop\nt2,River bank\n")
    assert table.class_names == ("Annual Crop", "River bank")
    table = read(tmp_path, "file,class\nt0,dense residential\nt1,sparse residential\n", {"separator": "none"})
    assert table.class_names == ("dense residential", "sparse residential")


def test_names_with_commas_are_not_taken_apart(tmp_path):
    names = ("Beaches, dunes, sands", "Pastures", "Sea")
    text = (
        'file,labels\nt0,"Beaches, dunes, sands, Pastures"\nt1,"Pastures, Sea"\nt2,Sea\nt3,"Sea, Pastures"\n'
    )
    with pytest.raises(InputError, match="--separator"):
        read(tmp_path, text)
    listed = read(tmp_path, 'file,labels\nt0,"Beaches, dunes, sands;Pastures"\nt1,Pastures; Sea\n')
    assert listed.class_names == names


# The column of file names


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (",img,labels", lambda i, n: f"{i},{n}.png"),
        ("id,image_id,labels", lambda i, n: f"{i},{n}.png"),
        ("Unnamed: 0,filepath,labels", lambda i, n: f"{i},/data/images/{n}.png"),
        ("idx,img_path,labels", lambda i, n: f"{i},images\\{n}.png"),
        ("index,photo,labels", lambda i, n: f"{i + 1},{n}"),
        ("fold,scene_id,labels", lambda i, n: f"{i % 4},{n}.png"),
        ("mask,picture,labels", lambda i, n: f"masks/{n}_mask.png,./images/{n}.png"),
        ("split,name,labels", lambda i, n: f"train,{n}"),
    ],
)
def test_the_key_is_the_column_whose_cells_name_the_files(tmp_path, header, row):
    names = [str(i) for i in range(8)]
    order = names[::-1]
    text = "\n".join([header, *(f"{row(i, n)},{'ab'[int(n) % 2]}" for i, n in enumerate(order))])
    path = tmp_path / "labels.csv"
    path.write_text(text)
    files = FileIndex({n: Path("/data/images") / f"{n}.png" for n in names})
    table = read_label_table(path, None, files)
    found = files.match(table.keys, "labels.csv")
    assert {n: table.class_names[int(table.labels[found[n]].argmax())] for n in names} == {
        n: "ab"[int(n) % 2] for n in names
    }


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("old,new,label\nt0,t1,a\nt1,t0,b\n", {}, "'old' and 'new'.*disagree.*--key-column old"),
        ("file,label\nx0,a\nx1,b\n", {}, "No column .* names the images.*t0, t1, t2"),
        ("file,label\nt0,a\n,b\n", {}, "row 3, column 'file' is empty"),
        ("file,label\nt0,a\nt0,b\n", {}, "names the file t0 twice, in rows 2 and 3"),
        (
            "file,label\nt0,a\n",
            {"key_column": "fille"},
            "--key-column.*no column 'fille'. Did you mean 'file'",
        ),
        ("t0,1,0\nt1,0,1\nt2,1,0\n", {}, "not like a header"),
        ("t0,water\nt1,sea\n", {}, "not like a header"),
        ("missing.png,water\nt1,sea\n", {}, "not like a header"),
        ("file,label\nt0,a,b\nt1,b\n", {}, "row 2, has 3 cells where the header has 2"),
        ("file,water,sea\nt0,1,0\nt1,0\n", {}, "row 3, has 2 cells where the header has 3"),
        ("file,label\n", {}, "is empty"),
        ("my labels,\nfile,labels\nt0,a\nt1,b\n", {}, "looks like a title"),
        ("file,\nt0,a\nt1,b\n", {}, "a column without a name"),
        ("", {}, "is empty"),
        ("file,a,A\nt0,1,0\n", {}, "two columns are called 'a'"),
        ("file,label\nt0,\udce4\n".encode("latin-1", "surrogateescape"), {}, "not UTF-8"),
    ],
)
def test_tables_that_cannot_be_understood_are_refused(tmp_path, text, options, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, options)


def test_an_option_decides_between_two_keys(tmp_path):
    table = read(tmp_path, "old,new,label\nt0,t1,a\nt1,t0,b\n", {"key_column": "new"})
    assert table.keys == ["t1", "t0"]


# A column for each class


@pytest.mark.parametrize("yes", ["1", "1.0", "1.00", "true", "TRUE", "yes", "Y"])
def test_words_for_yes_and_no_are_read(tmp_path, yes):
    no = {"1": "0", "1.0": "0.0", "1.00": "0.00", "true": "false", "TRUE": "FALSE", "yes": "no", "Y": "N"}[
        yes
    ]
    table = read(tmp_path, f"file,water,sand\nt0,{yes},{no}\nt1,{no},{yes}\nt2,{yes},{yes}\n")
    assert labels_of(table) == {"t0": {"water"}, "t1": {"sand"}, "t2": {"water", "sand"}}


@pytest.mark.parametrize("odd", ["nan", "-1", "2", "0.5", "?", "", "x", "NA", "unknown"])
def test_one_bad_cell_is_named_by_row_and_column(tmp_path, odd):
    rows = [f"t{i},{odd if i == 3 else i % 2},{(i + 1) % 2}" for i in range(8)]
    with pytest.raises(InputError, match=r"row 5, column 'water'.*neither 0 nor 1"):
        read(tmp_path, "file,water,sand\n" + "\n".join(rows))


@pytest.mark.parametrize("extra", ["is_valid", "fold", "kfold", "index", "is_test"])
def test_columns_that_are_no_classes_are_reported(tmp_path, extra):
    rows = [f"t{i},{i % 2},{(i + 1) % 2},{int(i < 3)}" for i in range(8)]
    table = read(tmp_path, f"file,water,sand,{extra}\n" + "\n".join(rows))
    assert table.class_names == ("water", "sand")
    assert any(
        line.split()[:3] == [extra, "not", "used"] for line in (x.replace(";", "") for x in table.reading)
    )


def test_a_column_of_numbers_and_a_column_of_text_are_reported(tmp_path):
    rows = [f"t{i},{i % 2},{(i + 1) % 2},{47.1 + i},seen by A" for i in range(8)]
    table = read(tmp_path, "file,water,sand,lat,remark\n" + "\n".join(rows))
    assert table.class_names == ("water", "sand")
    assert sum("not used" in line for line in table.reading) == 2


def test_a_single_column_of_0_and_1_called_label_has_two_classes(tmp_path):
    table = read(tmp_path, "file,label\n" + "\n".join(f"t{i},{i % 2}" for i in range(8)))
    assert table.class_names == ("0", "1")
    assert table.labels.sum() == 8
    with pytest.raises(InputError, match="images with 0 would have no label"):
        read(tmp_path, "file,damaged\n" + "\n".join(f"t{i},{i % 2}" for i in range(8)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,labels,water,sand\nt0,a,1,0\nt1,b,0,1\n", "--label-columns labels"),
        ("file,label,category\nt0,a,x\nt1,b,x\nt2,a,y\n", "'label' and 'category'"),
        ("file,plane,ship,train\nt0,1,0,1\nt1,0,1,0\n", "'train' may be a class or a split"),
        ("file,lat,lon\nt0,3.5,4.5\nt1,3.6,4.6\n", "holds no labels"),
    ],
)
def test_two_places_for_labels_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_label_columns_are_chosen_and_numbers_beside_names_say_the_same(tmp_path):
    text = "file,plane,ship,train\nt0,1,0,1\nt1,0,1,0\n"
    assert read(tmp_path, text, {"label_columns": ("plane", "train")}).class_names == ("plane", "train")
    table = read(tmp_path, "file,label,label_name\nt0,3,sea\nt1,7,ice\nt2,3,sea\n")
    assert table.class_names == ("ice", "sea")


# Split and group


@pytest.mark.parametrize("column", ["split", "subset", "phase", "set", "Split", "partition"])
def test_the_split_is_found_under_its_names(tmp_path, column):
    rows = ["t0,a,Train", "t1,b,valid", "t2,a,TEST"]
    assert read(tmp_path, "\n".join([f"file,label,{column}", *rows])).columns["split"] == [
        "train",
        "val",
        "test",
    ]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("file,label,split\nt0,a,train\nt1,b,\n", {}, r"row 3, column 'split' \(file t1\)"),
        ("file,label,split\nt0,a,train\nt1,b,tset\n", {}, r"row 3.*'tset'"),
        ("file,label,split,subset\nt0,a,train,test\nt1,b,test,test\n", {}, "disagree.*--split-column"),
        ("file,label,group\nt0,a,1\nt1,b,\n", {}, "row 3, column 'group' is empty"),
        ("file,label,fold\nt0,a,1\nt1,b,2\n", {"split_column": "fold"}, "row 2.*no split '1'"),
    ],
)
def test_bad_splits_and_groups_are_named_by_row(tmp_path, text, options, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, options)


def test_is_valid_is_a_split_when_it_is_named(tmp_path):
    text = "file,label,is_valid\nt0,a,True\nt1,b,False\n"
    assert read(tmp_path, text).columns == {}
    assert read(tmp_path, text, {"split_column": "is_valid"}).columns["split"] == ["val", "train"]


# Other kinds of files


def test_formulas_that_were_never_computed_are_refused(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["file", "water", "sand"], ["t0", 1, 0], ["t1", 0, "=1-B3"]):
        book.active.append(row)
    book.save(tmp_path / "labels.xlsx")
    with pytest.raises(InputError, match=r"the cell C3 holds the formula =1-B3"):
        read_label_table(tmp_path / "labels.xlsx", None, index())


def test_workbooks_and_parquet_are_read(tmp_path):
    import openpyxl
    import pyarrow as pa
    import pyarrow.parquet as pq

    book = openpyxl.Workbook()
    for row in (["file", "water", "sand"], ["t0", 1.0, False], ["t1", 0, True]):
        book.active.append(row)
    book.save(tmp_path / "labels.xlsx")
    assert labels_of(read_label_table(tmp_path / "labels.xlsx", None, index())) == {
        "t0": {"water"},
        "t1": {"sand"},
    }
    rows = [{"file": "t0", "labels": ["a", "b"]}, {"file": "t1", "labels": ["b"]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "labels.parquet")
    assert labels_of(read_label_table(tmp_path / "labels.parquet", None, index())) == {
        "t0": {"a", "b"},
        "t1": {"b"},
    }


def test_hidden_rows_of_a_sheet_are_told(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["file", "labels"], *([f"t{i}", "ab"[i % 2]] for i in range(3))):
        book.active.append(row)
    book.save(tmp_path / "all.xlsx")
    book.active.row_dimensions[3].hidden = True
    book.save(tmp_path / "filtered.xlsx")
    plain, filtered = (
        read_label_table(tmp_path / f"{name}.xlsx", None, index()) for name in ("all", "filtered")
    )
    assert labels_of(plain) == labels_of(filtered)
    assert "hidden" not in plain.reading[0]
    assert "(1 hidden row, which is read, too)" in filtered.reading[0]


@pytest.mark.parametrize("size", ["A1", "A1:B2", "A1:A9", "B2:C3", "A1:ZZ3", None])
def test_the_size_that_a_sheet_declares_may_be_wrong(tmp_path, size):
    import openpyxl

    book = openpyxl.Workbook()
    for row in (
        ["file", "labels", "split"],
        ["t0", "a", "train"],
        ["t1", None, "train"],
        ["t2", "b", "test"],
    ):
        book.active.append(row)
    book.save(tmp_path / "right.xlsx")
    declared = b"" if size is None else f'<dimension ref="{size}"/>'.encode()
    with (
        zipfile.ZipFile(tmp_path / "right.xlsx") as right,
        zipfile.ZipFile(tmp_path / "l.xlsx", "w") as wrong,
    ):
        for name in right.namelist():
            wrong.writestr(name, re.sub(rb'<dimension ref="A1:C4" ?/>', declared, right.read(name)))
    table = read_label_table(tmp_path / "l.xlsx", None, index())
    assert labels_of(table) == {"t0": {"a"}, "t1": set(), "t2": {"b"}}
    assert table.columns["split"] == ["train", "train", "test"]


def test_rows_of_a_sheet_without_a_size_may_be_short(tmp_path):
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (["file", "split", "labels"], ["t0", "train", "a"], ["t1", "test"]):
        sheet.append(row)
    book.save(tmp_path / "l.xlsx")
    assert labels_of(read_label_table(tmp_path / "l.xlsx", None, index())) == {"t0": {"a"}, "t1": set()}


def test_names_are_the_same_in_both_unicode_forms(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\ne\u0301t\u00e9.png,a\n", encoding="utf-8")
    files = FileIndex({"\u00e9t\u00e9": Path("\u00e9te\u0301.png")})
    assert files.match(read_label_table(path, None, files).keys, "labels.csv") == {"\u00e9t\u00e9": 0}
