"""What `gridbench doctor` says, and when it says that something is wrong."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import pytest


@pytest.fixture
def doctor(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("gridbench.cli.doctor.ENOUGH_ROOM", 1)
    return lambda *words: cli("doctor", "--cache", tmp_path / "cache", *words)


def test_a_healthy_machine(doctor, tmp_path):
    code, output, _ = doctor()
    lines = dict(line.split(":", 1) for line in output.splitlines() if ":" in line)
    assert (code, output.splitlines()[-1]) == (0, "No problem found.")
    assert lines.keys() >= {"gridbench", "libraries", "CPU", "threads", "devices", "cache", "runs"}
    assert str(tmp_path / "cache") in lines["cache"]
    assert f"torch {importlib.metadata.version('torch')}" in lines["libraries"]
    assert len(output.splitlines()) < 24
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("required", "said"),
    [
        (
            ["nothing-of-this-name>=1"],
            "nothing-of-this-name is missing: pip install 'nothing-of-this-name>=1'",
        ),
        (["numpy>=99.0.1"], "is older than 99.0.1: pip install --upgrade 'numpy>=99.0.1'"),
    ],
)
def test_what_every_run_needs(doctor, monkeypatch, required, said):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: required)
    code, output, _ = doctor()
    assert code == 1
    assert said in output
    assert output.splitlines()[-1] == "1 problem found."


def test_folders_without_room_or_permission(doctor, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    code, output, _ = doctor("--runs", tmp_path / "full", "--cache", tmp_path / "file" / "below")
    assert code == 1
    assert "not writable, so choose another folder with --cache" in " ".join(output.split())
    monkeypatch.setattr("gridbench.cli.doctor.ENOUGH_ROOM", 2**80)
    code, output, _ = doctor()
    assert code == 1
    assert output.splitlines()[-1] == "2 problems found."


def test_what_is_optional_is_named_with_its_purpose(doctor, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    code, output, _ = doctor()
    assert code == 0
    assert "numba is not installed, for fast chi-square distances: pip install 'gridbench[fast]'" in output
