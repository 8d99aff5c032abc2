"""`gridbench status` with sweeps: what is left of them, how long it takes, and the live picture."""

from __future__ import annotations

import io
import json
import shlex
import threading
import time

import pytest
from filelock import FileLock
from rich.console import Console

from gridbench.cli import main
from gridbench.cli.status.watch import picture, watch_runs
from gridbench.records.record import finish_record
from gridbench.records.status import read_status
from gridbench.records.sweep_manifest import DeclaredRun, declare, declared_sweeps

CONFIG = {
    "dataset": "stripes",
    "method": "bce",
    "loss": "bce",
    "backbone": "tiny",
    "train_size": 0,
    "batch_size": 16,
    "epochs": 10,
}


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    (folder / ".locks").mkdir(parents=True)
    return folder


@pytest.fixture
def write(runs):
    """Write a run folder; a finished one took a second for each epoch, and two afterwards."""
    from gridbench.core.identity import identity, identity_of_cell

    def one(name, failed=None, epoch=None, done=True):
        folder = runs / name
        folder.mkdir()
        parts = ({**CONFIG, "name": name}, {}, None, None)
        document = {"schema": 1, "id": identity(*parts), "cell": identity_of_cell(*parts), "config": parts[0]}
        (folder / "config.json").write_text(json.dumps(document))
        if failed:
            (folder / "failed.json").write_text(json.dumps({"schema": 1, "message": failed}))
        elif epoch is not None:
            (folder / "checkpoint.json").write_text(json.dumps({"epoch": epoch}))
        elif done:
            result = {"schema": 1, "id": document["id"], "metrics": {"ndcg@5": 0.5}}
            seconds = {"training": 10.0, "validation": 0.0, "checkpoint": 0.0, "retrieval": 2.0}
            environment = {"schema": 1, "seconds": seconds, "device_name": "a core"}
            finish_record(folder, {"result.json": result, "environment.json": environment}, {})
        return folder

    return one


@pytest.fixture
def sweep(runs):
    def make(*names, command="gridbench sweep --method bce"):
        return declare(runs, command, [DeclaredRun(name, name, CONFIG) for name in names])

    return make


@pytest.fixture
def status(command, runs):
    return lambda *words: command("status", "--runs", runs, *words)[:2]


def test_what_is_left_and_how_long_it_takes(write, sweep, status, runs):
    write("a")
    write("b", epoch=5)
    sweep("a", "b", "c", "d")
    with FileLock(runs / ".locks" / "b.lock"):
        code, out = status()
    assert code == 0
    assert out.splitlines()[0] == "1 done, 1 running, 2 left"
    # Half a run of 10 epochs and its 2 s of retrieval, and two whole ones, one at a time.
    assert "gridbench sweep --method bce: 1 of 4 done, 1 running, 2 left; about 31 s to go" in out
    assert "running    b after epoch 5 of 10" in out


def test_two_running_runs_halve_the_time(write, sweep, status, runs):
    write("a")
    write("b", epoch=5)
    write("c", epoch=5)
    sweep("a", "b", "c", "d")
    with FileLock(runs / ".locks" / "b.lock"), FileLock(runs / ".locks" / "c.lock"):
        assert "2 running, 1 left; about 13 s to go" in status()[1]


def test_a_run_on_another_machine_has_no_folder_but_runs(write, sweep, status, runs):
    write("a")
    sweep("a", "b", "c")
    with FileLock(runs / ".locks" / "b.lock"):
        out = status()[1]
    assert out.splitlines()[0] == "1 done, 1 running, 1 left"
    assert "running    b on another machine" in out


def test_an_interrupted_sweep_says_how_to_go_on_and_how_to_forget_it(write, sweep, status):
    write("a")
    write("b", failed="out of luck")
    write("c", epoch=3)
    file = sweep("a", "b", "c", "d")
    code, out = status()
    assert code == 1
    assert "1 of 4 done, 1 failed, 2 left; nothing is running now, time: about 21 s of computing" in out
    assert "failed     b: out of luck" in out
    assert "To go on: gridbench sweep --method bce" in out
    file.unlink()
    assert "sweep" not in status()[1]


