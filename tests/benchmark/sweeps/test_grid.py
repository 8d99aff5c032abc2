"""Sweeps: how a declaration is expanded, what is left out, and engines whose workers may die."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from decimal import Decimal
from types import SimpleNamespace

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from gridbench.config import make_config
from gridbench.core.cores import shares_of_cores
from gridbench.engines.in_process import InProcess
from gridbench.engines.local import LocalPool
from gridbench.errors import InputError
from gridbench.records.record import iter_records
from gridbench.records.runner import Execution, run
from gridbench.records.runtime import Measured
from gridbench.sweeps.grid import expand, make_sweep, seeds_of, several, values_of


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("grid", ["grid"]),
        ("grid,bce", ["grid", "bce"]),
        ("0:60:10", ["0", "10", "20", "30", "40", "50", "60"]),
        ("0:1:0.1", ["0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]),
        ("5:5:1", ["5"]),
        ("0:25:10", ["0", "10", "20"]),
        ("0,30,0:60:30", ["0", "30", "60"]),
        (" a , b ", ["a", "b"]),
    ],
)
def test_lists_and_ranges(text, values):
    assert values_of(text) == values


@pytest.mark.parametrize("text", ["0:60:0", "60:0:10", "0:60:-1", "a:b:c", "0:nan:1", "a,,b", "", "0:1:1e-9"])
def test_ranges_that_have_no_values_are_refused(text):
    with pytest.raises(InputError):
        values_of(text)


@pytest.mark.parametrize(
    "text", ["0,0", "30,30", "30,30.0", "1e1,10", "grid,bce,grid", "0:60:30,5,5", "auto, auto"]
)
def test_a_value_that_is_written_twice_is_refused(text):
    twice = text.split(",")[-1].strip()
    with pytest.raises(InputError, match=f"{re.escape(text)} has {re.escape(twice)} twice"):
        values_of(text)
    with pytest.raises(InputError, match="twice"):
        several("slnir", text.split(","))


@pytest.mark.parametrize("given", ["0,0", [3, 3], [3, "3"]])
def test_a_seed_that_is_written_twice_is_refused(given):
    with pytest.raises(InputError, match="twice; give each value once"):
        seeds_of(given)


@given(st.decimals(0, 50, places=2), st.decimals(0, 50, places=2), st.decimals("0.5", 20, places=2))
def test_a_range_holds_exactly_the_multiples_up_to_its_end(start, length, step):
    stop = start + length
    values = [Decimal(value) for value in values_of(f"{start}:{stop}:{step}")]
    assert values[0] == start
    assert stop - step < values[-1] <= stop
    assert {b - a for a, b in itertools.pairwise(values)} <= {step}


@pytest.fixture
def sweep(tmp_path, cache, settings):
    def make(**axes):
        return make_sweep(expand(axes, settings), tmp_path / "runs", cache)

    return make


def test_a_parameter_goes_to_the_methods_that_have_it(sweep):
    made = sweep(**{"method": ["grid", "bce"], "parameters.lambda": ["10", "20"], "seed": ["0", "1"]})
    labels = [item.label for item in made.items]
    assert len(labels) == len(set(labels)) == 2 * 2 + 2
    assert sum(item.plan.config.method == "bce" for item in made.items) == 2


def test_a_parameter_goes_to_the_loss_that_a_method_has_of_itself(sweep):
    made = sweep(**{"method": ["fl"], "parameters.gamma": ["1", "2"]})
    assert [item.plan.config.parameters["gamma"] for item in made.items] == [1.0, 2.0]


def test_a_tied_parameter_is_one_row_over_the_noise_rates(sweep):
    made = sweep(**{"method": ["grid"], "slnir": ["10", "20"], "parameters.lambda": ["slnir"]})
    assert [item.plan.config.parameters["lambda"] for item in made.items] == ["slnir", "slnir"]
    assert [item.plan.method_parameters.lambda_ for item in made.items] == [10.0, 20.0]
    assert made.items[0].label.endswith("lambda=slnir")


def test_pairs_that_do_not_go_together_are_left_out_with_the_reason(sweep):
    made = sweep(method=["grid", "bce", "random"], loss=["bce"])
    assert [item.plan.config.method for item in made.items] == ["grid", "bce"]
    assert made.left_out == (("random with bce", "it supports no loss"),)


def test_noise_that_does_not_fit_the_labels_is_left_out_with_the_reason(sweep):
    made = sweep(method=["bce", "pce"], noise=["boundary", "swap", "pair"])
    assert [(item.plan.config.method, item.plan.config.noise) for item in made.items] == [
        ("bce", "swap"),
        ("pce", "boundary"),
        ("pce", "swap"),
    ]
    assert [what for what, _ in made.left_out] == ["boundary with bce", "pair with bce", "pair with pce"]
    assert "corrupts label maps, not scene labels" in made.left_out[0][1]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"method": ["bce"], "noise": ["boundary"]}, "Nothing is left.*corrupts label maps, not scene"),
        ({"method": ["bce"], "parameters.lambda": ["10"]}, "'lambda'"),
        ({"method": ["random"], "loss": ["bce"]}, "Nothing is left"),
        ({"method": ["gird"]}, "'grid'"),
        ({"slnir": ["130"]}, "130"),
    ],
)
def test_a_sweep_that_cannot_run_is_refused_whole(sweep, axes, words):
    with pytest.raises(InputError, match=words):
        sweep(**axes)


def test_what_is_done_is_not_computed_again(sweep, tmp_path, cache):
    made = sweep(method=["bce"], seed=["0", "1"])
    execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1)
    assert estimated(made, execution.runs).unknown == 2
    run(made.items[0].plan.config, execution)
    made = sweep(method=["bce"], seed=["0", "1"])
    assert [item.state for item in made.items] == ["done", "new"]
    assert len(made.todo(retry_failed=False)) == 1
    assert estimated(made, execution.runs).seconds > 0
    assert (estimated(made, execution.runs).known, estimated(made, execution.runs).unknown) == (2, 0)


def estimated(made, runs):
    return Measured(runs).estimate(item.plan.config.canonical() for item in made.items)


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("0:20:10", ["0", "10", "20"]),
        ([0, "10:30:10", 30], ["0", "10", "20", "30"]),
        (0.5, ["0.5"]),
        ([0.5, "1"], ["0.5", "1"]),
        (True, ["True"]),
    ],
)
def test_a_setting_may_be_a_value_a_list_or_a_range(given, values):
    assert several("slnir", given) == values


@pytest.mark.parametrize("given", [[], {}, {"a": 1}, [[1]], [None], [{"a": 1}]])
def test_what_is_no_list_of_values_is_refused_by_name(given):
    with pytest.raises(InputError, match="'slnir'"):
        several("slnir", given)


@pytest.mark.parametrize(
    ("given", "seeds"), [("3", ["0", "1", "2"]), (2, ["0", "1"]), ("4,7", ["4", "7"]), ([5, 6], ["5", "6"])]
)
def test_seeds_are_a_number_of_them_or_a_list(given, seeds):
    assert seeds_of(given) == seeds


@pytest.mark.parametrize("given", [0, "0", "1000000000", True, 2.5, [], ""])
def test_a_number_of_seeds_that_cannot_be_is_refused(given):
    with pytest.raises(InputError):
        seeds_of(given)


def test_failed_runs_wait_until_they_are_asked_for(sweep, tmp_path, cache, monkeypatch):
    from gridbench.methods.losses.bce import BCE

    execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1)
    made = sweep(method=["bce"], seed=["0", "1"])
    entries = BCE.entries

    def broken(self, prediction, target):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(BCE, "entries", broken)
    events = list(InProcess(execution).compute([item.plan.config for item in made.items]))
    assert [event.kind for event in events] == ["started", "failed"] * 2
    assert "out of luck" in events[1].detail
    monkeypatch.setattr(BCE, "entries", entries)
    made = sweep(method=["bce"], seed=["0", "1"])
    assert made.todo(retry_failed=False) == []
    assert len(made.todo(retry_failed=True)) == 2
    events = list(InProcess(execution).compute([item.plan.config for item in made.items]))
    assert [event.kind for event in events] == ["started", "done"] * 2


def test_a_killed_worker_loses_its_place_and_not_its_run(tmp_path, cache, settings):
    settings = {**settings, "method": "bce"}
    # Enough epochs that the first one is still being computed when it is killed.
    configs = [
        make_config({**settings, "seed": seed, "epochs": epochs}) for seed, epochs in enumerate((20, 1))
    ]
    execution = Execution(runs=tmp_path / "runs", cache=cache, keep="light")
    pool = LocalPool(execution, workers=1, devices=("cpu",))
    kinds, killed = [], False
    for event in pool.compute(configs):
        kinds.append((event.index, event.kind))
        if event.kind == "epoch" and event.epoch >= 2 and not killed:
            killed = True
            os.kill(_only_child(), signal.SIGKILL)
    assert killed
    assert [kind for _, kind in kinds if kind in {"done", "failed"}] == ["done", "done"]
    assert kinds.count((0, "started")) == 2
    whole = run(
        configs[0], Execution(runs=tmp_path / "whole", cache=cache, device="cpu", threads=1, keep="light")
    )
    resumed = next(r for r in iter_records(tmp_path / "runs") if r.id == whole.id)
    assert resumed.result == whole.result


def test_a_worker_that_dies_before_it_takes_a_run_is_replaced(tmp_path, cache, settings, monkeypatch):
    def start(process):
        process.start()
        process.kill()
        process.join()

    monkeypatch.setattr("gridbench.engines.local.start_process", start)
    execution = Execution(runs=tmp_path / "runs", cache=cache)
    events = list(LocalPool(execution, 1, ("cpu",)).compute([make_config({**settings, "method": "bce"})]))
    assert [event.kind for event in events] == ["again", "again", "failed"]
    assert "its process died" in events[-1].detail


DRIVER = """
import sys
from pathlib import Path
from gridbench.config import make_config
from gridbench.engines.local import LocalPool
from gridbench.records.runner import Execution

