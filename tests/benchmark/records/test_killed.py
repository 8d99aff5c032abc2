"""Commands that are killed before any of their writes: nothing half-written has its name, and again gives the same."""

from __future__ import annotations

import shutil

import pytest

from gridbench.records.record import iter_records

# The grid of a table for four runs of a second.
REPRODUCE = """
import dataclasses
import sys

from gridbench.cli import main
from gridbench.datasets import recipe
from gridbench.sweeps import paper

short = recipe.Recipe("test_resnet", 1, 16, 1e-3, None, 5, None, None, False, 0.0)
recipe.RECIPES["folder"] = {"scene": short, "pixel": short}
shown = paper.EXHIBITS["table-1"]
parts = ({"method": "grid", "loss": "bce", "parameters.lambda": "0,20", "slnir": "0,60"},)
paper.EXHIBITS = {"table-1": dataclasses.replace(shown, parts=parts)}
main(sys.argv[1:] or WORDS)
"""

# The leaderboard with a figure of each kind.
FIGURES = """
from gridbench.cli import main
from gridbench.leaderboard.figures import strip_figures

strip_figures.MOST_QUERIES = 1
main(["leaderboard", "--figures", "drawn", "--out", "table.md"])
"""

MADE_ANEW = {"environment.json", "done"}
"""Files of a record that hold times, or hashes of such."""


def outputs(folder):
    """Return the content of all files with a final name, but for what differs from one run to the next."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.name not in MADE_ANEW
        # What is done is not looked at again by a sweep, which leaves the checkpoint of a kill right after it.
        and not path.name.startswith("checkpoint")
    }


@pytest.fixture
def killed(warm, tmp_path):
    """Run a command whole, then killed before some of its writes and once more, each in a copy of a folder."""

    def check(most, *words, start=None, script=None):
        def call(name, at=None):
            folder = tmp_path / name
            if not folder.exists():
                shutil.copytree(start, folder) if start else folder.mkdir()
            if script is None:
                return folder, warm(*words, folder=folder, at=at)
            path = folder / ".script.py"
            path.write_text(script)
            return folder, warm(folder=folder, at=at, script=str(path))

        whole, done = call("whole")
        assert done.returncode == 0, done.stderr
        expected = outputs(whole)
        steps = range(0, done.writes, max(1, done.writes // most))
        for at in steps:
            folder, ended = call(f"at {at}", at)
            assert ended.returncode == -9
            for record in iter_records(folder / "runs", verify=True):
                assert record.state in ("done", "incomplete"), (at, record.folder.name, record.reason)
            for name, content in outputs(folder).items():
                # The weights of a light record are gone at its end.
                assert expected.get(name, content) == content, (at, name)
            folder, again = call(f"at {at}")
            assert again.returncode == 0, (at, again.stderr)
            assert outputs(folder) == expected, at

    return check


def test_score(killed, finished, cache, tmp_path):
    record = finished("start/runs", method="grid", slnir=30)
    words = ("score", f"runs/{record.folder.name}", "--distance", "cosine", "--cache", cache, "--quiet")
    killed(8, *words, "--device", "cpu", start=tmp_path / "start")


def test_leaderboard(killed, finished, tmp_path):
    for slnir in (0, 30):
        finished("start/runs", method="bce", slnir=slnir)
    killed(8, script=FIGURES, start=tmp_path / "start")
    assert len(list((tmp_path / "whole" / "drawn").iterdir())) == 9


def test_export(killed, finished, tmp_path):
    finished("start/runs", method="bce", slnir=30)
    killed(4, "leaderboard", "export", "all.zip", start=tmp_path / "start")


def test_compare(killed, finished, warm, cache, tmp_path):
    finished("start/made", method="bce", slnir=30)
    file = ("--compact", "--out", "baselines.zip", "--runs", "made")
    assert warm("leaderboard", "export", *file, folder=tmp_path / "start").returncode == 0
    shutil.rmtree(tmp_path / "start" / "made")
    words = (
        "compare",
        "grid",
        "--baselines",
        "baselines.zip",
        "--out",
        "table.md",
        "--workers",
        0,
        "--quiet",
    )
    killed(6, *words, "--cache", cache, start=tmp_path / "start")


def test_reproduce(killed, cache):
    words = ["reproduce", "table-1", "--dataset", "stripes", "--seeds", "1", "--epochs", "1", "--quiet"]
    words += ["--workers", "0", "--device", "cpu", "--cache", str(cache)]
    killed(6, script=REPRODUCE.replace("sys.argv[1:] or WORDS", repr(words)).replace("import sys\n", ""))
