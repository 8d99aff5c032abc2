from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.cache import archive_directory, unfinished_names
from gridbench.datasets.readers.base import Outcome, Plan, Unit
from gridbench.datasets.readers.folder.folder import FolderOptions, plan_folder
from gridbench.datasets.readers.prepare import check_name, default_workers, prepare
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.datasets.readers.source_state import state_of
from gridbench.errors import InputError

LAYOUT = Layout((GroupLayout("g", ("only",), 2, 2, "uint8"),), ("a", "b"), sources=True)


def read(argument):
    """Read a unit: a number, "bad", "drop", "odd", or "stop" (an interruption)."""
    values = argument if isinstance(argument, list) else [argument]
    samples = []
    for value in values:
        if value == "bad":
            raise Unreadable("bad.tif", "is empty")
        if value == "stop":
            raise KeyboardInterrupt
        shape = (1, 3, 3) if value == "odd" else (1, 2, 2)
        number = 0 if isinstance(value, str) else value
        labels = np.array([1, number % 2])
        sample = Sample((np.full(shape, number, np.uint8),), labels, source=bytes([number] * 32))
        samples.append(None if value == "drop" else sample)
    findings = {"left out": samples.count(None)} if None in samples else {"seen": len(values)}
    return Outcome(tuple(samples), findings)


def make_plan(arguments, settings=None):
    units, names = [], []
    for argument in arguments:
        size = len(argument) if isinstance(argument, list) else 1
        units.append(Unit(tuple(range(len(names), len(names) + size)), argument))
        names += [f"n{len(names) + k}" for k in range(size)]
    return Plan(
        "test", LAYOUT, names, ["train"] * len(names), units, read, settings or {}, {"notes": ["hello"]}
    )


def values(archive):
    return {name: int(archive.groups[0].pixels[i, 0, 0, 0]) for i, name in enumerate(archive.names)}


def test_what_can_be_read_is_packed_and_the_rest_is_listed(tmp_path):
    archive = prepare(make_plan([1, "bad", 3, "drop", [5, 6], "odd"]), tmp_path, "x")
    assert values(archive) == {"n0": 1, "n2": 3, "n4": 5, "n5": 6}
    assert archive.report["failed_count"] == 2
    assert archive.report["failed"][0] == {"file": "bad.tif", "reason": "is empty"}
    assert archive.report["failed"][1]["file"] == "n6"
    assert archive.report["findings"] == {"left out": 1, "seen": 5}
    assert archive.report["notes"] == ["hello"]
    archive.verify()
    assert not unfinished_names(tmp_path)


def many_images(root, count=120):
    (root / "images").mkdir(parents=True)
    for i in range(count):
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(root / "images" / f"i{i:03d}.png")
    (root / "labels.csv").write_text("file,labels\n" + "".join(f"i{i:03d}.png,a\n" for i in range(count)))
    return root


def test_several_processes_give_the_same_archive(tmp_path):
    root = many_images(tmp_path / "mine", 40)
    whole = (root / "images" / "i007.png").read_bytes()
    (root / "images" / "i007.png").write_bytes(whole[:60])
    plan = plan_folder(root, FolderOptions())
    one = prepare(plan, tmp_path / "one", "x", workers=1)
    two = prepare(plan, tmp_path / "two", "x", workers=2)
    assert len(one) == 39
    assert one.fingerprint == two.fingerprint
    assert one.report == two.report