if __name__ == "__main__":
    runs, cache, settings = Path(sys.argv[1]), Path(sys.argv[2]), eval(sys.argv[3])
    pool = LocalPool(Execution(runs=runs, cache=cache, keep="light"), 1, ("cpu",))
    for event in pool.compute([make_config(settings)]):
        if event.kind == "epoch":
            print("epoch", flush=True)
"""


def test_workers_of_a_killed_driver_stop_and_leave_a_run_that_can_go_on(tmp_path, cache, settings):
    settings = {**settings, "method": "bce", "epochs": 100_000}
    (tmp_path / "driver.py").write_text(DRIVER)
    runs = tmp_path / "runs"
    words = [sys.executable, tmp_path / "driver.py", runs, cache, repr(settings)]
    driver = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert driver.stdout.readline() == "epoch\n"
    finally:
        driver.kill()
        driver.wait()
    (name,) = (path.name for path in runs.iterdir() if path.is_dir() and not path.name.startswith("."))
    # The lock is free as soon as the worker has stopped.
    with FileLock(runs / ".locks" / f"{name}.lock", timeout=60):
        (stored,) = iter_records(runs)
    assert stored.state == "incomplete"


def _only_child():
    """Return the process id of the pool's worker."""
    import multiprocessing

    (child,) = multiprocessing.active_children()
    return child.pid


