"""A reader that closes our output, as `head` does: the files that were asked for are there, and nothing is said."""

import os
import sys
from contextlib import suppress

import pytest

PNG = b"\x89PNG"


@pytest.fixture
def closed_output(monkeypatch):
    """Let standard output be a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    # What is left in the buffer cannot be written when the pipe is closed, either.
    with suppress(BrokenPipeError), os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        yield


@pytest.mark.parametrize(
    ("words", "files"),
    [
        (
            ("noise", "inspect", "noisy", "--dataset", "stripes", "--figure", "a.png", "--examples", "b.png"),
            ("a.png", "b.png"),
        ),
        (("data", "info", "stripes", "--sheet", "a.png"), ("a.png",)),
    ],
)
def test_what_goes_to_files_is_written_first(cli, cache, tmp_path, request, words, files):
    apply = ("noise", "apply", "--dataset", "stripes", "--slnir", 30, "--out", "noisy")
    assert cli(*apply, "--cache", cache)[0] == 0
    request.getfixturevalue("closed_output")
    code, _, messages = cli(*words, "--cache", cache)
    assert (code, messages) == (1, "")
    assert [(tmp_path / name).read_bytes()[:4] for name in files] == [PNG] * len(files)


@pytest.mark.parametrize("words", ["list metrics", "list methods grid", "leaderboard --baselines"])
def test_a_table_that_nobody_reads_ends_in_silence(cli, request, words):
    request.getfixturevalue("closed_output")
    code, _, messages = cli(*words.split())
    assert (code, messages) == (1, "")
