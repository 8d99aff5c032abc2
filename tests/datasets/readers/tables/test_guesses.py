"""Columns, cells and lines that look like one thing and may be another are refused, or used where that is certain."""

from __future__ import annotations

import itertools
from pathlib import Path

import openpyxl
import pytest

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.tables import TableOptions, read_label_table
from gridbench.datasets.readers.tables.class_table import read_class_table
from gridbench.errors import InputError

NAMES = "abcdef"
MANY = [f"t{i}" for i in range(60)]
SPLITS = ["train", "train", "train", "val", "test", "test"]


def read(tmp_path, header, row, names=NAMES, **options):
    """Read a table with one row an image; `row` returns the cells behind the name, by the row's number."""
    lines = [header, *(f"{name}.png,{row(i)}" for i, name in enumerate(names))]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    files = FileIndex({name: Path(f"images/{name}.png") for name in names})
    return read_label_table(path, None, files, TableOptions(**options))


@pytest.mark.parametrize("column", ["usage", "Ensemble", "Aufteilung", "part"])
def test_a_column_of_any_name_that_spells_the_splits_is_the_split(tmp_path, column):
    table = read(tmp_path, f"file,labels,{column}", lambda i: f"water,{SPLITS[i]}")
    assert table.columns["split"] == SPLITS
    assert any(f"{column} " in line and "split: train 3, val 1, test 2" in line for line in table.reading)


def test_a_split_in_another_language_is_refused_with_its_row(tmp_path):
    words = ["Training", "Training", "Validierung", "Test", "Test", "Training"]
    with pytest.raises(InputError, match=r"row 4, column 'Aufteilung' .*no split 'Validierung'"):
        read(tmp_path, "file,labels,Aufteilung", lambda i: f"water,{words[i]}")


@pytest.mark.parametrize(
    ("column", "one", "zero"),
    [("is_train", "train", "test"), ("is_test", "test", "train"), ("val", "val", "train")],
)
def test_a_flag_is_a_split_when_it_is_named(tmp_path, column, one, zero):
    table = read(tmp_path, f"file,labels,{column}", lambda i: f"water,{i % 2}", split_column=column)
    assert table.columns["split"] == [zero, one] * 3


@pytest.mark.parametrize(
    "column",
    [
        "weight",
        "confidence",
        "difficult",
        "n_labels",
        "has_clouds",
        "is_night",
        "test",
        "verified",
        "subset",
        "rater",
        "cloud_flag",
        "scene_id",
    ],
)
def test_a_column_of_0_and_1_that_may_be_no_class_is_refused(tmp_path, column):
    with pytest.raises(InputError, match=f"the column '{column}' may be a class or .* --label-columns sand$"):
        read(tmp_path, f"file,water,sand,{column}", lambda i: f"{i % 2},1,{i % 2}")
    table = read(
        tmp_path, f"file,water,sand,{column}", lambda i: f"{i % 2},1,1", label_columns=("water", "sand")
    )
    assert table.class_names == ("water", "sand")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"label_columns": ("file",)},
            r"--label-columns file: this column .* names the images, so it is not .* labels",
        ),
        ({"label_columns": ("labels", "file")}, "--label-columns file: .* names the images"),
        ({"key_column": "file", "label_columns": ("file",)}, "--label-columns file: .* names the images"),
        ({"split_column": "part", "label_columns": ("part",)}, "--label-columns part: .* gives the split"),
        (
            {"split_column": "file"},
            "--split-column file: .* names the images, so it is not the one that gives the split",
        ),
        ({"label_columns": ("labels", "labels")}, "names the column 'labels' twice"),
    ],
)
def test_a_column_has_one_role(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, "file,labels,part", lambda i: f"{'pq'[i % 2]},{SPLITS[i]}", **options)


@pytest.mark.parametrize("column", ["split", "set", "group"])
def test_a_column_that_is_said_to_hold_labels_is_neither_split_nor_group(tmp_path, column):
    table = read(tmp_path, f"file,water,{column}", lambda i: f"1,{i % 2}", label_columns=("water", column))
    assert table.class_names == ("water", column)
    assert table.columns == {}


