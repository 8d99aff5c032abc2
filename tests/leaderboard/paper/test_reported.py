"""Every reported number against the paper's tables, typed row by row as they are printed."""

import pytest

from gridbench.errors import InputError
from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.paper.reported import (
    against_reported,
    own_spread,
    reported_beside,
    reported_numbers,
    reported_sheets,
)
from gridbench.leaderboard.records.runs import Collection, collect
from gridbench.leaderboard.tables.table import tables_of

PAPER = {
    "I": """
        0 63.6 66.4 65.9 64.5 64.4 64.5 57.9 59.3 60.4 58.5
        10 58.3 63.1 64.2 62.9 63.6 60.7 60.2 56.2 60.2 57.8
        20 54.0 61.6 60.2 64.5 62.5 59.9 60.8 58.1 55.7 54.3
        30 54.3 57.0 56.0 56.8 57.4 57.5 59.2 54.9 58.9 55.0
        40 50.9 51.9 54.6 57.5 54.7 56.1 55.5 54.6 50.0 55.7
        50 48.3 51.6 51.1 51.1 54.0 53.3 54.3 50.8 47.8 52.7
        60 47.4 49.3 48.7 47.9 50.7 51.4 51.2 48.2 49.0 47.2
    """,
    "II": """
        0 67.9 67.6 67.3 66.6 66.4 65.3 63.7 63.7 61.9 59.9
        10 64.5 66.4 67.9 67.2 66.4 65.1 64.7 63.2 62.8 62.5
        20 63.2 65.4 65.9 65.5 65.1 64.0 61.4 61.6 61.9 61.3
        30 62.3 64.9 65.2 64.6 63.7 61.5 60.6 62.0 58.6 59.2
        40 61.7 63.8 64.4 63.3 62.3 60.1 59.8 60.0 59.3 59.9
        50 60.8 63.1 62.1 62.4 62.0 58.3 60.9 59.5 57.8 56.3
        60 60.5 61.5 62.0 61.8 61.2 59.4 58.7 58.5 58.9 58.6
    """,
    "III": """
        0 63.8 65.8 63.5 63.3 62.2 59.5 63.3 62.5 61.1 61.5
        10 61.3 62.7 61.2 61.6 58.1 60.1 57.2 59.1 60.0 59.2
        20 59.8 59.7 59.8 59.5 58.3 55.0 57.9 56.1 55.6 57.4
        30 56.4 59.0 57.1 56.5 57.5 53.6 53.0 55.5 56.1 55.0
        40 54.3 56.1 55.9 56.5 56.2 55.1 53.4 55.0 54.0 52.6
        50 53.1 53.9 52.1 52.2 54.4 50.5 52.1 49.7 51.4 51.9
        60 48.9 49.4 49.1 46.7 44.4 47.5 47.4 48.2 50.8 47.1
    """,
    "IV": """
        0 63.6 64.7 64.7 64.6 64.1 63.8 62.5 61.0 61.5 61.2
        10 62.2 63.7 63.4 62.9 62.6 60.7 60.2 60.7 61.0 58.8
        20 60.9 62.1 60.7 61.8 60.4 60.3 55.8 55.8 55.6 61.2
        30 60.9 61.8 62.0 60.2 60.6 59.2 54.2 60.4 60.2 57.8
        40 60.2 60.6 60.0 59.9 58.7 57.8 53.8 55.0 53.9 53.5
        50 58.5 59.4 59.1 58.3 57.0 52.8 53.9 55.7 56.8 52.6
        60 58.5 59.8 58.6 52.0 54.5 53.2 53.5 52.7 54.2 54.5
    """,
    "V": """
        0 62.7 63.8 62.8 63.5 61.7 67.2
        10 60.3 62.0 58.7 57.2 61.7 64.2
        20 55.9 59.2 55.3 51.4 59.3 62.5
        30 55.6 54.4 52.6 50.6 55.5 62.2
        40 50.1 50.9 48.6 46.3 51.8 55.7
        50 48.3 50.0 46.4 43.7 49.1 53.8
        60 47.1 47.2 46.1 43.6 47.9 50.6
    """,
    "VI": """
        0 67.6 68.9 66.2 65.6 66.6 68.2
        10 65.7 66.6 64.1 63.6 66.4 66.7
        20 63.3 64.2 63.2 62.7 64.5 65.7
        30 62.6 63.1 61.6 62.3 62.9 63.4
        40 61.6 61.9 61.3 61.7 62.1 63.3
        50 60.2 60.4 59.8 60.4 61.1 61.6
        60 59.6 59.8 59.9 60.1 60.2 60.3
    """,
    "VII": """
        0 65.0 62.5 64.0 57.5 58.1
        10 60.0 60.9 62.1 52.2 52.7
        20 59.1 60.8 61.1 51.8 54.9
        30 56.8 57.5 57.7 48.8 52.9
        40 55.8 55.2 56.1 43.6 53.3
        50 53.0 53.6 52.6 44.5 51.8
        60 48.3 48.2 48.3 45.1 47.7
    """,
    "VIII": """
        0 63.5 62.5 64.9 62.4 63.8
        10 61.8 61.7 61.8 60.1 62.5
        20 61.2 61.3 61.8 58.8 62.1
        30 61.1 61.2 61.5 59.3 61.1
        40 59.9 60.0 60.0 58.5 61.2
        50 58.9 58.8 59.0 57.4 60.5
        60 58.2 58.3 58.6 57.5 59.9
    """,
}
SCENE = [("bce", "bce"), ("elr", "bce"), ("fl", "fl"), ("asl", "asl"), ("jocor", "bce"), ("grid", "bce")]
PIXEL = [("pce", "pce"), ("lnc", "pce"), ("grid", "pce"), ("rrl", "rrl"), ("grid", "rrl")]
HEADS = {
    "I": [("grid", "bce", lam) for lam in range(0, 100, 10)],
    "III": [("grid", "pce", lam) for lam in range(0, 100, 10)],
    "V": [(method, loss, 20 if method == "grid" else None) for method, loss in SCENE],
    "VII": [(method, loss, 10 if method == "grid" else None) for method, loss in PIXEL],
}
HEADS |= {"II": HEADS["I"], "IV": HEADS["III"], "VI": HEADS["V"], "VIII": HEADS["VII"]}
DATASETS = dict(zip(PAPER, ["dlrsd", "bigearthnet"] * 2 + ["dlrsd", "bigearthnet"] * 2, strict=True))


