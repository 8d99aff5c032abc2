"""Targets that would destroy what is no file of one's own."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from inputs import a_socket, bundle, fifo, to, write_record

TARGETS: dict[str, Callable[[Path], None]] = {
    "link": lambda path: path.symlink_to("precious/notes.json"),
    "dangling link": to("nowhere"),
    "link to a folder": to("precious"),
    "loop": lambda path: path.symlink_to(path.name),
    "fifo": fifo,
    "folder": Path.mkdir,
    "device": to("/dev/null"),
    "read-only": lambda path: (path.write_text("kept"), path.chmod(0o444)),
    "socket": a_socket,
}
WRITERS: dict[str, list[str]] = {
    "table": ["leaderboard", "--format", "csv", "--out", "out"],
    "page": ["leaderboard", "--format", "html", "--out", "out"],
    "bundle": ["leaderboard", "export", "out"],
    "compact": ["leaderboard", "export", "--compact", "--out", "out"],
    "estimate": ["noise", "estimate", "--clean", "a.csv", "--noisy", "a.csv", "--out", "out"],
    "sheet": ["data", "info", "stripes", "--sheet", "out"],
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_target_that_is_no_file_of_ones_own_is_refused(check, tmp_path, writer, target):
    write_record(tmp_path / "runs", seed=1)
    (tmp_path / "a.csv").write_text("file,x,y\na,1,0\nb,0,1\n")
    TARGETS[target](tmp_path / "out")
    before = (tmp_path / "out").lstat()
    check(*WRITERS[writer])
    after = (tmp_path / "out").lstat()
    assert (before.st_mode, before.st_size, before.st_ino) == (after.st_mode, after.st_size, after.st_ino)
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/zero"])
@pytest.mark.parametrize("writer", ["table", "bundle", "compact"])
def test_a_device_is_not_replaced(check, tmp_path, writer, device):
    write_record(tmp_path / "runs", seed=1)
    check(*[device if word == "out" else word for word in WRITERS[writer]])
    assert stat.S_ISCHR(Path(device).stat().st_mode)


@pytest.mark.parametrize("place", ["imported", "imported/friend"])
def test_an_import_follows_no_link(check, tmp_path, place):
    (tmp_path / "b.zip").write_bytes(bundle({}))
    link = tmp_path / "runs" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "precious")
    check("leaderboard", "import", "b.zip", "--origin", "friend")