def test_classes_that_all_begin_alike_are_classes(tmp_path):
    table = read(tmp_path, "file,has_water,has_sand", lambda i: f"{i % 2},1")
    assert table.class_names == ("has_water", "has_sand")


@pytest.mark.parametrize("column", ["date", "annotator", "comments", "country", "description"])
def test_a_text_that_says_something_else_is_no_list_of_labels(tmp_path, column):
    with pytest.raises(InputError, match="holds no labels"):
        read(tmp_path, f"file,{column}", lambda i: ["p", "q"][i % 2])
    table = read(tmp_path, f"file,{column}", lambda i: "pq"[i % 2], label_columns=(column,))
    assert table.class_names == ("p", "q")


def test_a_text_that_differs_in_every_row_is_no_list_of_labels(tmp_path):
    with pytest.raises(InputError, match="holds no labels"):
        read(tmp_path, "file,shot", lambda i: f"picture{i}")


@pytest.mark.parametrize("sign", ["+", "/", " & ", "\uff1b", "\u3001", " and "])
def test_several_labels_in_one_name_are_refused(tmp_path, sign):
    def row(i):
        return ["water", "sand", f"water{sign}sand"][i % 3]

    with pytest.raises(InputError, match=r"row 4, column 'label': .* may be one class or the"):
        read(tmp_path, "file,label", row)
    assert len(read(tmp_path, "file,label", row, separator="none").class_names) == 3


def test_labels_divided_in_two_ways_are_refused(tmp_path):
    def row(i):
        return ['"water,sand"', "water;trees", "sand"][i % 3]

    with pytest.raises(InputError, match="'water,sand' may be one class or the labels water, sand"):
        read(tmp_path, "file,labels", row)


@pytest.mark.parametrize("sign", [":", ".", "~", "`", "\u00b7", "->"])
def test_a_sign_between_parts_that_change_places_may_divide_labels(tmp_path, sign):
    def row(i):
        return [f"water{sign}sand", f"sand{sign}trees", f"trees{sign}water"][i % 3]

    with pytest.raises(InputError, match="may be one class or the labels"):
        read(tmp_path, "file,label", row)
    assert len(read(tmp_path, "file,label", row, separator="none").class_names) == 3


@pytest.mark.parametrize("sign", ["-", "_"])
def test_many_combinations_of_few_words_may_be_lists(tmp_path, sign):
    pairs = [sign.join(pair) for pair in itertools.combinations("abcdef", 2)]
    with pytest.raises(InputError, match="may be one class or the labels"):
        read(tmp_path, "file,label", lambda i: pairs[i % len(pairs)], MANY)


def test_names_that_share_words_are_one_class_each(tmp_path):
    names = [
        "open-pit mine",
        "broad-leaved forest",
        "non_irrigated arable land",
        "St. Lawrence",
        "water (deep)",
    ]
    names += ["sub-urban", "1.5-2m", "2-1.5m", "land_mixed", "forest_land"]
    table = read(tmp_path, "file,label", lambda i: names[i % len(names)], MANY)
    assert table.class_names == tuple(sorted(names))


def test_a_no_break_space_divides_as_a_blank_does(tmp_path):
    lists = [" ".join(each) for n in (1, 2, 3) for each in itertools.combinations("abcd", n)]
    read_with = {
        space: read(tmp_path, "file,labels", lambda i, s=space: lists[i % len(lists)].replace(" ", s), MANY)
        for space in (" ", "\u00a0", "\u3000")
    }
    assert {table.class_names for table in read_with.values()} == {("a", "b", "c", "d")}


def test_commas_left_in_lists_by_semicolons_are_refused(tmp_path):
    cells = ['"haze,primary"', '"primary,road;water"', '"clear,haze;water"']
    with pytest.raises(InputError, match="may be one class or the labels"):
        read(tmp_path, "file,labels", lambda i: cells[i % 3])


