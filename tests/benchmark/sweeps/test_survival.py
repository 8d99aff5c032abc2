"""Sweeps whose processes are killed, that meet in one folder or fill the disk: no cell is lost or computed again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from gridbench.records.record import iter_records

# Says which run it computes, when its first mini-batch comes: a log of what was really computed.
LOGGED = r'''
"""Plain training that notes when it begins."""
import os, runpy, time
from dataclasses import dataclass, replace
from gridbench import register_method
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter

if "QUOTA" in os.environ:
    runpy.run_path(os.environ["QUOTA"])

@register_method()
class Logged(Plain):
    """Plain training."""
    losses = ("bce", "fl")

    @dataclass(frozen=True)
    class Parameters:
        """What the log tells a cell by."""
        rate: float = parameter(0.0, "the noise rate", "ours", low=0, high=100)

    @classmethod
    def resolve(cls, parameters, context):
        return replace(parameters, rate=context.slnir)

    def step(self, batch):
        if batch.epoch == 0 and batch.step == 0:
            cell = f"{self.objective.loss.name} {self.p.rate:g} {batch.images.sum():.6f}"
            with open(os.environ["COMPUTED"], "a") as log:
                log.write(f"{time.time_ns()} {cell}\n")
        return super().step(batch)
'''

NUMBERS = ["config.json", "history.json", "noise.json", "noise.npz", "result.json", "retrieval.npz"]


@pytest.fixture
def sweep(tmp_path, cache):
    """Start `gridbench sweep` of loss x noise rate x seed in a process of its own."""
    plugin = tmp_path / "logged.py"
    plugin.write_text(LOGGED)
    ours = {"OMP_NUM_THREADS": "1", "COMPUTED": str(tmp_path / "computed")}

    def start(runs, *more, seeds=5, epochs=6):
        words = ["sweep", "--plugin", plugin, "--method", "logged", "--loss", "bce,fl", "--slnir", "0:30:10",
                 "--seeds", seeds, "--epochs", epochs, "--dataset", "stripes", "--cache", cache, "--runs", runs,
                 "--backbone", "test_resnet", "--batch-size", 16, "--train-size", 0, "--k", 5, "--device", "cpu",
                 *more]  # fmt: skip
        with (tmp_path / f"said-{time.time_ns()}").open("w") as said:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gridbench", *map(str, words)],
                stdout=said,
                stderr=said,
                cwd=tmp_path,
                env={**os.environ, **ours},
                start_new_session=True,
            )
        process.said = Path(said.name)
        return process

    return start


def computed(log_file):
    """Return the times at which each cell began to be computed."""
    log: dict[str, list[int]] = {}
    for line in log_file.read_text().splitlines():
        when, cell = line.split(" ", 1)
        log.setdefault(cell, []).append(int(when))
    return log


def finished(runs):
    """Return, for every finished run, what would change if it were computed again."""
    marks = {}
    for path in runs.glob("*/done"):
        state = path.stat()
        marks[path.parent.name] = (state.st_mtime_ns, state.st_ino, path.read_bytes())
    return marks


def numbers(runs):
    return {
        (record.folder.name, name): (record.folder / name).read_bytes()
        for record in iter_records(runs, verify=True)
        for name in NUMBERS
    }


def children_of(pid):
    """Return the process ids of the living children of a process."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(folder.name))
            except (OSError, IndexError):
                continue
    return found


def workers_of(process):
    """Return the process ids of a driver's workers, which are forked from one that has loaded torch."""
    return [worker for child in children_of(process.pid) for worker in children_of(child)]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.slow
def test_kills_of_driver_worker_and_both_lose_nothing_and_repeat_nothing_done(sweep, tmp_path):
    rng = random.Random(0)
    whole = sweep(tmp_path / "whole")
    assert whole.wait() == 0, whole.said.read_text()
    (tmp_path / "computed").rename(tmp_path / "computed-whole")
    runs, kills, before = tmp_path / "runs", [], {}
    process = sweep(runs)
    while len(kills) < 10:
        victim = ("driver", "worker", "both")[len(kills) % 3]
        goal = min(len(finished(runs)) + rng.randint(1, 2), 38)
        assert wait_for(
            lambda goal=goal, process=process: len(finished(runs)) >= goal or process.poll() is not None
        )
        assert process.poll() is None, process.said.read_text()
        time.sleep(rng.uniform(0, 0.3))  # short enough that runs are left for the tenth kill
        workers = workers_of(process)
        if victim != "driver":
            assert workers
            assert kill(rng.choice(workers))
        if victim != "worker":
            kill(process.pid)
            process.wait()
            assert wait_for(lambda workers=workers: not any(alive(worker) for worker in workers), 10)
            process = sweep(runs)
        now = finished(runs)
        assert {name: now.get(name) for name in before} == before
        before = now
        kills.append((victim, len(now)))
    assert process.wait() == 0, process.said.read_text()
    now = finished(runs)
    assert {name: now[name] for name in before} == before
    assert len(now) == 40
    assert numbers(runs) == numbers(tmp_path / "whole")
    # Nothing was begun again after it was done; what was interrupted before its first checkpoint was begun anew.
    begun, once = computed(tmp_path / "computed"), computed(tmp_path / "computed-whole")
    assert set(begun) == set(once)
    assert len(once) == sum(map(len, once.values())) == 40
    print(f"kills (victim, done then): {kills}; runs begun: {sum(map(len, begun.values()))} for 40 cells")


@pytest.mark.slow
def test_two_sweeps_over_one_folder_compute_each_cell_once(sweep, tmp_path):
    runs = tmp_path / "runs"
    pair = [sweep(runs), sweep(runs)]
    assert [process.wait() for process in pair] == [0, 0], [process.said.read_text() for process in pair]
    assert len(finished(runs)) == 40
    assert all(record.state == "done" for record in iter_records(runs, verify=True))
    begun = Counter({cell: len(times) for cell, times in computed(tmp_path / "computed").items()})
    print(f"cells {len(begun)}, computed {sum(begun.values())} times in all")
    assert len(begun) == 40
    assert set(begun.values()) == {1}


@pytest.mark.slow
def test_a_disk_that_fills_up_stops_the_sweep_which_goes_on_when_there_is_room(sweep, small_disk, tmp_path):
    runs = small_disk.folder / "runs"
    small_disk.leave(20 << 20)
    first = sweep(runs, "--keep", "weights", seeds=2, epochs=2)
    assert first.wait() == 1
    said = first.said.read_text()
    assert "There is no room left on the disk" in said
    assert "the same command goes on" in said.replace("\n", " ")
    assert "Traceback" not in said
    before = finished(runs)
    assert 0 < len(before) < 16
    assert {record.state for record in iter_records(runs, verify=True)} <= {"done", "incomplete"}
    small_disk.leave(100 << 20)
    again = sweep(runs, "--keep", "weights", seeds=2, epochs=2)
    assert again.wait() == 0, again.said.read_text()
    now = finished(runs)
    assert len(now) == 16
    assert {name: now[name] for name in before} == before
    print(f"done when the disk was full: {len(before)} of 16; then {len(now)}\n{said[-400:]}")