@pytest.mark.parametrize("table", PAPER)
def test_every_cell_is_as_printed(table):
    ours = {
        (number.slnir, number.method, number.loss, number.parameters.get("lambda")): number.value
        for number in reported_numbers()
        if number.table == table
    }
    theirs = {}
    for line in PAPER[table].split("\n"):
        if line.strip():
            slnir, *values = line.split()
            theirs |= {(slnir, *head): float(value) for head, value in zip(HEADS[table], values, strict=True)}
    assert ours == theirs
    assert len(ours) == 7 * len(HEADS[table])


@pytest.mark.parametrize("table", PAPER)
def test_data_set_metric_and_source(table):
    numbers = [number for number in reported_numbers() if number.table == table]
    assert {number.dataset for number in numbers} == {DATASETS[table]}
    assert {number.metric for number in numbers} == {"ndcg@20" if DATASETS[table] == "dlrsd" else "ndcg@30"}
    assert all("Sumbul" in number.citation and "2212.01261" in number.citation for number in numbers)


def largest(dataset, method, loss):
    spreads = [
        own_spread(number)
        for number in reported_numbers()
        if (number.dataset, number.method, number.loss) == (dataset, method, loss) and not number.sensitivity
    ]
    return max(spreads) if all(spread is not None for spread in spreads) else None


@pytest.mark.parametrize(
    ("setting", "points"),
    [
        (("dlrsd", "grid", "bce"), 6.2),
        (("bigearthnet", "grid", "bce"), 1.8),
        (("dlrsd", "bce", "bce"), 2.0),
        (("bigearthnet", "bce", "bce"), 1.2),
        (("dlrsd", "grid", "pce"), 1.8),
        (("bigearthnet", "grid", "pce"), 1.9),
        (("dlrsd", "pce", "pce"), 1.5),
        (("bigearthnet", "pce", "pce"), 0.4),
        (("dlrsd", "elr", "bce"), None),
        (("dlrsd", "rrl", "rrl"), None),
    ],
)
def test_the_papers_own_spread(setting, points):
    found = largest(*setting)
    if points is None:
        assert found is None
    else:
        assert found == pytest.approx(points)


@pytest.fixture
def measured(runs, write_run):
    for seed in (0, 1):
        write_run(runs, dataset="dlrsd", method="bce", slnir="30.0", seed=seed, ndcg=0.55 + 0.02 * seed)
        for lam in (20.0, 30.0):
            write_run(runs, dataset="dlrsd", method="grid", seed=seed, ndcg=0.6, parameters={"lambda": lam})
    write_run(runs, dataset="dlrsd", method="mine", ndcg=0.7)
    return runs


def test_measured_beside_reported(measured):
    found = collect(measured)
    (sheet,) = against_reported(tables_of(found))
    lines = {(names[0], names[3]): [mark.text for mark in marks] for names, marks in sheet.lines}
    assert lines == {
        ("bce", "Table V"): ["56.0", "55.6", "+0.4", "1.3"],
        ("grid", "Table V"): ["60.0", "62.2", "−2.2", "6.2"],
        ("grid", "Table I"): ["60.0", "56.8", "+3.2", ""],
    }
    assert sheet.lines[0][1][0].extra == "(n = 2)"


def test_reported_numbers_are_never_ranked_with_measured_ones(measured):
    found = collect(measured)
    tables = tables_of(found)
    sheets = Report(found, tables, reported=True).sheets()
    titles = [sheet.title for sheet in sheets if sheet.title]
    assert titles[0] == "dlrsd"
    assert [title.split(",")[0] for title in titles[1:]] == ["Reported"] * 4
    for sheet in sheets[1:]:
        assert {cell.mark for _, cells in sheet.lines for cell in cells} == {""}
    assert sum(len(sheet.lines) for sheet in sheets if sheet.title == "dlrsd") == len(tables[0].rows)


def test_all_reported_tables_without_any_result():
    sheets = Report(Collection(), [], reported=True).sheets()
    assert len(sheets) == len(reported_sheets()) == 8
    assert sum(len(marks) for sheet in sheets for _, marks in sheet.lines) == 7 * (4 * 10 + 2 * 6 + 2 * 5)


def test_a_data_set_without_reported_numbers_is_said(runs, write_run):
    write_run(runs)
    found = collect(runs)
    tables = tables_of(found)
    with pytest.raises(InputError, match=r"No paper reports numbers for bluemarble.*bigearthnet, dlrsd"):
        Report(found, tables, reported=True).sheets()
    with pytest.raises(InputError, match="No measured cell has a reported number"):
        Report(found, tables, beside=True).sheets()


def test_a_cell_at_another_cut_off_has_no_reported_number(runs, write_run):
    write_run(runs, dataset="dlrsd", k=10)
    (table,) = tables_of(collect(runs))
    assert reported_beside(table.cells[0]) is None
