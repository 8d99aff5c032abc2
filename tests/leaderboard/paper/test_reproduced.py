"""Paper tables laid out three times: what is measured, what is reported, and when they are subtracted."""

import json

import pytest

from gridbench.leaderboard.figures.bars import count_bars
from gridbench.leaderboard.figures.style import rendered
from gridbench.leaderboard.paper.reproduced import detection_sheets, loss_sheets, paper_sheets
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.tables.table import tables_of


def tables(runs):
    return tables_of(collect(runs))


def texts(sheet):
    return {names[0]: [mark.text for mark in marks] for names, marks in sheet.lines}


@pytest.fixture
def dlrsd(runs, write_run):
    """BCE and GRID of Table V at two rates, two seeds each."""
    for method, slnir, value in (
        ("bce", "0", 0.60),
        ("bce", "30", 0.50),
        ("grid", "0", 0.70),
        ("grid", "30", 0.622),
    ):
        own = {"parameters": {"lambda": 20.0}} if method == "grid" else {}
        for seed in (0, 1):
            ndcg = value + (0.01 if seed else -0.01)
            write_run(runs, dataset="dlrsd", method=method, slnir=slnir, seed=seed, ndcg=ndcg, **own)
    return runs


def test_the_papers_layout_with_measured_reported_and_difference(dlrsd):
    measured, reported, difference = paper_sheets("V", tables(dlrsd), comparable=True)
    for sheet in (measured, reported, difference):
        assert sheet.columns == ("bce", "elr (bce)", "fl", "asl", "jocor (bce)", "grid (bce)")
        assert [names for names, _ in sheet.lines] == [(str(rate),) for rate in range(0, 70, 10)]
    assert texts(measured)["30"] == ["50.0", "—", "—", "—", "—", "62.2"]
    assert texts(reported)["30"] == ["55.6", "54.4", "52.6", "50.6", "55.5", "62.2"]
    assert texts(difference)["30"] == ["−5.6", "—", "—", "—", "—", "0.0"]
    assert texts(difference)["0"] == ["−2.7", "—", "—", "—", "—", "+2.8"]
    assert texts(measured)["10"] == ["—"] * 6
    mark = measured.lines[3][1][0]
    assert (mark.spread, mark.mark) == ("1.4", "")
    assert measured.lines[3][1][5].mark == "best"
    assert "n = 2, seeds 0, 1" in measured.caption
    assert "Reported, not measured" in reported.title
    assert "6.2 points apart" in " ".join(difference.notes)


def test_a_missing_seed_is_counted_at_its_place(dlrsd, write_run):
    write_run(dlrsd, dataset="dlrsd", method="bce", slnir="10", seed=1, ndcg=0.55)
    measured = paper_sheets("V", tables(dlrsd), comparable=True)[0]
    assert (measured.lines[1][1][0].text, measured.lines[1][1][0].extra) == ("55.0", "(1/2)")


def test_numbers_of_another_archive_are_never_subtracted(runs, write_run):
    for slnir, value in (("0", 0.60), ("60", 0.45)):
        write_run(runs, dataset="bluemarble", method="bce", slnir=slnir, ndcg=value)
    measured, reported, cost = paper_sheets("V", tables(runs), comparable=False)
    assert "bluemarble" in measured.title
    assert "dlrsd" in reported.title
    assert "minus" not in cost.title
    assert texts(cost)["measured here"][0] == "−15.0"
    assert texts(cost)["reported for dlrsd"][0] == "−15.6"
    assert "differ" in cost.caption


def test_another_cut_off_is_no_number_to_subtract_from(runs, write_run):
    write_run(runs, dataset="dlrsd", method="bce", slnir="0", k=30)
    difference = paper_sheets("V", tables(runs), comparable=True)[2]
    assert set(texts(difference)["0"]) == {"—"}


def test_columns_over_a_parameter_are_named_by_it(runs, write_run):
    for value in (0.0, 90.0):
        write_run(runs, dataset="dlrsd", method="grid", slnir="0", parameters={"lambda": value}, ndcg=0.6)
    measured = paper_sheets("I", tables(runs), comparable=True)[0]
    assert measured.columns == tuple(f"lambda {value}" for value in range(0, 100, 10))
    assert texts(measured)["0"] == ["60.0", *["—"] * 8, "60.0"]


def test_detection_stands_beside_top_k_by_loss_and_chance(runs, write_run):
    def with_history(rows, **fields):
        folder = write_run(runs, slnir="30", **fields)
        (folder / "history.json").write_text(json.dumps(rows))

    shares = [{"epoch": 1, "detection": {"precision": p, "prevalence": 0.6}} for p in (0.5, 0.7)]
    with_history(shares, method="grid", parameters={"lambda": "slnir"})
    with_history([{"epoch": 1, "loss_detection": {"precision": 0.65}}], method="bce")
    (sheet,) = detection_sheets(tables(runs))
    assert texts(sheet) == {
        "grid · bce": ["70.0"],
        "top-k by loss of bce": ["65.0"],
        "random (share of noisy samples)": ["60.0"],
    }


def test_nothing_is_found_where_no_sample_is_known_to_be_noisy(runs, write_run):
    for slnir, prevalence in (("0", 0.0), ("30", 0.6)):
        folder = write_run(runs, method="grid", slnir=slnir, parameters={"lambda": 20.0})
        row = {"epoch": 1, "detection": {"precision": prevalence, "prevalence": prevalence}}
        (folder / "history.json").write_text(json.dumps([row]))
    (sheet,) = detection_sheets(tables(runs))
    assert sheet.columns == ("30",)


def test_losses_are_those_of_the_last_epoch(runs, write_run):
    for seed, moved in ((0, -0.1), (1, 0.1)):
        folder = write_run(runs, method="grid", slnir="30", seed=seed, parameters={"lambda": 20.0})
        names = ("discriminative_loss", "generative_loss", "hybrid_loss")
        rows = [{"epoch": at, **dict.fromkeys(names, value + moved)} for at, value in ((1, 0.9), (2, 0.5))]
        (folder / "history.json").write_text(json.dumps(rows))
    (sheet,) = loss_sheets(tables(runs))
    assert [names[1].split(",")[0] for names, _ in sheet.lines] == [
        "discriminative head", "generative head", "hybrid: one head for each sample",
    ]  # fmt: skip
    assert {(mark.text, mark.spread) for _, marks in sheet.lines for mark in marks} == {("0.500", "0.141")}
    write_run(runs, method="bce", slnir="60")
    assert loss_sheets(tables(runs))[0].lines[0][1][1].text == "—"


def test_no_detection_no_sheet(runs, write_run):
    write_run(runs, method="bce")
    assert detection_sheets(tables(runs)) == []


def test_parameter_bars_say_each_number():
    counts = {
        "classification": {"backbone": 900_000, "hybrid": 1_200_000},
        "cooccurrence": {"hybrid": 2_000_000},
    }
    figure = count_bars("a network", counts)
    (panel,) = figure.axes
    assert [text.get_text() for text in panel.texts] == ["0.90", "1.20", "2.00"]
    assert panel.get_ylabel() == "trainable parameters (millions)"
    assert rendered(figure, "png")[:4] == b"\x89PNG"
