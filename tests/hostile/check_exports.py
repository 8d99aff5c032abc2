"""Names and notes that would act in a page, a table, a spreadsheet, a terminal or a document."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from inputs import OSC, write_record

PAYLOADS = [
    '=HYPERLINK("http://a")',
    "@SUM(1)",
    "+1+cmd|' /C calc'!A0",
    "-1+1",
    "\t=1",
    "\u200b=1",
    "\uff1d1",
    "'=1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!--<script>",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "{{7*7}}{%raw%}",
    "\\input{/etc/passwd}",
    "\\write18{id}",
    "^^5cinput{/etc/passwd}",
    "$\\href{a}{b}$%&#_{}~^",
    "a|b\n|c",
    "[a](javascript:alert(1))",
    "![a](http://a/b.png)",
    "`a`",
    "\u2028\u2029\u0085",
    OSC,
    "\x1b]8;;http://a\x07b",
    "\u2066\u202ea",
    "\U000e0041",
    "a\0b",
    "a;=1+1;b",
    "a\n=1+1",
    "a|@SUM(1)",
    "\u3164=1",
    "a\ufe0f\u034f\u115f",
    "\r\n\r\n",
    "\x1b[8m",
    "\x1b_G\x1b\\",
    "\x1bP+q\x1b\\",
]
FORMS = ["terminal", "csv", "json", "html", "latex", "markdown"]
TAG = re.compile(r"<(script|img|style|!--)", re.IGNORECASE)
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


def write_words(runs, place, words):
    for seed, word in enumerate(words):
        fields = {"parameters": {word: word}} if place == "parameter" else {place: word}
        write_record(runs, folder=f"record{seed}", seed=seed, **fields)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["method", "dataset", "note", "parameter"])
def test_words_of_records_act_in_no_export(check, tmp_path, place, form):
    write_words(tmp_path / "runs", place, PAYLOADS)
    answer = check("leaderboard", "--format", form, "--out", f"out.{form}", codes=(0,))
    text = (tmp_path / f"out.{form}").read_text(encoding="utf-8")
    # Nearly all of these words are those of records that count.
    assert answer.text.count("Left out") < 5
    assert not set(text) & set("\x1b\x9b\x07\0\u202e\u2066\u3164\u034f\u115f\ufe0f")
    if form == "csv":
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        cells += [part for cell in cells for part in re.split(r"[;|\t\n]", cell)[1:]]
        assert not [c for c in cells if c[:1] in "=+-@\t\r" and c and not NUMBER.fullmatch(c)]
    if form == "json":
        json.loads(text)
    if form in ("html", "markdown"):
        write_words(tmp_path / "clean", place, [f"word{i}" for i in range(len(PAYLOADS))])
        check("leaderboard", "--runs", "clean", "--format", form, "--out", f"clean.{form}", codes=(0,))
        expected = (tmp_path / f"clean.{form}").read_text(encoding="utf-8")
        assert len(TAG.findall(text)) == len(TAG.findall(expected))
        assert not re.search(r"(?<!\\)\]\(", text.replace(expected, "")) or form == "html"
    if form == "latex":
        assert not re.search(r"(?<!textbackslash)\\(input|write18|href)|\^\^", text)


@pytest.mark.parametrize("name", ["-rf", "=cmd", "a\nb", OSC, "x" * 250, "\u202e", " ", "'", "$(id)", "a;b"])
def test_a_folder_of_any_name_is_shown_and_acts_on_nothing(check, tmp_path, name):
    write_record(tmp_path / "runs", seed=1)
    write_record(tmp_path / "runs", folder=name, seed=2)
    (tmp_path / "runs" / name / "result.json").write_text("{}")
    check("status", codes=(0, 1))
    check("leaderboard", codes=(0,))
    check("leaderboard", "--format", "csv", codes=(0,))
