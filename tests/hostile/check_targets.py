"""Targets that would destroy what is not a file of one's own."""

from __future__ import annotations

import json
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
    "submission": ["leaderboard", "submit", "out"],
    "LaTeX": ["leaderboard", "--format", "latex", "--out", "out"],
    "JSON": ["leaderboard", "--format", "json", "--out", "out"],
    "figures": ["leaderboard", "--figures", "out"],
    "noise": ["noise", "apply", "--dataset", "stripes", "--slnir", "30", "--out", "out"],
    "drawing": ["noise", "inspect", "runs", "--figure", "out"],
    "examples": ["noise", "inspect", "runs", "--examples", "out"],
    "reproduction": ["reproduce", "figure2", "--dry-run", "--out", "out"],
    "comparison": ["compare", "bce", "--dry-run", "--out", "out"],
}
# These are folders, which may be there already.
FOLDERS = [("figures", "folder"), ("noise", "folder"), ("reproduction", "folder")]


@pytest.mark.parametrize(
    ("writer", "target"),
    [(writer, target) for writer in WRITERS for target in TARGETS if (writer, target) not in FOLDERS],
)
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


@pytest.mark.parametrize("writer", ["table", "page", "bundle", "compact", "estimate", "sheet"])
def test_a_hard_link_is_replaced_and_not_written_through(check, tmp_path, writer):
    write_record(tmp_path / "runs", seed=1)
    (tmp_path / "a.csv").write_text("file,x,y\na,1,0\nb,0,1\n")
    (tmp_path / "out").hardlink_to(tmp_path / "precious" / "notes.json")
    check(*WRITERS[writer], codes=(0, 2))


@pytest.mark.parametrize("name", ["archives/mine", "archives"])
def test_an_archive_is_not_packed_through_a_link(check, tmp_path, name):
    (tmp_path / "c" / name).parent.mkdir(parents=True)
    (tmp_path / "c" / name).symlink_to(tmp_path / "precious")
    (tmp_path / "labels.csv").write_text("file,x\n")
    words = ["data", "prepare", "folder", "--data", ".", "--name", "mine", "--cache", "c", "--force"]
    check(*words)


SWEEP = ["sweep", "--method", "grid", "--dataset", "stripes", "--epochs", "1", "--seeds", "1"]


@pytest.mark.parametrize("kind", ["link to a folder", "dangling link", "loop", "fifo", "device", "socket"])
@pytest.mark.parametrize(
    ("name", "more"), [(".locks", []), (".sweeps", []), ("selections", ["--select", "lambda"])]
)
def test_notes_are_written_to_no_target_but_a_folder(check, tmp_path, name, more, kind):
    """It is looked at before a process is started, which would import torch first."""
    (tmp_path / "runs").mkdir()
    TARGETS[kind](tmp_path / "runs" / name)
    answer = check(*SWEEP, *more)
    assert "not a folder of gridbench's own" in " ".join(answer.text.split())
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [name]


def test_a_folder_that_becomes_a_link_loses_nothing(tmp_path):
    """Somebody exchanges the run folder between the look at it and the clearing of it."""
    from gridbench.core.files import UnsafeFile
    from gridbench.records import run_folder

    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.mkdir()
    (victim / "result.json").write_text("kept")
    folder.symlink_to(victim)
    with pytest.raises(UnsafeFile, match="is a link"):
        run_folder.clear_leftovers(folder)
    assert (victim / "result.json").read_text() == "kept"


SETTINGS = {
    "method": "bce",
    "loss": "bce",
    "dataset": "stripes",
    "epochs": 1,
    "backbone": "test_resnet",
    "train_size": 0,
    "batch_size": 16,
}
RUN = [word for name, value in SETTINGS.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.mark.parametrize(
    "place", [".locks/{}.lock", "{}/config.json", "{}/checkpoint.json", "{}/noise.npz", "{}"]
)
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_run_writes_through_no_link_in_its_folder(check, tmp_path, cache, place, kind):
    """It replaces the link, or sets the folder aside; what the link leads to stays, as `check` looks after."""
    from gridbench.config import make_config
    from gridbench.plan import make_plan

    name = make_plan(make_config(SETTINGS), cache).folder_name
    target = tmp_path / "runs" / place.format(name)
    target.parent.mkdir(parents=True)
    TARGETS[kind](target) if kind == "fifo" else target.symlink_to(tmp_path / "precious" / "notes.json")
    check("status", codes=(0, 1))
    check("run", *RUN, codes=(0, 2), memory=None)


@pytest.mark.parametrize("name", ["../../precious/notes", "../x", "/tmp/x", "a/b", "..", "", "\\x", "a\0b"])
def test_a_note_of_a_sweep_leads_to_no_lock_elsewhere(check, tmp_path, name):
    """Taking a lock creates, and by older libraries empties, its file."""
    write_record(tmp_path / "runs", seed=1)
    (tmp_path / "x.lock").write_text("kept")
    for folder in (".sweeps", ".locks"):
        (tmp_path / "runs" / folder).mkdir()
    run = {"folder": name, "label": "x", "config": {}}
    note = json.dumps({"schema": 1, "command": "gridbench sweep", "runs": [run]})
    (tmp_path / "runs" / ".sweeps" / "a.json").write_text(note)
    assert name == "" or "sweep " not in check("status", codes=(0, 1)).text
    assert (tmp_path / "x.lock").read_text() == "kept"