def test_parts_of_names_that_are_no_names_are_left_alone(tmp_path):
    table = read(tmp_path, "file,label", lambda i: ["shrub/scrub", "grass/pasture", "ice"][i % 3])
    assert table.class_names == ("grass/pasture", "ice", "shrub/scrub")


@pytest.mark.parametrize("word", ["-", "?", "--", "...", "nan", "N/A"])
def test_signs_for_no_label_are_no_class(tmp_path, word):
    with pytest.raises(InputError, match=r"row 3, column 'labels': .* is not a class"):
        read(tmp_path, "file,labels", lambda i: f"water;{word}" if i == 1 else "water")


@pytest.mark.parametrize("word", ["none", "NA", "nil", "undefined", "not sure", "TODO", "unknown", "n.a."])
def test_a_word_for_nothing_may_be_a_class_or_not(tmp_path, word):
    with pytest.raises(InputError, match=f"'{word}' may be a class"):
        read(tmp_path, "file,label", lambda i: ["water", word][i % 2])


@pytest.mark.parametrize("code", ["99", "255", "999"])
def test_a_number_far_beyond_the_others_may_say_that_there_is_no_label(tmp_path, code):
    with pytest.raises(InputError, match=f"row 3, .*{code} is far beyond the other numbers, up to 2"):
        read(tmp_path, "file,label", lambda i: code if i == 1 else str(i % 3))
    named = read(tmp_path, "file,label", lambda i: code if i == 1 else str(i % 3), separator="none")
    assert code in named.class_names


@pytest.mark.parametrize("codes", [("0", "255"), ("111", "211", "523"), ("0", "50", "99")])
def test_numbers_that_lie_close_or_are_few_are_classes(tmp_path, codes):
    assert read(tmp_path, "file,label", lambda i: codes[i % len(codes)]).class_names == codes


def test_names_that_differ_in_accents_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"'for\u00eat' and 'foret' .* differ in accents only"):
        read(tmp_path, "file,label", lambda i: ["foret", "for\u00eat"][i % 2])
    # In other scripts such marks make another letter.
    words = ("\u304b", "\u304c")
    assert read(tmp_path, "file,label", lambda i: words[i % 2]).class_names == words


@pytest.mark.parametrize("words", [("001", "1"), ("1", "01"), ("7", "7.0"), ("007", "+7")])
def test_a_number_in_two_spellings_is_refused(tmp_path, words):
    with pytest.raises(InputError, match=r"are the same number\. Write them alike"):
        read(tmp_path, "file,label", lambda i: words[i % 2], separator="none")
    with pytest.raises(InputError, match=r"groups of .* are the same number"):
        read(tmp_path, "file,labels,group", lambda i: f"water,{words[i % 2]}")


def test_numbers_with_zeros_before_them_stay_as_they_are(tmp_path):
    table = read(tmp_path, "file,label", lambda i: ["001", "010", "100"][i % 3])
    assert table.class_names == ("001", "010", "100")


@pytest.mark.parametrize("number", ["0.37", "-1.5", ".5", "1e-3", "2.50"])
def test_a_number_with_a_fraction_may_be_a_measurement(tmp_path, number):
    if number != "1e-3":
        with pytest.raises(InputError, match=f"'{number}' may be a class or a measurement"):
            read(tmp_path, "file,label", lambda i: [number, "2"][i % 2])
    table = read(tmp_path, "file,label", lambda i: [number, "2"][i % 2], separator="none")
    assert set(table.class_names) == {number, "2"}


@pytest.mark.parametrize("word", ["NaN", "none", "null", "NA", "N/A"])
def test_images_without_a_group_are_not_one_group(tmp_path, word):
    with pytest.raises(InputError, match=f"row 3, column 'group': '{word}' is not a group"):
        read(tmp_path, "file,labels,group", lambda i: f"water,{['g', word][i % 2]}")


