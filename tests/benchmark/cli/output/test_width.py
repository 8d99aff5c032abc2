"""What is printed fits into 80 columns, and no word of it is cut."""

from __future__ import annotations

import io
import re
import shlex
import sys

import click
import pytest

import gridbench.cli
from gridbench.core.terminal import wrapped

COMMAND = re.compile(r"(^|[\s(])gridbench .*")


@pytest.fixture
def lines(command, monkeypatch, tmp_path):
    """Call a command on a terminal of 80 columns; returns its lines, which must fit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")

    def call(*words):
        # Tables are wider where they go to a file.
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        _, output, messages = command(*words)
        shown = output.splitlines()
        assert shown, messages
        # A command is not broken, so that it can be copied; nor is a word that is longer than a line.
        wide = [line for line in shown if len(line.rstrip()) > 80 and len(line.split()) > 1]
        assert [line for line in wide if not COMMAND.search(line)] == []
        return shown

    return call


def every_command(group=gridbench.cli.cli, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        yield (*path, name)
        if isinstance(found, click.Group):
            yield from every_command(found, (*path, name))


def test_the_help_of_every_command_fits(lines):
    found = list(every_command())
    assert len(found) > 35
    for words in found:
        assert lines(*words, "--help")[0].startswith("Usage: ")


def test_no_default_is_shown_as_python_writes_it(lines):
    for words in every_command():
        text = " ".join(lines(*words, "--help"))
        assert re.findall(r"\[default:\s+\([^]]*\]|default: None", text) == []


def test_what_is_there_is_listed_within_the_width(lines, finished, cache, settings, monkeypatch):
    for method in ("bce", "grid"):
        record = finished(method=method, slnir=30)
    monkeypatch.setenv("GRIDBENCH_CACHE", str(cache))
    small = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    for text in (
        "list methods",
        "list methods grid",
        "list methods jocor",
        "list losses",
        "list losses asl",
        "list noise",
        "list noise class_dependent",
        "list metrics",
        "list datasets",
        "list parameters --backbone test_resnet --task classification",
        "data list",
        "data info stripes",
        "data verify stripes",
        "doctor",
        "status --all",
        "leaderboard",
        "leaderboard --baselines --statistics",
        "reproduce list",
        "noise tables --dataset stripes --level scene",
        "noise apply --dataset stripes --slnir 30 --train-size 0 --out noisy",
        "noise inspect noisy --dataset stripes",
        "noise verify noisy --dataset stripes",
        "audit --dataset stripes --backbone test_resnet --folds 2 --epochs 1 --batch-size 16 --quiet",
    ):
        lines(*text.split())
    for command in ("run", "sweep"):
        lines(command, "--method", "grid", "--slnir", 60, *small, "--dry-run")
    lines("run", "--method", "grid", "--slnir", 30, *small)
    lines("score", record.folder, "--distance", "euclidean")


def test_options_are_described_in_sentences_and_summaries_are_whole(lines):
    for words in every_command():
        text = " ".join(" ".join(lines(*words, "--help")).split())
        assert re.findall(r"[a-z0-9)] \[default: [^]]*\]", text) == [], words
        assert "..." not in text.partition("Commands:")[2], words


def test_no_number_of_the_closing_table_is_divided_from_its_sign(lines, cache, settings, monkeypatch):
    monkeypatch.setenv("GRIDBENCH_CACHE", str(cache))
    small = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    shown = lines("run", "--method", "bce", "--slnir", 30, *small)
    assert shown[0].startswith("bce on stripes, SLNIR 30 %, seed ")
    assert any(re.search(r"│ mAP [\d.]+ % │", line) for line in shown)
    assert any(re.search(r"│ F1 [\d.]+ % +│", line) for line in shown)


@pytest.mark.parametrize(
    "words",
    [
        "leaderboard --runs 'none here'",
        "leaderboard --runs . --only-chosen",
        "run --method grit --loss bce",
        "run --method grid --loss bce --slnir 300",
        "run --slnr 30",
        "data prepare folder --data .",
        "rum",
    ],
)
def test_errors_fit(command, monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    code, _, messages = command(*shlex.split(words))
    assert code == 2
    assert len(messages) > 40
    wide = [line for line in messages.splitlines() if len(line) > 80]
    assert [line for line in wide if not COMMAND.search(line)] == []
    monkeypatch.delenv("COLUMNS")
    assert " ".join(command(*shlex.split(words))[2].split()) == " ".join(messages.split())


def test_commands_and_quoted_texts_are_kept_whole():
    quoted = "The file 'my data/labels and more.csv' has no row for 'a b', such as the classes' own."
    assert wrapped(quoted, 30).splitlines() == [
        "The file",
        "'my data/labels and more.csv'",
        "has no row for 'a b', such as",
        "the classes' own.",
    ]
    command = "gridbench sweep --select lambda ... --runs 'my runs'"
    text = f"Select with: {command}, or list them (gridbench list methods), and so on."
    assert wrapped(text, 40).splitlines() == [
        f"Select with: {command},",
        "or list them (gridbench list methods),",
        "and so on.",
    ]


def test_no_word_and_no_command_is_cut():
    long = "x" * 30
    text = f"topic      some words, {long}\n  now you do gridbench run -h\nNext: gridbench run --method grid --loss bce"
    assert wrapped(text, 24, 11).splitlines() == [
        "topic      some words,",
        f"  {long}",
        "  now you do",
        "        gridbench run -h",
        "Next: gridbench run --method grid --loss bce",
    ]
    assert wrapped("one two three", 10, 4) == "one two\n    three"


def test_characters_that_an_output_does_not_have_are_written_out(monkeypatch):
    """Where Python's output is ASCII, a table of ± and a name of a class were an error after all was computed."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    gridbench.cli.main(["data", "where", "--cache", "水田 ±"])
    assert written.getvalue() == b"\\u6c34\\u7530 \\xb1\n"
