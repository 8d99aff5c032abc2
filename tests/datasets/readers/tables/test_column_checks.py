"""Columns of labels, or beside them, that may say something else than the labels are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.formats.annotations import annotation_table
from gridbench.datasets.readers.tables import TableOptions, read_label_table
from gridbench.errors import InputError

NAMES = "abcdefgh"
WORDS = ["water", "trees", "water", "sand", "water", "trees", "sand", "water"]
OTHERS = ["trees", "trees", "sand", "sand", "water", "water", "sand", "trees"]


def read(tmp_path, header, row, names=NAMES, suffix=".csv", **options):
    """Read a table with one row an image; `row` returns the cells behind the name, by the row's number."""
    path = tmp_path / f"labels{suffix}"
    lines = [header, *(f"{name}.png,{row(i)}" for i, name in enumerate(names))]
    path.write_text("\n".join(lines), encoding="utf-8")
    files = FileIndex({name: Path(f"images/{name}.png") for name in names})
    return read_label_table(path, None, files, TableOptions(**options))


@pytest.mark.parametrize(
    ("yes", "no"), [("ja", "nein"), ("WAHR", "FALSCH"), ("present", "absent"), ("+", "-"), ("x", "")]
)
@pytest.mark.parametrize("options", [{}, {"label_columns": ("water", "trees")}])
def test_words_for_yes_and_no_in_any_language_are_no_names(tmp_path, yes, no, options):
    instead = f"'{no}'" if no else "the empty cells"
    if not no and not options:
        instead = "empty cells"
    with pytest.raises(InputError) as refused:
        read(tmp_path, "file,water,trees", lambda i: f"{(no, yes)[i % 2]},{(no, yes)[i % 3 > 0]}", **options)
    assert f"Write 1 for '{yes}'" in str(refused.value)
    assert instead in str(refused.value)


def test_words_for_yes_and_no_in_one_column_are_two_classes(tmp_path):
    assert read(tmp_path, "file,label", lambda i: ("present", "absent")[i % 2]).class_names == (
        "absent",
        "present",
    )


def test_numbers_in_columns_of_classes_may_be_amounts(tmp_path):
    columns = ("water", "trees")
    with pytest.raises(InputError, match=r"'water' and 'trees' hold numbers.*--separator none"):
        read(tmp_path, "file,water,trees", lambda i: f"{10 * i},{100 - 10 * i}", label_columns=columns)
    table = read(
        tmp_path, "file,water,trees", lambda i: f"{10 + i},30", label_columns=columns, separator="none"
    )
    assert "30" in table.class_names
    numbered = read(tmp_path, "file,label1,label_2", lambda i: f"{i},9", label_columns=("label1", "label_2"))
    assert len(numbered.class_names) == 9


@pytest.mark.parametrize("column", ["label2", "label_2", "class_3"])
def test_more_labels_in_a_numbered_column_are_asked_about(tmp_path, column):
    def row(i):
        return f"{WORDS[i]},{'rock' if i == 2 else ''}"

    with pytest.raises(InputError, match=f"--label-columns label --label-columns {column}: "):
        read(tmp_path, f"file,label,{column}", row)
    both = read(tmp_path, f"file,label,{column}", row, label_columns=("label", column))
    assert both.labels.sum() == len(NAMES) + 1
    assert read(tmp_path, f"file,label,{column}", row, label_columns=("label",)).labels.sum() == len(NAMES)


def test_a_second_column_of_class_numbers_is_asked_about(tmp_path):
    with pytest.raises(InputError, match="'label' and 'noisy_label' hold the same words and differ in"):
        read(tmp_path, "file,label,noisy_label", lambda i: f"{i % 3},{(i + (i > 5)) % 3}")
    # A class above others follows from the labels.
    for header in ("file,label,coarse_label", "file,label,group_class_id"):
        assert len(read(tmp_path, header, lambda i: f"{i % 3},{i % 3 // 2}").class_names) == 3
    assert len(read(tmp_path, "file,label,fold", lambda i: f"{i % 3},{(i + (i > 5)) % 3}").class_names) == 3


@pytest.mark.parametrize(
    ("column", "good", "bad"), [("answer", "accept", "reject"), ("status", "approved", "Cancelled")]
)
def test_rows_that_an_annotator_rejected_are_refused(tmp_path, column, good, bad):
    def row(i):
        return f"{WORDS[i]},{bad if i < 3 else good}"

    with pytest.raises(InputError, match=f"the column '{column}' says '{bad.lower()}' in 3 rows"):
        read(tmp_path, f"file,label,{column}", row)
    assert len(read(tmp_path, f"file,label,{column}", row, label_columns=("label",)).keys) == len(NAMES)
    assert len(read(tmp_path, f"file,label,{column}", lambda i: f"{WORDS[i]},{good}").keys) == len(NAMES)


def test_answers_of_prodigy_in_json_lines_are_looked_at(tmp_path):
    rows = [
        {"image": f"{name}.png", "label": WORDS[i], "answer": "reject" if i else "accept"}
        for i, name in enumerate(NAMES)
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    files = FileIndex({name: Path(f"images/{name}.png") for name in NAMES})
    with pytest.raises(InputError, match="the column 'answer' says 'reject' in 7 rows"):
        annotation_table(path, None, files, TableOptions())


def test_counts_of_regions_beside_objects_are_no_classes(tmp_path):
    def row(i):
        return f'1,0,"{{""class"": ""{WORDS[i]}""}}"'

    with pytest.raises(
        InputError, match=r"region_count, region_id\) may be no classes, and 'region_attributes'"
    ):
        read(tmp_path, "filename,region_count,region_id,region_attributes", row, names=NAMES[:4])


def test_an_index_that_pandas_stores_is_no_class(tmp_path):
    table = read(tmp_path, "file,__index_level_0__,water,trees", lambda i: f"{i % 2},{i % 2},1")
    assert table.class_names == ("water", "trees")


@pytest.mark.parametrize("doubt", ["{}?", "{}*", "{}.", "*{}"])
def test_a_label_with_a_sign_of_doubt_is_no_class_of_its_own(tmp_path, doubt):
    with pytest.raises(InputError, match="differ in signs at their ends only"):
        read(tmp_path, "file,label", lambda i: doubt.format(WORDS[i]) if i == 2 else WORDS[i])


def test_letters_of_two_alphabets_in_a_word_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds Cyrillic letters beside Latin ones \('\\u0430'\)"):
        read(tmp_path, "file,label", lambda i: "w\u0430ter" if i == 2 else WORDS[i])
    names = ["\u0432\u043e\u0434\u0430", "\u0432\u043e\u0434\u0430 B2"]
    assert read(tmp_path, "file,label", lambda i: names[i % 2], separator="none").class_names == tuple(names)


def test_numbers_of_rows_without_a_heading_are_those_of_r(tmp_path):
    lines = ["file water trees", *(f"{i} {name}.png {i % 2} 1" for i, name in enumerate(NAMES, 1))]
    (tmp_path / "labels.txt").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"as R writes tables.*row\.names = FALSE"):
        read_label_table(tmp_path / "labels.txt")
