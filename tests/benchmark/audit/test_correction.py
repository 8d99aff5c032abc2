"""Decisions become corrected labels; what cannot be read is refused with what and where."""

import json

import numpy as np
import pytest

from gridbench.audit.correction import changes_of, correct, read_decisions, replacement
from gridbench.audit.ranking import rank_labels
from gridbench.errors import InputError

NAMES, CLASSES = ["a", "b, c"], ["water", "field"]
GIVEN = np.array([[1, 0], [1, 1]])


def test_changes_turn_labels_over_and_leave_the_original():
    labels = np.array([[1, 0], [0, 1]], dtype=np.uint8)
    corrected = correct(labels, [(0, 0), (1, 0)])
    assert corrected.tolist() == [[0, 0], [1, 1]]
    assert labels.tolist() == [[1, 0], [0, 1]]
    assert correct(corrected, [(0, 0), (1, 0)]).tolist() == labels.tolist()
    assert correct(labels, []).tolist() == labels.tolist()


def test_the_first_of_a_ranking_are_changes():
    ranked = rank_labels(np.array([[1, 0]]), np.array([[0.2, 0.7]]))
    assert changes_of(ranked.first(1)) == [(0, 1)]


def test_what_to_put_instead_of_a_label():
    given, seen = np.array([1, 0, 0, 0]), np.array([0.1, 0.6, 0.9, 0.4])
    assert replacement(given, seen, 0, wrong=True) == [2, 1]
    assert replacement(given, np.zeros(4), 0, wrong=True) == []
    assert replacement(given, seen, 3, wrong=False) == [3]


def test_decisions_from_both_kinds_of_file(tmp_path):
    expected = {(0, 1): "accept", (1, 0): "reject"}
    table = tmp_path / "decisions.csv"
    table.write_text(
        'sample,label,decision,kind\na,field,accept,missing\n"b, c",water,reject,\n', encoding="utf-8-sig"
    )
    assert read_decisions(table, NAMES, CLASSES, GIVEN) == expected
    rows = [
        {"sample": "a", "label": "field", "decision": "accept"},
        {"sample": "b, c", "label": "water", "decision": "reject"},
    ]
    document = tmp_path / "decisions.json"
    document.write_text(json.dumps({"decisions": rows}))
    assert read_decisions(document, NAMES, CLASSES, GIVEN) == expected


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (
            "sample;label;decision;kind\r\na;field;accept;missing\r\nb, c;water;reject;wrong\r\n;;;\r\n",
            "utf-8-sig",
        ),
        ("sample\tlabel\tdecision\tkind\r\na\tfield\taccept\t\r\nb, c\twater\treject\t\r\n", "utf-16"),
        ('sample,label,decision,note\r\na,field,accept,x\r\n"b, c",water,reject,"y;z"\r\n,,,\r\n', "utf-8"),
    ],
    ids=["semicolons", "tabs", "commas"],
)
def test_decisions_that_a_spreadsheet_saved_again(tmp_path, text, encoding):
    path = tmp_path / "decisions.csv"
    path.write_bytes(text.encode(encoding))
    assert read_decisions(path, NAMES, CLASSES, GIVEN) == {(0, 1): "accept", (1, 0): "reject"}


def test_another_class_in_the_place_of_a_single_label_is_another_audit(tmp_path):
    path, classes, given = tmp_path / "d.csv", ["water", "field", "rock"], np.array([[1, 0, 0], [0, 1, 0]])
    head = "sample,label,decision,kind,becomes\n"

    def read(rows):
        path.write_text(head + rows)
        return read_decisions(path, NAMES, classes, given, lambda i, label: [2])

    accepted = {(0, 0): "accept"}
    assert read("a,water,accept,wrong,rock\n") == accepted
    assert read("a,water,accept,wrong,\n") == accepted
    assert read("a,water,reject,wrong,field\n") == {(0, 0): "reject"}
    with pytest.raises(InputError, match="should become 'field', but in this audit 'rock'"):
        read("a,water,accept,wrong,field\n")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("d.csv", "sample,label,decision\nz,field,accept\n", "no image 'z'"),
        ("d.csv", "sample,label,decision\na,feld,accept\n", "no class 'feld'.*'field'"),
        ("d.csv", "sample,label,decision\na,field,maybe\n", "'maybe' must be accept, reject or unsure"),
        ("d.csv", "sample,label\na,field\n", "lacks the columns"),
        (
            "d.csv",
            "sample,label,decision,decision\na,field,accept,reject\n",
            "two columns are called 'decision'",
        ),
        ("d.json", "[1]", "lacks the columns"),
        ("d.csv", "sample,label,decision\na\n", "no class 'None'"),
        (
            "d.csv",
            "sample,label,decision\na,field,accept\na,field,reject\n",
            "two decisions, accept and reject",
        ),
        (
            "d.csv",
            "sample,label,decision,kind\na,field,accept,wrong\n",
            "not given, so it can only be missing",
        ),
        ("d.csv", "sample,label,decision,kind\na,water,reject,no\n", "is given, so it can only be wrong"),
        ("d.json", "[", "cannot be read"),
        ("d.json", '{"decisions": 3}', "lacks the columns"),
        ("d.json", "[" * 100_000, "cannot be read"),
    ],
)
def test_decisions_that_cannot_be_used(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_decisions(tmp_path / name, NAMES, CLASSES, GIVEN)


def test_decisions_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_decisions(tmp_path / "none.csv", NAMES, CLASSES, GIVEN)


def test_decisions_in_another_encoding_are_told_how_to_save(tmp_path):
    (tmp_path / "d.csv").write_bytes("sample,label,decision\nü,field,accept\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"d\.csv is not UTF-8 text .* \(in Excel: CSV UTF-8\)\.$"):
        read_decisions(tmp_path / "d.csv", NAMES, CLASSES, GIVEN)
