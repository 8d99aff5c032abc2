"""`gridbench status`: every state with its reason, exit codes, and nothing changed."""

from __future__ import annotations

import hashlib
import json
import time

import pytest
from filelock import FileLock

from gridbench.core.identity import identity, identity_of_cell


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def write(runs):
    """Write a run folder: done, or with only some of its files."""

    def one(name, done=True, failed=None, epoch=None, machine=None):
        folder = runs / name
        folder.mkdir()
        parts = ({"epochs": 9, "name": name}, {}, None, None)
        run = {"schema": 1, "id": identity(*parts), "cell": identity_of_cell(*parts), "config": parts[0]}
        documents = {
            "config.json": run,
            "result.json": {"schema": 1, "id": run["id"], "metrics": {"ndcg@5": 0.5}},
        }
        if machine:
            documents["environment.json"] = {"schema": 1, "machine": machine}
        for file, content in documents.items():
            if done or file == "config.json":
                (folder / file).write_text(json.dumps(content))
        if done:
            hashes = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in documents}
            (folder / "done").write_text(json.dumps({"schema": 1, "files": hashes}))
        if failed:
            (folder / "failed.json").write_text(json.dumps({"schema": 1, "message": failed}))
        if epoch is not None:
            (folder / "checkpoint.json").write_text(json.dumps({"epoch": epoch}))
        return folder

    return one


@pytest.fixture
def status(command, runs):
    return lambda *words: command("status", "--runs", runs, *words)


def snapshot(folder):
    return {path: (path.stat().st_mtime_ns, path.is_dir() or path.read_bytes()) for path in folder.rglob("*")}


def test_every_state_with_its_reason(write, status, runs):
    write("a-done")
    write("b-failed", done=False, failed="out of luck", epoch=4)
    write("c-incomplete", done=False)
    (write("d-corrupt") / "result.json").write_text("{")
    write("e-running", done=False, epoch=2)
    (runs / ".f.damaged-0").mkdir()
    (runs / ".locks").mkdir()
    before = snapshot(runs)
    with FileLock(runs / ".locks" / "e-running.lock"):
        code, out, _ = status()
    assert code == 1
    assert out.splitlines()[0] == "1 done, 1 running, 1 failed, 1 incomplete, 1 corrupt"
    assert "failed     b-failed after epoch 4 of 9: out of luck" in out
    assert "incomplete c-incomplete: it was not finished" in out
    assert "corrupt    d-corrupt: result.json was changed" in out
    assert "running    e-running after epoch 2 of 9" in out
    assert ".f.damaged-0" in out
    assert "a-done" not in out
    after = snapshot(runs)
    assert {path: state for path, state in after.items() if ".locks" not in str(path)} == {
        path: state for path, state in before.items() if ".locks" not in str(path)
    }


def test_imported_records_are_counted_beside_ones_own(write, status, runs):
    (runs / "imported" / "friend").mkdir(parents=True)
    for name in ("a", "b"):
        write(name).rename(runs / "imported" / "friend" / name)
    code, out, _ = status()
    assert code == 0
    assert out.splitlines() == [
        "No runs.",
        "imported   2 records of friend: gridbench leaderboard shows them",
    ]
    assert json.loads(status("--format", "json")[1])["imported"] == {"friend": 2}


def test_exit_codes(write, status, runs):
    assert status()[:2] == (0, "No runs.\n")
    write("a")
    code, out, _ = status("--all")
    assert code == 0
    assert "done       a" in out
    write("b", done=False)
    assert status()[0] == 1


def test_a_missing_folder_is_bad_input(command, tmp_path):
    code, _, messages = command("status", "--runs", tmp_path / "absent")
    assert code == 2
    assert "There is no folder" in messages


def test_json_holds_the_same(write, status):
    write("a", done=False, failed="out of luck")
    code, out, _ = status("--format", "json")
    assert code == 1
    (row,) = json.loads(out)["runs"]
    assert (row["state"], row["reason"], row["epochs"]) == ("failed", "out of luck", 9)


def test_a_lost_config_is_found(write, status):
    (write("a") / "config.json").unlink()
    code, out, _ = status()
    assert code == 1
    assert "corrupt    a: config.json" in out


def test_an_unfinished_run_of_unreadable_settings_does_not_go_on(write, status):
    (write("a", done=False, epoch=2) / "config.json").write_text("[1")
    code, out, _ = status()
    assert code == 1
    assert "corrupt    a: config.json" in out
    assert "sets a damaged run aside and computes it anew" in out
    assert "None" not in out


@pytest.mark.parametrize("epoch", [-1, 0, 10, 10**22])
def test_a_checkpoint_of_an_epoch_that_the_run_has_not_is_none(write, status, epoch):
    write("a", done=False, epoch=epoch)
    assert "incomplete a: it was not finished" in status()[1]


def test_verify_reads_every_file(finished, status):
    folder = finished(method="bce", slnir=30).folder
    assert status("--verify")[0] == 0
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert status()[0] == 0
    code, out, _ = status("--verify")
    assert code == 1
    assert "weights.safetensors was changed" in out


def test_verify_asks_for_what_the_scores_are_made_of(write, status):
    write("a")
    assert status()[0] == 0
    code, out, _ = status("--verify")
    assert code == 1
    assert "retrieval.npz is missing, so its scores cannot be computed again" in out


def test_an_odd_checkpoint_is_no_obstacle(write, status):
    (write("a", done=False) / "checkpoint.json").write_text("[1")
    assert "incomplete a: it was not finished" in status()[1]


def test_a_hundred_runs_take_a_moment(write, status):
    for number in range(100):
        write(f"run-{number:03d}")
    started = time.perf_counter()
    assert status()[0] == 0
    assert time.perf_counter() - started < 1.5


def test_machines_are_counted(write, status):
    def machine(model):
        libraries = {"torch": "2.9.1+cpu"}
        used = {"torch": "AVX2", "onednn": "AVX2", "mkl": None}
        return {"cpu": {"model": model}, "instructions": used, "libraries": libraries, "threads": 2}

    write("a", machine=machine("EPYC"))
    write("b", machine=machine("EPYC"))
    label = "EPYC, AVX2/AVX2/none, 2 threads, torch 2.9.1"
    assert status()[1].splitlines() == ["2 done", f"machine    {label}: 2 runs"]
    write("c")
    write("d", done=False)
    lines = status()[1].splitlines()
    assert [line for line in lines if line.startswith("machine")] == [
        f"machine    {label}: 2 runs",
        "machine    not recorded: 1 run",
    ]
    assert "Runs of different machines are never paired: the same seed trains otherwise there." in lines
    rows = json.loads(status("--format", "json")[1])["runs"]
    assert [row["machine"] for row in rows] == [label, label, "not recorded", None]
