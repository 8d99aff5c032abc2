"""Selections in tables: the chosen rows say so, and the other tries can be hidden."""

import json

import pytest

from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.records.selections import only_chosen, read_selections, say_chosen
from gridbench.leaderboard.tables.table import tables_of


@pytest.fixture
def tuned(runs, write_run):
    """Three tries of GRID over two rates, of which the second was chosen, and plain BCE."""
    cells = {}
    for value in (10.0, 20.0, 30.0):
        for slnir in ("0", "30"):
            folder = write_run(runs, method="grid", slnir=slnir, parameters={"lambda": value})
            cells.setdefault(value, []).append(json.loads((folder / "config.json").read_text())["cell"])
    write_run(runs, method="bce")
    document = {
        "schema": 1, "dataset": "bluemarble", "method": "grid", "loss": "bce", "parameters": ["lambda"],
        "metric": "validation/ndcg@20", "slnir": ["0", "30"], "seeds": [0], "chosen": {"lambda": 20.0},
        "chosen_cells": cells[20.0], "trials": [{"cells": own} for own in cells.values()],
    }  # fmt: skip
    (runs / "selections").mkdir()
    (runs / "selections" / "grid.json").write_text(json.dumps(document))
    return runs


def test_the_chosen_row_says_by_what_and_out_of_how_many(tuned):
    selections, notes = read_selections([tuned])
    (table,) = tables_of(say_chosen(collect(tuned), selections))
    assert notes == []
    marked = [row for row in table.rows if row.note]
    assert [row.names for row in marked] == [("grid", "bce", "20")]
    (note,) = [note for note in table.notes if note.startswith("[1]")]
    for words in (
        "lambda = 20",
        "validation/ndcg@20",
        "out of 3 tries",
        "SLNIR 0, 30",
        "test scores were not read",
    ):
        assert words in note


def test_what_was_chosen_is_marked_at_other_rates_too(tuned, write_run):
    write_run(tuned, method="grid", slnir="60", parameters={"lambda": 20.0})
    write_run(tuned, method="grid", slnir="60", parameters={"lambda": 30.0})
    selections, _ = read_selections([tuned])
    marked = [run for run in say_chosen(collect(tuned), selections).runs if run.note]
    found = sorted((run.settings["slnir"], run.settings["parameters.lambda"]) for run in marked)
    assert found == [("0", 20.0), ("30", 20.0), ("60", 20.0)]


def test_the_other_tries_can_be_hidden(tuned):
    selections, _ = read_selections([tuned])
    kept = only_chosen(collect(tuned), selections)
    assert {(run.settings["method"], run.settings.get("parameters.lambda")) for run in kept.runs} == {
        ("grid", 20.0),
        ("bce", None),
    }


def test_a_selection_in_which_nothing_was_chosen_yet_says_nothing(tuned):
    path = tuned / "selections" / "grid.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chosen": None}))
    assert read_selections([tuned]) == ([], [])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"chosen": {"lambda": 1}}', "\x00", '{"chosen": 3}'])
def test_a_file_that_is_no_selection_is_named_and_passed_over(tuned, content):
    (tuned / "selections" / "broken.json").write_text(content)
    selections, notes = read_selections([tuned])
    assert len(selections) == 1
    assert "broken.json" in notes[0]


def test_a_folder_without_selections_has_none(runs):
    assert read_selections([runs, runs / "no-such-file.zip"]) == ([], [])


def test_a_tied_parameter_is_one_row(runs, write_run):
    for slnir in ("10", "20"):
        write_run(runs, method="grid", slnir=slnir, parameters={"lambda": "slnir"})
        write_run(runs, method="grid", slnir=slnir, parameters={"lambda": 20.0})
    (table,) = tables_of(collect(runs))
    rows = {row.names: [cell is not None for cell in row.cells] for row in table.rows}
    assert rows == {("grid", "bce", "slnir"): [True, True], ("grid", "bce", "20"): [True, True]}