def test_merged_cells_are_refused(tmp_path):
    book = openpyxl.Workbook()
    for row in [
        ("file", "label"),
        *((name, "water" if i in (0, 3) else None) for i, name in enumerate(NAMES)),
    ]:
        book.active.append(row)
    book.active.merge_cells("B2:B4")
    book.save(tmp_path / "labels.xlsx")
    with pytest.raises(InputError, match="the cells B2:B4 of the first sheet are merged"):
        read_label_table(tmp_path / "labels.xlsx")


@pytest.mark.parametrize("file", ["classes.csv", "values.csv"])
def test_two_columns_that_may_hold_the_values_are_refused_where_values_are_asked_for(tmp_path, file):
    (tmp_path / file).write_text("id,gray,name\n1,3,water\n2,1,sand\n")
    table = read_class_table(tmp_path / file)
    assert table.names == ("water", "sand")
    with pytest.raises(
        InputError, match="the columns 'id' and 'gray', which differ, and either may hold the values"
    ):
        table.require_values()
    (tmp_path / file).write_text("id,value,name\n1,3,water\n2,1,sand\n")
    assert read_class_table(tmp_path / file).require_values() == {3: 0, 1: 1}
    (tmp_path / file).write_text("id,code,name\n1,1,water\n2,2,sand\n")
    assert read_class_table(tmp_path / file).require_values() == {1: 0, 2: 1}


@pytest.mark.parametrize(
    "other", ["Water", "wa\u200bter", "\uff37ater", " water", "w\u00adater", "w\u3164ater"]
)
def test_names_that_look_alike_are_one_class_or_refused(tmp_path, other):
    def row(i):
        return ["water", other][i % 2]

    if other.strip() == "water":
        assert read(tmp_path, "file,labels", row).class_names == ("water",)
    else:
        with pytest.raises(InputError, match="differ in case or blanks only"):
            read(tmp_path, "file,labels", row)


def test_columns_and_groups_that_look_alike_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"columns of .* 'bare soil' and 'bare-soil' differ"):
        read(tmp_path, "file,bare soil,bare-soil", lambda i: f"{i % 2},1")
    with pytest.raises(InputError, match=r"groups of .* 'A' and 'a' differ"):
        read(tmp_path, "file,labels,group", lambda i: f"water,{'Aabb'[i % 4]}")


@pytest.mark.parametrize("quotes", ["\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u00ab\u00bb", "''"])
def test_quotes_around_a_name_are_no_part_of_it(tmp_path, quotes):
    table = read(tmp_path, "file,labels", lambda i: f"{quotes[0]}{['water', 'sand'][i % 2]}{quotes[1]}")
    assert table.class_names == ("sand", "water")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nwater\nsand\n", "begins with 'name', which looks like a header"),
        ("Classes\nwater\nsand\n", "begins with 'Classes'"),
        ("# of my survey\nwater\nsand\n", "looks like a comment"),
        ("water, sand, trees\n", "one line with commas"),
        (
            "name,r,g,b\nwater,0,0,255\nsand,255,255,0\n",
            "begins with 'name,r,g,b', which looks like a header",
        ),
        ("name,color\nwater,#0000FF\nsand,#FFFF00\n", "looks like a header"),
        ("value\tname\n0\twater\n1\tsand\n", "looks like a header"),
        (
            "INTERPOLATION:EXACT\n0,0,0,255,255,water\n1,255,255,0,255,sand\n",
            "as tables of several columns do",
        ),
        ("1 0 0 255 water\n2 255 255 0 sand\n", "as tables of several columns do"),
        ("| 0 | water |\n| 1 | sand |\n", "as tables of several columns do"),
    ],
)
def test_lines_that_would_shift_the_classes_are_refused(tmp_path, text, message):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_class_table(tmp_path / "classes.txt")


def test_commas_at_the_ends_of_lines_are_no_part_of_names(tmp_path):
    (tmp_path / "classes.txt").write_text("water,\nsand;\ntrees\n")
    assert read_class_table(tmp_path / "classes.txt").names == ("water", "sand", "trees")


