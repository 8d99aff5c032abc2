"""Files that are written whole or not at all, and what is said of those that cannot be."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gridbench.cli import main
from gridbench.core import files
from gridbench.core.files import write_bytes
from gridbench.errors import InputError


@pytest.fixture
def read_only(monkeypatch):
    """Have a disk refuse every change, as one that is mounted read-only does, also of what is not there."""

    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(files, "_new", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)


def test_a_disk_that_is_read_only_is_told_by_the_name_of_the_file(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)) as caught:
        write_bytes(tmp_path / "list.csv", b"content")
    assert caught.value.filename == str(tmp_path / "list.csv")


def test_the_command_line_says_what_to_do(tmp_path, read_only, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["leaderboard", "--baselines", "--format", "csv", "--out", str(tmp_path / "table.csv")])
    text = " ".join(capsys.readouterr().err.split())
    assert stop.value.code == 2
    assert text.endswith("table.csv: Read-only file system. Check its permissions, or name another place.")


@pytest.mark.parametrize("name", ["", "made", "made/in it"])
def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch, name):
    files.check_writable(tmp_path / name)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InputError, match=r"Nothing can be written to the folder .* Name another folder"):
        files.check_writable(tmp_path / name)


@pytest.mark.parametrize("words", [["--out", "table.csv"], ["--figures", "drawn"]])
def test_nothing_is_read_for_a_target_that_cannot_be_written(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SystemExit) as stop:
        main(["leaderboard", "--runs", "nothing", *words])
    assert stop.value.code == 2
    assert "Nothing can be written to the folder" in capsys.readouterr().err
