"""Runs that are killed, interrupted, starved of disk or doubled: nothing finished is lost, and no number changes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.errors import InputError, RunFailed
from gridbench.records.record import iter_records, read_record
from gridbench.records.runner import Execution, run

NUMBERS = [
    "config.json",
    "detection.npz",
    "history.json",
    "noise.json",
    "noise.npz",
    "result.json",
    "retrieval.npz",
    "weights.safetensors",
]

KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def words(cache):
    def make(runs):
        return ["run", "--runs", runs, "--cache", cache, "--dataset", "stripes", "--backbone", "test_resnet",
                "--method", "grid", "--slnir", 30, "--epochs", 3, "--batch-size", 16, "--train-size", 0, "--k", 5,
                "--device", "cpu", "--threads", 1, "--quiet"]  # fmt: skip

    return make


@pytest.fixture(scope="module")
def whole(warm, words, tmp_path_factory):
    """The files of the uninterrupted run, and how often it wrote."""
    runs = tmp_path_factory.mktemp("whole")
    done = warm(*words(runs))
    assert done.returncode == 0, done.stderr
    return numbers(runs), done.writes


def numbers(runs: Path) -> dict[str, bytes]:
    (record,) = iter_records(runs, verify=True)
    assert record.state == "done", record.reason
    return {name: (record.folder / name).read_bytes() for name in NUMBERS}


def leftovers(runs: Path) -> list[str]:
    (record,) = iter_records(runs)
    return [path.name for path in record.folder.iterdir() if path.name.startswith((".", "checkpoint"))]


def test_a_run_writes_often_enough_to_be_worth_killing(whole):
    assert whole[1] > 20


def kill_at_write(warm, words, whole, runs, at):
    assert warm(*words(runs), at=at).returncode == KILLED
    states = {stored.state for stored in iter_records(runs, verify=True)}
    assert states <= {"incomplete", "done"}
    assert warm(*words(runs)).returncode == 0
    assert numbers(runs) == whole[0]


@pytest.mark.parametrize("share", [0.05, 0.35, 0.65, 0.95])
def test_a_run_killed_while_it_writes_goes_on_to_the_same_bits(warm, words, whole, tmp_path, share):
    at = int(share * whole[1])
    kill_at_write(warm, words, whole, tmp_path / "runs", at)
    assert leftovers(tmp_path / "runs") == []


@pytest.mark.slow
def test_a_run_killed_at_every_single_write_goes_on_to_the_same_bits(warm, words, whole, tmp_path):
    for at in range(whole[1]):
        kill_at_write(warm, words, whole, tmp_path / f"runs{at}", at)


def test_a_run_killed_again_and_again_gets_there(warm, words, whole, tmp_path):
    runs = tmp_path / "runs"
    for at in (8, 9, 10, 14):
        warm(*words(runs), at=at)
    assert warm(*words(runs)).returncode == 0
    assert numbers(runs) == whole[0]


@pytest.mark.slow
def test_twenty_kills_at_random_moments_of_the_command_itself(warm, whole, words, tmp_path):
    rng = random.Random(0)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(runs):
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gridbench", *map(str, words(runs))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        )

    def wait_for(runs, process, name):
        while not any(runs.glob(f"*/{name}")) and process.poll() is None:
            time.sleep(0.002)

    # Moments between the first and the last file of a run: what comes before are imports, and after it all is done.
    with start(tmp_path / "measured") as process:
        wait_for(tmp_path / "measured", process, "config.json")
        began = time.perf_counter()
        wait_for(tmp_path / "measured", process, "done")
        span = time.perf_counter() - began
    killed = 0
    for number in range(40):
        runs = tmp_path / f"runs{number}"
        with start(runs) as process:
            wait_for(runs, process, "config.json")
            time.sleep(rng.uniform(0, span))
            process.kill()
        (stored,) = iter_records(runs, verify=True)
        killed += process.returncode == KILLED and stored.state != "done"
        if stored.state == "done":
            span *= 0.9  # the measured run was slower: its libraries were read from the disk
        assert warm(*words(runs)).returncode == 0
        assert numbers(runs) == whole[0]
        if killed == 20:
            break
    assert killed == 20


def test_ctrl_c_says_how_to_go_on_and_loses_no_finished_epoch(warm, words, tmp_path):
    runs = tmp_path / "runs"
    process = warm.start(*words(runs), "--epochs", 400)
    while not any(runs.glob("*/checkpoint.json")):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    messages = process.wait().stderr
    assert process.returncode == 130, messages
    assert "Give the same command again: training goes on after the last finished epoch" in messages
    assert "Traceback" not in messages
    (stored,) = iter_records(runs)
    assert stored.state == "incomplete"
    assert any(stored.folder.glob("checkpoint-*.safetensors"))


# Full disks, folders that cannot be written, other processes


@pytest.fixture
def execution(tmp_path, cache):
    def make(runs, **more):
        return Execution(runs=runs, cache=cache, device="cpu", threads=1, **more)

    return make


@pytest.mark.parametrize("leave", [0, 20_000, 400_000, 8_000_000])
def test_a_full_disk_is_one_message_and_leaves_what_is_finished(small_disk, execution, settings, leave):
    runs = small_disk.folder / "runs"
    first = run(make_config({**settings, "method": "bce"}), execution(runs, keep="light"))
    kept = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    small_disk.leave(leave)
    other = make_config({**settings, "method": "bce", "seed": 1})
    with pytest.raises((RunFailed, InputError)) as caught:
        run(other, execution(runs))
    assert "No space left" in str(caught.value)
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == kept
    assert read_record(first.folder, verify=True).state == "done"
    assert {stored.state for stored in iter_records(runs, verify=True)} <= {"done", "failed", "incomplete"}
    assert not list(runs.rglob("*.part"))
    small_disk.leave(24 << 20)
    assert read_record(run(other, execution(runs, keep="light")).folder, verify=True).state == "done"


def test_a_forced_run_that_finds_no_room_loses_nothing(small_disk, execution, settings):
    runs = small_disk.folder / "runs"
    config = make_config({**settings, "method": "bce"})
    first = run(config, execution(runs, keep="light"))
    kept = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    small_disk.leave(50_000)
    with pytest.raises(RunFailed, match=r"No space left.*to replace is in"):
        run(config, execution(runs, force=True))
    (aside,) = runs.glob(".*replaced-*")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == kept
    small_disk.leave(24 << 20)
    again = run(config, execution(runs, keep="light"))
    assert again.metrics == first.metrics
    assert not list(runs.glob(".*replaced-*"))


def test_a_full_disk_in_the_middle_of_training_goes_on_when_there_is_room(
    execution, settings, tmp_path, monkeypatch
):
    config = make_config({**settings, "method": "bce"})
    whole = run(config, execution(tmp_path / "whole"))
    fsync, left = os.fsync, [6]

    def full(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed, match=r"no room left.*No space left"):
        run(config, execution(tmp_path / "runs"))
    monkeypatch.undo()
    said = []
    again = run(config, execution(tmp_path / "runs", say=said.append))
    assert said[0].startswith("Going on after epoch ")
    assert {name: (again.folder / name).read_bytes() for name in NUMBERS} == {
        name: (whole.folder / name).read_bytes() for name in NUMBERS
    }


def test_a_runs_folder_that_cannot_be_written_is_bad_input(execution, settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot be written.*--runs"):
        run(make_config({**settings, "method": "bce", "epochs": 1}), execution(tmp_path / "file" / "runs"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_read_only_file_system_is_bad_input(small_disk, execution, settings):
    # Even root cannot write here, whom permissions do not stop.
    small_disk.protect()
    with pytest.raises(InputError, match="Read-only file system"):
        run(make_config({**settings, "method": "bce", "epochs": 1}), execution(small_disk.folder / "runs"))
    assert list(small_disk.folder.iterdir()) == []


def test_a_file_where_the_run_folder_should_be_is_set_aside(execution, settings, tmp_path):
    config = make_config({**settings, "method": "bce", "epochs": 1})
    name = run(config, execution(tmp_path / "first")).folder.name
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / name).write_text("somebody's notes")
    record = run(config, execution(tmp_path / "runs"))
    assert record.state == "done"
    (aside,) = (tmp_path / "runs").glob(".*damaged-*")
    assert aside.read_text() == "somebody's notes"


def test_a_folder_of_another_run_is_set_aside(execution, settings, tmp_path):
    config = make_config({**settings, "method": "bce", "epochs": 1})
    other = run(
        make_config({**settings, "method": "bce", "epochs": 1, "seed": 9}), execution(tmp_path / "other")
    )
    name = run(config, execution(tmp_path / "first")).folder.name
    shutil.copytree(other.folder, tmp_path / "runs" / name)
    said = []
    record = run(config, execution(tmp_path / "runs", say=said.append))
    assert "belongs to another run" in said[0]
    assert record.id != other.id
    (aside,) = (tmp_path / "runs").glob(".*damaged-*")
    assert read_record(aside, verify=True).id == other.id


def test_two_processes_at_once_make_one_record(warm, words, tmp_path):
    runs = tmp_path / "runs"
    pair = [warm.start(*words(runs), "--epochs", 20) for _ in range(2)]
    said = [process.wait().stderr for process in pair]
    codes = sorted(process.returncode for process in pair)
    # The second is turned away, unless it came so late that all was done.
    assert codes in ([0, 2], [0, 0])
    if codes == [0, 2]:
        assert any("Another process is computing this run" in text for text in said)
    assert not any("Traceback" in text for text in said)
    (record,) = iter_records(runs, verify=True)
    assert record.state == "done"
    assert len(record.epochs()) == 20


# Checkpoints and records that cannot be trusted


@pytest.fixture(scope="module")
def killed(warm, words, tmp_path_factory):
    """A run that was killed after its second checkpoint."""
    runs = tmp_path_factory.mktemp("killed") / "runs"
    assert warm(*words(runs), at=12).returncode == KILLED
    (index,) = runs.glob("*/checkpoint.json")
    assert json.loads(index.read_text())["epoch"] >= 1
    return runs


@pytest.fixture
def interrupted(killed, tmp_path):
    """A copy of it."""
    return shutil.copytree(killed, tmp_path / "runs")


def flip(path: Path, share: float) -> None:
    content = bytearray(path.read_bytes())
    content[min(int(share * len(content)), len(content) - 1)] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("pattern", ["checkpoint.json", "checkpoint-*.safetensors", "config.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_a_flipped_byte_of_an_unfinished_run_changes_no_number(
    warm, words, whole, interrupted, pattern, share
):
    for path in interrupted.glob(f"*/{pattern}"):
        flip(path, share)
    assert warm(*words(interrupted)).returncode == 0
    assert numbers(interrupted) == whole[0]


@pytest.mark.parametrize("pattern", ["checkpoint.json", "checkpoint-*.safetensors"])
@pytest.mark.parametrize("size", [0, 10])
def test_a_truncated_checkpoint_changes_no_number(warm, words, whole, interrupted, pattern, size):
    for path in interrupted.glob(f"*/{pattern}"):
        path.write_bytes(path.read_bytes()[:size])
    assert warm(*words(interrupted)).returncode == 0
    assert numbers(interrupted) == whole[0]
    assert any(interrupted.glob("*/checkpoint.damaged-0/*"))


@pytest.mark.parametrize("pattern", ["checkpoint.json", "checkpoint-*.safetensors"])
@pytest.mark.parametrize("kind", ["folder", "loop", "link"])
def test_what_stands_in_the_place_of_a_checkpoint_is_set_aside(
    warm, words, whole, interrupted, pattern, kind
):
    """No later checkpoint replaces it, so that every attempt failed."""
    (path,) = interrupted.glob(f"*/{pattern}")
    elsewhere = interrupted / "elsewhere"
    path.replace(elsewhere)
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name if kind == "loop" else elsewhere)
    kept = elsewhere.read_bytes()
    done = warm(*words(interrupted))
    assert done.returncode == 0, done.stderr
    assert numbers(interrupted) == whole[0]
    assert elsewhere.read_bytes() == kept


def test_a_checkpoint_of_other_networks_is_set_aside_and_leaves_no_trace(warm, words, whole, interrupted):
    from safetensors.torch import load, save

    from gridbench.training.checkpoint import checkpoint_digest

    (path,) = interrupted.glob("*/checkpoint-*.safetensors")
    tensors = {
        name: value + 1 if value.is_floating_point() else value
        for name, value in load(path.read_bytes()).items()
    }
    tensors.pop(sorted(name for name in tensors if name.startswith("method/"))[-1])
    path.write_bytes(save(tensors))
    index = json.loads((path.parent / "checkpoint.json").read_text())
    index.pop("check")
    index["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "checkpoint.json").write_text(json.dumps({**index, "check": checkpoint_digest(index)}))
    assert warm(*words(interrupted)).returncode == 0
    assert numbers(interrupted) == whole[0]


def test_the_leaderboard_leaves_out_a_record_with_a_changed_number(warm, words, tmp_path, capsys):
    runs = tmp_path / "runs"
    assert warm(*words(runs)).returncode == 0
    (result,) = runs.glob("*/result.json")
    text = result.read_text()
    digit = text.index('"ndcg@5": 0.') + len('"ndcg@5": 0.')
    result.write_text(text[:digit] + ("1" if text[digit] != "1" else "2") + text[digit + 1 :])
    with pytest.raises(SystemExit) as stop:
        main(["leaderboard", "--runs", str(runs)])
    assert stop.value.code == 2
    assert "1 corrupt" in capsys.readouterr().err
