"""Files that are none: named pipes, devices, sockets, links and sparse files wherever a file is read."""

from __future__ import annotations

import pytest
from inputs import NO_FILES

READERS: dict[str, tuple[str, list[str]]] = {
    "config": ("x.yaml", ["run", "--config", "x.yaml"]),
    "weights": ("x.pth", ["run", "--dataset", "stripes", "--weights", "x.pth", "--backbone", "test_resnet"]),
    "safetensors": ("x.safetensors", ["run", "--dataset", "stripes", "--weights", "x.safetensors"]),
    "noise table": (
        "x.csv",
        ["run", "--dataset", "stripes", "--noise", "class_dependent", "--noise-parameter", "table=x.csv"],
    ),
    "compact": ("x.zip", ["leaderboard", "--runs", "x.zip"]),
    "bundle": ("x.zip", ["leaderboard", "import", "x.zip"]),
    "clean labels": (
        "x.csv",
        ["noise", "estimate", "--clean", "x.csv", "--noisy", "x.csv", "--out", "y.csv"],
    ),
    "workbook": ("x.xlsx", ["noise", "estimate", "--clean", "x.xlsx", "--noisy", "x.xlsx", "--out", "y.csv"]),
    "parquet": (
        "x.parquet",
        ["noise", "estimate", "--clean", "x.parquet", "--noisy", "x.parquet", "--out", "y"],
    ),
    "plug-in": ("x.py", ["run", "--plugin", "x.py", "--dataset", "stripes"]),
    "manifest": ("noise.json", ["noise", "inspect", "."]),
    "arrays of a manifest": ("noise.npz", ["noise", "verify", ".", "--dataset", "stripes"]),
    "audit": ("audit.json", ["audit", "apply", ".", "--top", "1", "--out", "o"]),
}


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("reader", READERS)
def test_no_file_is_read_that_is_none(check, tmp_path, reader, kind):
    name, words = READERS[reader]
    NO_FILES[kind](tmp_path / name)
    check(*words, codes=(1, 2) if kind == "null" else (2,))


OPTIONS = {
    "labels": ["data", "prepare", "folder", "--data", ".", "--name", "n", "--cache", "c", "--labels", "x"],
    "classes": ["data", "prepare", "folder", "--data", ".", "--name", "n", "--cache", "c", "--classes", "x"],
    "arrays": ["data", "prepare", "arrays", "--images", "x", "--labels", "x", "--name", "n", "--cache", "c"],
    "parquet": ["data", "prepare", "parquet", "--data", "x", "--name", "n", "--cache", "c"],
    "exclude": [
        "data",
        "prepare",
        "bigearthnet",
        "--data",
        ".",
        "--name",
        "n",
        "--cache",
        "c",
        "--exclude",
        "x",
    ],
    "baselines": ["compare", "grid", "--dry-run", "--baselines", "x"],
    "verify": ["verify", "--config", "x"],
}


@pytest.mark.parametrize("kind", [kind for kind in NO_FILES if kind not in ("folder", "null")])
@pytest.mark.parametrize("option", OPTIONS)
def test_no_option_takes_a_file_that_is_none(check, tmp_path, option, kind):
    NO_FILES[kind](tmp_path / "x")
    check(*OPTIONS[option])