@pytest.mark.parametrize("column", ["Unnamed: 0", "Unnamed: 0.1", "level_0", "index"])
def test_what_pandas_makes_of_an_index_is_no_class(tmp_path, column):
    table = read(tmp_path, f"file,water,sand,{column}", lambda i: f"{i % 2},1,{i % 2}")
    assert table.class_names == ("water", "sand")


@pytest.mark.parametrize(
    "column", ["ID", "Nr.", "no", "month", "none", "unlabelled", "Is Night", "isNight", "has-clouds"]
)
def test_a_column_of_0_and_1_that_numbers_or_describes_is_refused(tmp_path, column):
    with pytest.raises(InputError, match=f"the column '{column}' may be a class or .* --label-columns sand$"):
        read(tmp_path, f"file,water,sand,{column}", lambda i: f"{i % 2},1,{i % 2}")


@pytest.mark.parametrize("column", ["Is Test", "isTest", "is-test"])
def test_a_flag_is_a_split_however_its_words_are_joined(tmp_path, column):
    table = read(tmp_path, f"file,labels,{column}", lambda i: f"water,{i % 2}", split_column=column)
    assert table.columns["split"] == ["train", "test"] * 3
    table = read(tmp_path, f"file,labels,{column}", lambda i: f"water,{i % 2}")
    assert any(
        f"--split-column {column if ' ' not in column else repr(column)}" in line for line in table.reading
    )


@pytest.mark.parametrize("cells", [("x", ""), ("1st", ""), ("\u2713", "")])
def test_a_mark_in_a_column_of_one_class_is_no_name(tmp_path, cells):
    with pytest.raises(InputError, match=f"holds no labels.*'water' holds '{cells[0]}' and nothing"):
        read(tmp_path, "file,water", lambda i: cells[i % 2])


def test_a_second_column_with_the_same_words_in_other_rows_is_refused(tmp_path):
    words = ["water", "sand", "trees"]
    message = (
        "'label' and 'corrected' hold the same words and differ in 1 row.*--label-columns label; .*--clean-"
    )
    with pytest.raises(InputError, match=message):
        read(tmp_path, "file,label,corrected", lambda i: f"{words[i % 3]},{words[(i + (i == 4)) % 3]}")
    table = read(tmp_path, "file,label,corrected", lambda i: f"{words[i % 3]},sand", label_columns=("label",))
    assert table.class_names == ("sand", "trees", "water")
    read(tmp_path, "file,label,again", lambda i: f"{words[i % 3]},{words[i % 3]}")
    read(tmp_path, "file,label,fold", lambda i: f"{i % 3},{i % 2}")


