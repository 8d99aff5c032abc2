"""The same numbers in every format, and nothing from a record that a reader's program would run."""

import csv
import io
import re

import pytest
from rich.console import Console

from gridbench.leaderboard.format_csv import render_csv
from gridbench.leaderboard.format_markdown import render_markdown
from gridbench.leaderboard.format_terminal import print_tables
from gridbench.leaderboard.runs import collect
from gridbench.leaderboard.table import Request, tables_of

HOSTILE = ["=1+1", "<script>alert(1)</script>", "a|b", "\x1b[31mred", "[bold]x[/bold]", "@SUM(A1)", "-2+3"]


def tables(runs, **request):
    return tables_of(collect(runs), Request(**request))


def terminal(found, width=200, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    print_tables(found, console)
    return console.file.getvalue()


def lines_of(found):
    return list(csv.DictReader(io.StringIO(render_csv(found))))


def test_csv_is_one_line_per_cell_in_percent(study):
    lines = lines_of(tables(study))
    assert len(lines) == 12
    line = next(line for line in lines if (line["method"], line["slnir"]) == ("grid", "30"))
    assert (line["dataset"], line["loss"], line["noise"], line["metric"]) == (
        "bluemarble",
        "bce",
        "swap",
        "ndcg@20",
    )
    assert (line["unit"], line["n"], line["mean"], line["std"]) == ("percent", "3", "51.0", "1.0")
    assert float(line["won_back"]) == pytest.approx(35.6322)
    assert line["seeds"] == "0 1 2"


def test_csv_has_no_spread_with_one_seed_and_shows_every_setting_that_differs(runs, write_run):
    write_run(runs, method="grid", parameters={"lambda": 20.0})
    write_run(runs, method="grid", parameters={"lambda": 30.0}, epochs=5)
    lines = lines_of(tables(runs))
    assert {line["std"] for line in lines} == {""}
    assert {(line["parameters.lambda"], line["epochs"]) for line in lines} == {("20", "120"), ("30", "5")}


def test_numbers_are_the_same_in_all_formats(study):
    found = tables(study)
    expected = sorted(f"{float(line['mean']):.1f}" for line in lines_of(found))
    numbers = r"(?<![\d.±])\d\d\.\d(?!\d)"
    for text in (render_markdown(found), terminal(found)):
        table = text.split("Share of")[0]
        assert sorted(re.findall(numbers, table)) == expected


def test_best_is_bold_and_second_underlined(study):
    found = tables(study)
    assert "**51.0** ± 1.0 |" in render_markdown(found)
    assert "<u>50.0</u> ± 1.0" in render_markdown(found)
    coloured = terminal(found, force_terminal=True)
    assert "\x1b[1m51.0\x1b[0m" in coloured
    assert "\x1b[4m50.0\x1b[0m" in coloured


def test_missing_cells_say_how_many_seeds_there_are(study):
    for text in (terminal(tables(study)), render_markdown(tables(study))):
        assert "—(0/3)" in text
        assert "33.0 (1/3)" in text


def test_a_narrow_terminal_keeps_every_number(study):
    text = terminal(tables(study), width=48)
    assert "…" not in text
    assert "51.0" in text
    assert max(len(line) for line in text.splitlines() if "57.0" in line) <= 48
    assert "57.0" in terminal(tables(study), width=10)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_records_are_only_text(runs, write_run, name):
    write_run(runs, folder="odd", method=name)
    found = tables(runs)
    markdown, plain = render_markdown(found), terminal(found, force_terminal=True)
    assert "<script>" not in markdown
    assert "\x1b[31m" not in plain
    assert "|" not in name or r"a\|b" in markdown
    assert "[bold]" not in name or name in plain
    cell = next(csv.reader(io.StringIO(render_csv(found).splitlines()[1])))[1]
    assert not cell.startswith(("=", "+", "-", "@"))
