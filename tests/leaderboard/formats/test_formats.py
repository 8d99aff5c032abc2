"""The same numbers in every format, and nothing from a record that a reader's program would run."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from rich.console import Console

from gridbench.leaderboard.formats.csv import render_csv
from gridbench.leaderboard.formats.json import render_json
from gridbench.leaderboard.formats.latex import render_latex
from gridbench.leaderboard.formats.markdown import render_markdown
from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.formats.terminal import print_sheets
from gridbench.leaderboard.records.runs import Collection, collect
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell, sheets_of
from gridbench.leaderboard.tables.table import tables_of

LATEX = r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{booktabs,graphicx}\begin{document}"
HOSTILE = [
    "=1+1",
    "<script>alert(1)</script>",
    "a|b",
    "\x1b[31mred",
    "[bold]x[/bold]",
    "@SUM(A1)",
    "-2+3",
    r"\input{/etc/passwd}",
    "50% & #1_x^2~$",
    "naïve 中 λ",
]


def tables(runs, **request):
    return tables_of(collect(runs), **request)


def sheets(found):
    return [sheet for table in found for sheet in sheets_of(table)]


def terminal(found, width=200, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    print_sheets(sheets(found), console)
    return console.file.getvalue()


def csv_of(found):
    return render_csv(Report(Collection(), found))


def markdown_of(found):
    return render_markdown(sheets(found))


def latex(found):
    return render_latex(sheets(found))


def lines_of(found):
    return list(csv.DictReader(io.StringIO(csv_of(found))))


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
    assert float(line["gap_closed"]) == pytest.approx(35.6322)
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
    for text in (markdown_of(found), terminal(found), latex(found)):
        table = text.split("Share of")[0]
        assert sorted(re.findall(numbers, table)) == expected
    document = json.loads(render_json(Report(Collection(), found)))
    entries = [entry for table in document["tables"] for row in table["rows"] for entry in row["entries"]]
    assert sorted(f"{entry['mean']:.1f}" for entry in entries if entry["n"]) == expected
    assert {entry["std"] for entry in entries if entry["n"] == 3} == {1.0}
    assert entries[0]["values"] == {"0": 56.0, "1": 57.0, "2": 58.0}


def test_best_is_bold_and_second_underlined(study):
    found = tables(study)
    assert "**51.0** ± 1.0 |" in markdown_of(found)
    assert "<u>50.0</u> ± 1.0" in markdown_of(found)
    coloured = terminal(found, force_terminal=True)
    assert "\x1b[1m51.0\x1b[0m" in coloured
    assert "\x1b[4m50.0\x1b[0m" in coloured
    assert r"\textbf{51.0}" in latex(found)
    assert r"\underline{50.0}" in latex(found)


def test_missing_cells_say_how_many_seeds_there_are(study):
    for text in (terminal(tables(study)), markdown_of(tables(study)), latex(tables(study))):
        assert "—(0/3)" in text.replace("---", "—")
        assert re.search(r"33\.0\S* \S*(\\scriptsize )?\(1/3\)|33\.0~.*\(1/3\)", text)


def test_a_narrow_terminal_keeps_every_number(study):
    text = terminal(tables(study), width=48)
    assert "…" not in text
    assert "51.0" in text
    assert max(len(line) for line in text.splitlines() if "57.0" in line) <= 48
    assert "57.0" in terminal(tables(study), width=10)


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_table_that_is_too_wide_is_divided_between_its_columns(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    columns = tuple(f"column {at}" for at in range(9))
    lines = tuple(((name, "bce"), tuple(SheetCell(f"{name}{at}.123456") for at in range(9))) for name in "pq")
    console = Console(file=io.StringIO(), width=60, height=25, force_terminal=term == "dumb")
    print_sheets([Sheet("", "", ("method", "loss"), columns, lines)], console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= 60
    assert all(f"{name}{at}.123456" in text for name in "pq" for at in range(9))
    assert all(name in text for name in columns)
    parts = [part for part in text.split("\n\n") if part.strip()]
    assert len(parts) > 1
    assert all(part.count("bce") == 2 for part in parts)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_records_are_only_text(runs, write_run, name):
    write_run(runs, folder="odd", method=name)
    found = tables(runs)
    markdown, plain = markdown_of(found), terminal(found, force_terminal=True)
    assert "<script>" not in markdown
    assert "\x1b[31m" not in plain
    assert "|" not in name or r"a\|b" in markdown
    assert "[bold]" not in name or name in plain
    cell = next(csv.reader(io.StringIO(csv_of(found).splitlines()[1])))[1]
    assert not cell.startswith(("=", "+", "-", "@"))


def test_latex_has_narrow_headings_no_empty_column_and_a_title_above_each_table():
    lines = ((("grid",), (SheetCell("1.0"), SheetCell(""), SheetCell("—(0/3)", mark="missing"))),)
    values = Sheet("mine", "scores", ("method",), ("0", "30", "resolved at SLNIR"), lines)
    text = render_latex([values, replace(values, title="", caption="gaps")])
    rows = [" ".join(row.split()) for row in text.splitlines()]
    assert rows.count(r"Method & 0 & \shortstack[r]{Resolved\\at SLNIR} \\") == 2
    assert rows.count(r"GRID & 1.0 & {\scriptsize ---(0/3)} \\") == 2
    assert [row for row in rows if row.startswith(r"\caption")] == [
        r"\caption{mine: scores.}",
        r"\caption{mine: gaps.}",
    ]


@pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="only pdflatex can tell whether LaTeX compiles, and no package index carries it",
)
def test_latex_compiles_whatever_the_names_are(study, write_run, tmp_path):
    for at, name in enumerate(HOSTILE):
        write_run(study, folder=f"odd{at}", method=name, note=f"A note on {name}.")
    (tmp_path / "table.tex").write_text(LATEX + latex(tables(study)) + r"\end{document}")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "table.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "table.pdf").stat().st_size > 1000
