"""Errors of users: their exit codes and words, and the nearest name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbench.core.files import UnsafeFile
from gridbench.errors import GridbenchError, InputError, RunFailed, in_words, nearest, reason_of


def test_exit_codes_tell_bad_input_from_a_failed_run():
    assert (InputError("x").exit_code, RunFailed("x").exit_code) == (2, 1)
    assert isinstance(InputError("x"), GridbenchError)
    assert isinstance(InputError("x"), ValueError)
    assert isinstance(RunFailed("x"), GridbenchError)
    assert not isinstance(RunFailed("x"), ValueError)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gird", " Did you mean 'grid'?"),
        ("GRID", " Did you mean 'grid'?"),
        ("Jocor", " Did you mean 'JoCoR'?"),
        ("bec", " Did you mean 'bce'?"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_the_nearest_name(name, message):
    assert nearest(name, ["grid", "bce", "JoCoR"]) == message


def test_nothing_is_near_when_there_is_nothing():
    assert nearest("grid", []) == ""


@given(st.text(max_size=12), st.lists(st.text(min_size=1, max_size=12), min_size=1))
def test_what_is_suggested_exists(name, known):
    message = nearest(name, iter(known))
    assert message == "" or message in {f" Did you mean {candidate!r}?" for candidate in known}


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1))
def test_an_exact_name_is_nearest_to_itself(known):
    assert nearest(known[-1], known).lower() == f" Did you mean {known[-1]!r}?".lower()


def test_an_error_of_the_system_is_told_in_words_and_once_with_its_file():
    absent = FileNotFoundError(2, "No such file or directory", "a/b.csv")
    assert reason_of(absent) == "No such file or directory: 'a/b.csv'"
    assert reason_of(absent, Path("a/b.csv")) == "No such file or directory"
    assert reason_of(OSError(28, "No space left on device")) == "No space left on device"
    assert reason_of(OSError("no number")) == "no number"
    assert reason_of(UnsafeFile("x is a folder, not a regular file")) == "x is a folder, not a regular file"
    assert reason_of(ValueError("it is none")) == "it is none"
    assert in_words(absent) == "FileNotFoundError: No such file or directory: 'a/b.csv'"


def test_no_message_shows_the_number_of_an_error_of_the_system():
    """`{error}` of an OSError is "[Errno 2] ..."; `reason_of` and `in_words` tell it in words."""
    root = Path(__file__).resolve().parents[2]
    folders = ("benchmark", "datasets", "leaderboard", "methods", "noise")
    sources = [path for folder in folders for path in (root / folder).rglob("*.py")]
    shown = [
        f"{path}:{value.lineno}"
        for path in sources
        for handler in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(handler, ast.ExceptHandler) and handler.type and "OSError" in ast.unparse(handler.type)
        for value in ast.walk(handler)
        if isinstance(value, ast.JoinedStr)
        and f"{{{handler.name}}}" in ast.unparse(value)
        and "lacks" not in ast.unparse(value)
    ]
    assert len(sources) > 300
    assert not shown