def test_a_header_in_the_middle_of_a_table_is_refused(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\na,water\nb,sand\nc,sand\nfile,label\nd,water\n")
    with pytest.raises(InputError, match=r"labels\.csv, row 5, repeats the header"):
        read_label_table(path)


def test_the_user_is_told_of_a_column_that_may_give_the_split(tmp_path):
    words = ["Training", "Training", "Training", "PublicTest", "PrivateTest", "PrivateTest"]
    table = read(tmp_path, "file,labels,Usage", lambda i: f"water,{words[i]}")
    assert "split" not in table.columns
    assert table.notes == (
        "the column 'Usage' (Training, PublicTest, PrivateTest) may give the split and is not used: write train, val "
        "and test into it, or name it with --split-column",
    )
    assert read(tmp_path, "file,labels,mode", lambda i: f"water,{'train' if i else 'bus'}").notes == ()


@pytest.mark.parametrize("columns", ["noisy,truth", "annotator 1,annotator 2"])
def test_columns_of_the_same_words_are_not_proposed_together(tmp_path, columns):
    words = ["water", "sand", "trees", "sand", "water", "trees"]
    with pytest.raises(
        InputError, match=r"hold the same words.*--label-columns \S.* or --label-columns"
    ) as raised:
        read(tmp_path, f"file,{columns}", lambda i: f"{words[i]},{words[-i]}")
    assert "the labels of all" not in str(raised.value)


def test_a_name_in_two_encodings_is_refused(tmp_path):
    broken = "W\u00e4lder".encode().decode("cp1252")
    with pytest.raises(InputError, match="are one name in two encodings"):
        read(tmp_path, "file,label", lambda i: ["W\u00e4lder", broken, "Wiesen"][i % 3])
    with pytest.raises(InputError, match="are one name in two encodings"):
        read(tmp_path, f"file,W\u00e4lder,{broken}", lambda i: f"{i % 2},1")


@pytest.mark.parametrize(("header", "row"), [("file,label", "St\ufffdbe"), ("file,St\ufffdbe,sand", "1,0")])
def test_letters_that_were_lost_are_refused(tmp_path, header, row):
    with pytest.raises(InputError, match=r"ufffdbe' holds a character .* save the file as UTF-8"):
        read(tmp_path, header, lambda i: row)


def test_what_became_of_names_is_told(tmp_path):
    numbers = [f"12345678901{i}" for i in range(6)]
    files = FileIndex({name: Path(f"images/{name}.png") for name in numbers})
    path = tmp_path / "labels.csv"
    for cell, message in {
        "1.23457E+11": "1.23457E.11 is a rounded number, as spreadsheets write long ones",
        "'{}'": "differ from them in quotes around them",
    }.items():
        rows = "".join(f"{cell.format(name)},{'xy'[i % 2]}\n" for i, name in enumerate(numbers))
        path.write_text("file,label\n" + rows)
        with pytest.raises(InputError, match=message):
            read_label_table(path, None, files, TableOptions())


def test_an_empty_cell_of_the_split_is_called_so(tmp_path):
    with pytest.raises(InputError, match=r"row 4, column 'split' \(file c.png\) is empty: write train"):
        read(tmp_path, "file,label,split", lambda i: f"x,{'' if i == 2 else SPLITS[i]}")


@pytest.mark.parametrize("cell", ["", "NaN", "-1"])
def test_what_to_do_where_a_class_is_not_known_is_told(tmp_path, cell):
    with pytest.raises(InputError, match=r"neither 0 nor 1.* not known .*, take the row out"):
        read(tmp_path, "file,water,sand", lambda i: f"{cell if i == 2 else 1},{i % 2}")


@pytest.mark.parametrize("other", ["bare\u2013soil", "Bare\u2010Soil"])
def test_dashes_of_other_forms_are_dashes(tmp_path, other):
    with pytest.raises(InputError, match="differ in case, blanks or signs only"):
        read(tmp_path, "file,label", lambda i: ["bare-soil", other, "water"][i % 3])
    assert read_one(tmp_path, "Farmer\u2019s land", ("Farmer's land", "water")) == ("Farmer's land",)


def read_one(tmp_path, label, names):
    """Return the classes of one image whose label is known among these."""
    path = tmp_path / "one.csv"
    path.write_text(f"file,label\na.png,{label}\n", encoding="utf-8")
    table = read_label_table(path, names, FileIndex({"a": Path("a.png")}), TableOptions())
    return tuple(name for name, on in zip(table.class_names, table.labels[0], strict=True) if on)


def test_greek_letters_that_look_like_latin_ones_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds Greek letters beside Latin ones"):
        read(tmp_path, "file,label", lambda i: ["Ocean", "\u039fcean"][i % 2])
    table = read(tmp_path, "file,label", lambda i: ["10\u03bcm", "\u03b1rea"][i % 2])
    assert len(table.class_names) == 2


def test_a_column_of_labels_is_proposed_before_columns_of_small_numbers(tmp_path):
    with pytest.raises(
        InputError, match=r"Name the column of labels: --label-columns label, or --label-columns tile$"
    ):
        read(tmp_path, "file,label,tile,scene_id", lambda i: f"{'xyz'[i % 3]},{i // 2},{i // 3}")