def test_time_in_which_the_pool_is_suspended_counts_for_no_limit(tmp_path, cache, settings, monkeypatch):
    clock = [0.0]

    def monotonic():
        clock[0] += 3600  # as if the process had been suspended before every look
        return clock[0]

    monkeypatch.setattr("gridbench.core.progress.time.monotonic", monotonic)
    pool = LocalPool(Execution(runs=tmp_path / "runs", cache=cache), 1, ("cpu",), time_limit=600)
    events = list(pool.compute([make_config({**settings, "method": "bce"})]))
    assert events[-1].kind == "done"


def test_a_run_over_its_time_limit_fails_and_the_next_one_runs(tmp_path, cache, settings, monkeypatch):
    slow = make_config({**settings, "method": "bce", "epochs": 100_000})
    quick = make_config({**settings, "method": "bce", "epochs": 1})
    ends, passed, seen = [], 0.0, time.monotonic()

    def monotonic():
        nonlocal passed, seen
        now = time.monotonic()
        # Time flies until the first one has failed, for whose eight seconds nothing else has to wait.
        passed, seen = passed + (now - seen) * (1 if ends else 8), now
        return passed

    monkeypatch.setattr("gridbench.core.progress.time", SimpleNamespace(monotonic=monotonic))
    pool = LocalPool(
        Execution(runs=tmp_path / "runs", cache=cache), workers=1, devices=("cpu",), time_limit=8
    )
    for event in pool.compute([slow, quick]):
        if event.kind in {"done", "failed"}:
            ends.append((event.index, event.kind))
    assert ends == [(0, "failed"), (1, "done")]


def test_cores_are_dealt_out_without_overlap():
    cores = sorted(os.sched_getaffinity(0))
    for workers in range(1, len(cores) + 1):
        shares = shares_of_cores(workers)
        assert sorted(core for share in shares for core in share) == cores
    assert len(shares_of_cores(len(cores) + 3)) == len(cores) + 3
