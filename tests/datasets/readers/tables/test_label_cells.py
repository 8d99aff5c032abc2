"""Cells that list labels in the spellings of JSON and Python, and cells that say more than names."""

from __future__ import annotations

import json

import pytest

from gridbench.datasets.readers.tables.label_cells import divide_cells
from gridbench.errors import InputError


def divided(*cells, header="labels", **options):
    return divide_cells(cells, lambda row: f"row {row + 2}", header, **options).names


@pytest.mark.parametrize(
    "name", ["blé", "Äcker", "水", "bob's field", 'the "old" road', "a\\b", "Beaches, dunes"]
)
@pytest.mark.parametrize(
    "write", [json.dumps, str, ascii, lambda names: json.dumps(names, ensure_ascii=False)]
)
def test_lists_in_json_and_python_hold_any_name(name, write):
    assert divided(write([name, "sand"]), write(["sand"])) == [[name, "sand"], ["sand"]]


@pytest.mark.parametrize("cell", [r'["a\u0000"]', r'["a\ud800b"]', r"['a\x07']"])
def test_characters_that_no_name_has_are_refused(cell):
    with pytest.raises(InputError, match=r"row 2.*holds a character that no name has"):
        divided(cell, '["sand"]')


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["water:0.9;sand:0.4", "water:0.7"], "row 2: 'water:0.9' may be the class 'water' with a number"),
        (["water:1;sand:0", "sand:1"], "'water:1' may be the class 'water'.*--separator semicolon"),
        (["water=80%", "sand"], "'water=80%' may be the class 'water'"),
        (["sand", "2024-03-01"], "row 3: '2024-03-01' is a date, which spreadsheets make"),
        (["0110", "1000", "0011"], "row 2: '0110' may be a class, or a sign for each of 4 classes"),
        (["water+sand", "water", "trees"], r"'water\+sand' may be one class or the labels water, sand"),
        (["water;sand", "water,trees"], "'water,trees' may be one class or the labels water, trees"),
        (["forest/shrub", "forest"], "'forest/shrub' may be one class"),
        (["01/02/2024", "sand"], "'01/02/2024' is a date"),
        (["water#sand", "water", "sand"], "'water#sand' may be one class or the labels water, sand"),
        (
            ["array(['a', 'b'], dtype=object)", "array(['a'], dtype=object)"],
            "row 2: .* is a list as Python prints it",
        ),
        (["frozenset({'a'})", "frozenset({'b'})"], "row 2: .* is a list as Python prints it"),
        (
            ["sea (a; b); c", "c; d"],
            "'sea \\(a' and 'b\\)' are halves of what stands in brackets",
        ),
        (["0,5", "1,0", "1"], "'0,5' may be two classes or a number with a decimal comma.*--separator comma"),
        (["1.2.2024", "sand"], "'1.2.2024' is a date"),
        (["2024/01/02", "sand"], "'2024/01/02' is a date"),
        (["3-Mar", "sand"], "'3-Mar' is a date"),
        (["Mar-24", "sand"], "'Mar-24' is a date"),
        (["12 March", "sand"], "'12 March' may be one class or the 2 classes"),
        (["12-March-2024", "sand"], "'12-March-2024' is a date"),
        (["wa\x1bter", "water"], r"row 2: 'wa\\x1bter' holds a character that no name has"),
        (["wa\x0bter", "water"], "holds a character that no name has"),
        (['{"bbox": [1]}', "water"], "holds objects, and labels are names"),
        (["soil &amp; rock", "water"], "row 2: 'soil &amp; rock' holds &amp;, by which HTML writes '&'"),
        (["d&#39;eau", "water"], "holds &#39;, by which HTML writes"),
    ],
)
def test_cells_that_may_say_more_than_names_are_refused(cells, message):
    with pytest.raises(InputError, match=message):
        divided(*cells)


@pytest.mark.parametrize(
    "cells",
    [
        ["water:0.9", "sand"],
        ["2024-03-01", "sand"],
        ["0110", "1000", "0011"],
        ["water+sand", "water"],
        ["a &amp; b", "b"],
    ],
)
def test_separator_none_and_a_list_of_classes_say_that_they_are_names(cells):
    expected = [[cell] for cell in cells]
    assert divided(*cells, separator="none") == expected
    assert divided(*cells, class_names=sorted(set(cells))) == expected


@pytest.mark.parametrize(
    "cells",
    [
        ["001", "002", "010"],
        ["0", "1", "1"],
        ["00", "01", "11"],
        ["forest/shrub", "water"],
        ["A-1", "B-2"],
        ["1-marsh", "2-decades"],
        ["1.1.12", "2.3.1"],
        ["7/8/x", "May"],
        ["soil & rock", "R&D"],
    ],
)
def test_plain_names_are_left_alone(cells):
    assert divided(*cells, header="label") == [[cell] for cell in cells]


def test_lists_of_numbers_by_commas_are_lists_where_one_is_longer_or_it_is_said():
    assert divided("0,5", "5,0,1", "1,0") == [["0", "5"], ["5", "0", "1"], ["1", "0"]]
    assert divided("0,5", "1,0", separator="comma") == [["0", "5"], ["1", "0"]]


NUMBERS = {"class_names": ["water", "trees"], "numbers": {"1": "water", "2": "trees"}}


def test_numbers_of_classes_may_be_written_as_pandas_writes_them_beside_empty_cells():
    assert divided("1.0", "2.0", "", **NUMBERS) == [["water"], ["trees"], []]
    assert divided("01;2", **NUMBERS) == [["water", "trees"]]
