"""`gridbench verify`: by name, by folder and by config.json; and a record's settings wherever --config is."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def verify(cli, cache, tmp_path):
    where = ["--cache", cache, "--device", "cpu", "--quiet"]
    return lambda *words: cli("verify", *words, *where)


@pytest.fixture
def record(finished):
    return finished("mine", method="bce", slnir=30, epochs=1)


@pytest.mark.parametrize("name", ["", "config.json"])
def test_a_run_folder_and_its_settings(verify, record, name):
    code, out, err = verify(record.folder / name)
    assert code == 0, err
    assert "Equal. All that the record keeps is what was computed here." in out
    assert "initial weights" in out
    assert verify(record.folder)[0] == 0


@pytest.mark.parametrize("kind", ["folder", "compact"])
def test_a_method_of_given_records(verify, cli, record, tmp_path, kind):
    source = record.folder.parent
    if kind == "compact":
        source = tmp_path / "records.zip"
        cli("leaderboard", "export", "--compact", "--out", source, "--runs", record.folder.parent)
    words = ("bce", "--slnir", 30, "--seed", 0, "--records", source)
    code, out, err = verify(*words)
    assert code == 0, err
    assert "Equal." in out
    assert ("to 4 digits" in out) == (kind == "compact")
    code, _, err = verify("bce", "--slnir", 40, "--records", source)
    assert code == 2
    assert "has no record of bce with slnir 40, method bce, seed 0. It has: bce at 30." in err


def test_another_experiment_is_told_without_computing(verify, record, tmp_path, monkeypatch):
    from gridbench.methods.plain import plain_method

    monkeypatch.setattr(plain_method("bce"), "version", 7)
    code, out, _ = verify(record.folder)
    assert code == 1
    assert "version method 7" in " ".join(out.split())
    assert "nothing was computed" in out
    assert not (tmp_path / "verified").exists()


def test_what_cannot_be_verified(verify, record):
    assert "There is no record" in verify("runs/none")[2]
    assert "Did you mean 'grid'" in verify("gird")[2]
    assert "leave out the settings" in verify(record.folder, "--slnir", 30)[2]
    assert "is not a record" in verify(record.folder / "history.json")[2]
    assert "name another folder" in verify(record.folder, "--runs", record.folder.parent)[2]
    (record.folder / "done").unlink()
    assert "Only a finished run can be verified" in verify(record.folder)[2]


def test_the_settings_of_a_record_are_a_file_of_settings(cli, cache, record):
    file = record.folder / "config.json"
    told = json.loads(file.read_text())
    code, out, err = cli("run", "--config", file, "--cache", cache, "--dry-run")
    assert code == 0, err
    assert told["id"] in out
    out = cli("run", "--config", file, "--seed", 1, "--cache", cache, "--dry-run")[1]
    assert told["cell"] in out
    assert told["id"] not in out
