"""Files that are written whole or not at all, and what is said of those that cannot be."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gridbench.cli import main
from gridbench.core import files
from gridbench.core.files import UnsafeFile, all_or_nothing, check_free, write_bytes
from gridbench.core.files.targets import temporary_name
from gridbench.errors import InputError


@pytest.fixture
def read_only(monkeypatch):
    """Have a disk refuse every change, as one that is mounted read-only does, also of what is not there."""
    opened = Path.open

    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def only_read(path, mode="r", *words, **settings):
        return (refuse if set(mode) & set("wxa+") else opened)(path, mode, *words, **settings)

    monkeypatch.setattr(Path, "open", only_read)
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


@pytest.mark.parametrize("name", ["", "made", "made/in it"])
def test_a_folder_below_a_file_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("text", encoding="utf-8")
    with pytest.raises(InputError, match=r"file' is not a folder, so nothing can be written below it"):
        files.check_writable(tmp_path / "file" / name)


@pytest.mark.parametrize("name", ["", "made/in it"])
def test_a_folder_that_is_a_link_to_nowhere_is_refused(tmp_path, name):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"link' is not a folder, so nothing can be written below it"):
        files.check_writable(tmp_path / "link" / name)


@pytest.mark.parametrize("words", [["--out", "table.csv"], ["--figures", "drawn"]])
def test_nothing_is_read_for_a_target_that_cannot_be_written(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(SystemExit) as stop:
        main(["leaderboard", "--runs", "nothing", *words])
    assert stop.value.code == 2
    assert "Nothing can be written to the folder" in capsys.readouterr().err


@pytest.mark.parametrize("room", [0, 1, 2])
def test_of_several_files_all_are_written_or_none(tmp_path, full_disk, room):
    old, new = tmp_path / "old.csv", tmp_path / "in it" / "new.csv"
    old.write_bytes(b"old")
    new.parent.mkdir()

    def write():
        with all_or_nothing(tmp_path):
            write_bytes(old, b"newer")
            write_bytes(new, b"new")

    with full_disk(room):
        if room < 2:
            with pytest.raises(OSError, match="No space left") as caught:
                write()
            assert caught.value.filename == str((old, new)[room])
        else:
            write()
    found = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == ({"old.csv": b"old"} if room < 2 else {"old.csv": b"newer", "new.csv": b"new"})


@pytest.mark.parametrize("there", [[], ["out"], ["out", "own"]], ids=["nothing", "its parent", "the folder"])
def test_a_folder_is_only_made_for_files_that_are_written(tmp_path, full_disk, there):
    folder = tmp_path / "out" / "own"
    for name in there:
        (tmp_path / "out" / name if name == "own" else tmp_path / name).mkdir()
    before = sorted(tmp_path.rglob("*"))

    def write():
        with all_or_nothing(folder):
            write_bytes(folder / "a", b"a")
            (folder / "below").mkdir(exist_ok=True)
            write_bytes(folder / "below" / "b", b"b")

    with full_disk(1), pytest.raises(OSError, match="No space left"):
        write()
    after = sorted(tmp_path.rglob("*"))
    assert [path for path in after if path.name != "below"] == before
    write()
    assert (folder / "below" / "b").read_bytes() == b"b"


def test_of_several_files_none_gets_its_name_if_one_may_not_be_replaced_any_more(tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"

    def write():
        with all_or_nothing(tmp_path):
            write_bytes(first, b"first")
            write_bytes(second, b"second")
            second.mkdir()

    with pytest.raises(UnsafeFile, match=r"second.csv is a folder"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["second.csv"]


def test_what_a_kill_leaves_behind_is_free(tmp_path):
    left = temporary_name(tmp_path / "out" / "a.png")
    left.parent.mkdir()
    left.write_bytes(b"half")
    check_free([tmp_path / "out"], force=False)
    (tmp_path / "out" / ".kept.part").write_bytes(b"somebody else's")
    with pytest.raises(InputError, match=r"out would be replaced"):
        check_free([tmp_path / "out"], force=False)


def test_folders_without_files_are_free(tmp_path):
    (tmp_path / "out" / "masks").mkdir(parents=True)
    check_free([tmp_path / "out", tmp_path / "none"], force=False)
    (tmp_path / "out" / "masks" / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"out would be replaced"):
        check_free([tmp_path / "out"], force=False)