def test_nothing_is_promised_of_what_was_never_measured(sweep, status):
    sweep("a", "b")
    code, out = status()
    assert code == 0
    assert out.splitlines()[0] == "2 left"
    assert "unknown, nothing like it was measured here" in out


def test_finished_sweeps_are_shown_only_on_request(write, sweep, status):
    write("a")
    sweep("a")
    assert status()[1] == "1 done\n"
    assert "1 of 1 done" in status("--all")[1]


def test_json_has_the_sweeps(write, sweep, status):
    write("a")
    sweep("a", "b")
    (row,) = json.loads(status("--format", "json")[1])["sweeps"]
    assert (row["total"], row["done"], row["left"], row["running"]) == (2, 1, ["b"], [])


def test_the_same_command_again_replaces_what_it_declared(runs, sweep):
    sweep("a", "b")
    sweep("a", "b")
    assert len(declared_sweeps(runs)) == 1
    sweep("a", "c")
    (only,) = declared_sweeps(runs)
    assert [run.folder for run in only.runs] == ["a", "c"]
    sweep("a", "b", command="gridbench sweep --method elr")
    assert len(declared_sweeps(runs)) == 2


@pytest.mark.parametrize(
    "text", ["", "[", "[]", '{"schema": 9}', '{"schema": 1, "command": "x", "runs": [1]}']
)
def test_an_odd_declaration_is_no_obstacle(sweep, status, text):
    sweep("a").write_text(text)
    assert status() == (0, "No runs.\n")


def test_a_sweep_declares_its_runs_before_it_computes(cache, tmp_path, monkeypatch):
    words = ["sweep", "--dataset", "stripes", "--cache", str(cache), "--runs", str(tmp_path / "runs"),
             "--method", "untrained", "--seeds", "2", "--epochs", "1", "--workers", "0", "--device", "cpu",
             "--backbone", "test_resnet", "--k", "5", "--quiet"]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["gridbench", *words])
    seen = []

    def computed(self, execution, todo, progress):
        seen.extend(declared_sweeps(tmp_path / "runs"))

    monkeypatch.setattr("gridbench.sweeps.run_sweep.Computing.compute", computed)
    main([*words, "--dry-run"])
    assert not (tmp_path / "runs").exists()
    main(words)
    (sweep,) = seen
    assert sweep.command == shlex.join(["gridbench", *words])
    assert len(sweep.runs) == 2
    assert sweep.runs[0].config["epochs"] == 1


# Watching


def test_a_terminal_gets_a_picture_that_moves_until_the_end(write, sweep, runs):
    write("a")
    running = write("b", epoch=2)
    sweep("a", "b")
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=120, height=30)
    lock = FileLock(runs / ".locks" / "b.lock", thread_local=False)
    lock.acquire()

    def finish():
        time.sleep(0.5)
        (running / "checkpoint.json").unlink()
        lock.release()
        running.rename(runs / ".gone")
        write("b")

    worker = threading.Thread(target=finish)
    worker.start()
    report = watch_runs(lambda: read_status(runs), lambda report: [], 0.1, console)
    worker.join()
    assert report.summary() == "2 done"
    shown = output.getvalue()
    assert "1 of 2 done, 1 running" in shown
    assert "2/10" in shown
    assert "2 done" in shown


def test_elsewhere_a_line_is_printed_only_when_something_changed(write, sweep, runs, capsys):
    write("a")
    sweep("a", "b")
    looks = iter([read_status(runs), read_status(runs), read_status(runs)])

    def next_look():
        report = next(looks, None)
        if report is None:
            write("b")
            return read_status(runs)
        return report

    watch_runs(next_look, lambda report: [report.summary()], 0.01)
    assert capsys.readouterr().out == "1 done, 1 left\n\n2 done\n"


def test_the_picture_names_what_failed_and_why(write, sweep, runs):
    write("b", failed="out of luck [bold]")
    sweep("a", "b")
    output = io.StringIO()
    Console(file=output, width=120).print(picture(read_status(runs)))
    assert "b: out of luck [bold]" in output.getvalue()
    assert "1 failed" in output.getvalue()


def test_a_picture_is_not_json(status, capsys):
    assert status("--watch", "--format", "json")[0] == 2