def test_an_interrupted_command_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        prepare(make_plan([1, "drop", 3, "stop", 5]), tmp_path, "x")
    assert not archive_directory(tmp_path, "x").exists()
    assert unfinished_names(tmp_path) == ["x"]
    plan = make_plan([1, "drop", 3, 4, 5])
    calls = []

    def counting(argument):
        calls.append(argument)
        return read(argument)

    again = Plan(
        plan.kind, plan.layout, plan.names, plan.split, plan.units, counting, plan.settings, plan.report
    )
    archive = prepare(again, tmp_path, "x")
    assert calls == [4, 5]
    assert values(archive) == {"n0": 1, "n2": 3, "n3": 4, "n4": 5}
    assert archive.report["findings"] == {"left out": 1, "seen": 4}
    assert not unfinished_names(tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork")
def test_kills_at_any_write_and_a_disk_that_is_full_there_change_no_number(tmp_path, monkeypatch):
    """Before, what was found in the images of the last seconds was lost, or they were all read again."""
    arguments = [1, "drop", [3, 4], "drop", 5, 6]
    whole = prepare(make_plan(arguments), tmp_path, "whole")
    flush, rename, calls = os.fsync, os.replace, [0]

    def interrupted(number, stop):
        def counted(function):
            def call(*words, **more):
                if number <= calls[0]:
                    stop()
                calls[0] += 1
                return function(*words, **more)

            return call

        calls[0] = 0
        with monkeypatch.context() as patched:
            # Rows are noted as done after every unit.
            clock = itertools.count(0, 60)
            patched.setattr(time, "monotonic", lambda: float(next(clock)))
            patched.setattr(os, "fsync", counted(flush))
            patched.setattr(os, "replace", counted(rename))
            prepare(make_plan(arguments), tmp_path, f"x{number}")

    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    interrupted(1000, full)
    writes = calls[0]
    assert writes > 20
    for number, stop in itertools.product(range(writes), (full, lambda: os._exit(9))):
        # Only what is killed needs a process of its own, which is slow to copy from one as large as this.
        child = None if stop is full else os.fork()
        if not child:
            with contextlib.suppress(OSError):
                interrupted(number, stop)
        if child == 0:
            os._exit(9)
        if child:
            os.waitpid(child, 0)
        archive = prepare(make_plan(arguments), tmp_path, f"x{number}")
        assert (archive.fingerprint, archive.report) == (whole.fingerprint, whole.report), (number, stop)
        shutil.rmtree(archive.directory)


def test_files_that_failed_are_tried_again_after_an_interruption(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        prepare(make_plan([1, "bad", "stop"]), tmp_path, "x")
    archive = prepare(make_plan([1, 2, 3]), tmp_path, "x")
    assert values(archive) == {"n0": 1, "n1": 2, "n2": 3}
    assert archive.report["failed_count"] == 0


def test_other_settings_do_not_go_on_with_what_is_there(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        prepare(make_plan([1, "stop"], {"a": 1}), tmp_path, "x")
    archive = prepare(make_plan([7, 8], {"a": 2}), tmp_path, "x")
    assert values(archive) == {"n0": 7, "n1": 8}


def test_the_same_plan_again_does_nothing_and_another_is_refused(tmp_path):
    first = prepare(make_plan([1, 2]), tmp_path, "x")
    plan = make_plan([1, 2])
    again = Plan(
        plan.kind, plan.layout, plan.names, plan.split, plan.units, pytest.fail, plan.settings, plan.report
    )
    assert prepare(again, tmp_path, "x").fingerprint == first.fingerprint
    with pytest.raises(InputError, match=r"another archive 'x'.*--name.*--force"):
        prepare(make_plan([1, 2, 3]), tmp_path, "x")
    assert len(prepare(make_plan([1, 2, 3]), tmp_path, "x", force=True)) == 3


@pytest.mark.parametrize(("other", "taken"), [([1, 3], True), ([1, 3, 5], False)])
def test_an_archive_that_another_process_packs_meanwhile_is_compared_too(tmp_path, monkeypatch, other, taken):
    """Between the look whether it is there and the lock, a command with the same name was faster."""

    def faster(units):
        monkeypatch.undo()
        prepare(make_plan(other), tmp_path, "x")
        return state_of(units)

    monkeypatch.setattr("gridbench.datasets.readers.prepare.state_of", faster)
    if taken:
        assert len(prepare(make_plan([1, 3]), tmp_path, "x")) == 2
        return
    with pytest.raises(InputError, match="There is another archive 'x' already"):
        prepare(make_plan([1, 3]), tmp_path, "x")


def test_nothing_readable_is_an_error_with_the_first_reasons(tmp_path):
    with pytest.raises(InputError, match=r"Nothing could be read of 2 samples. bad.tif is empty"):
        prepare(make_plan(["bad", "bad"]), tmp_path, "x")
    with pytest.raises(InputError, match="1 x left out"):
        prepare(make_plan(["drop"]), tmp_path, "x")
    assert not unfinished_names(tmp_path)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 101, "bluemarble"])
def test_names_that_cannot_be_used(name):
    with pytest.raises(InputError):
        check_name(name)


def test_little_work_needs_no_processes():
    assert default_workers(10) == 1
    assert default_workers(100000) >= 1


def test_the_hash_of_the_sources_is_kept_but_is_no_content(tmp_path):
    first = prepare(make_plan([1, 2]), tmp_path / "a", "x")
    stored = np.load(first.directory / "sources.npy", allow_pickle=False)
    assert sorted(stored[:, 0].tolist()) == [1, 2]
    other = Plan(
        "test", LAYOUT, ["n0", "n1"], ["train"] * 2, make_plan([1, 2]).units, read_with_other_sources
    )
    second = prepare(other, tmp_path / "b", "x")
    assert second.fingerprint == first.fingerprint
    assert (np.load(second.directory / "sources.npy", allow_pickle=False) != stored).all()


def read_with_other_sources(argument):
    outcome = read(argument)
    sample = outcome.samples[0]
    return Outcome((Sample(sample.images, sample.scene_labels, source=b"\xff" * 32),), outcome.findings)


SCRIPT = """
import multiprocessing
import sys
import time
from pathlib import Path
from gridbench.datasets.readers.folder.folder import FolderOptions, plan_folder
from gridbench.datasets.readers.prepare import prepare

if __name__ == "__main__":
    def slow(done, total, message):
        if message.startswith("packing"):
            print(done, *(child.pid for child in multiprocessing.active_children()), flush=True)
            time.sleep(0.02)
    plan = plan_folder(Path(sys.argv[1]), FolderOptions())
    prepare(plan, Path(sys.argv[2]), "mine", workers=2, progress=slow)
"""


def has_ended(pid):
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_command_leaves_nothing_half_and_the_next_completes_it(tmp_path, kill):
    count = 120
    root = many_images(tmp_path / "mine", count)
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(root), str(tmp_path / "cache")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    )
    said = ["0"]
    while int(said[0]) < 30:
        said = process.stdout.readline().split()
    process.send_signal(kill)
    process.wait(60)
    workers = [int(word) for word in said[1:]]
    assert len(workers) == 2
    assert all(has_ended(pid) for pid in workers)
    directory = archive_directory(tmp_path / "cache", "mine")
    assert not directory.exists()
    plan = plan_folder(root, FolderOptions())
    archive = prepare(plan, tmp_path / "cache", "mine", workers=1)
    archive.verify()
    assert values(archive) == {f"i{i:03d}": i for i in range(count)}
    assert json.loads((directory / "index.json").read_text())["report"]["failed_count"] == 0
