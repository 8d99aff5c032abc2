"""Where a run's time goes: phases that add up, in every record, and honest about what was not waited for."""

import time

import pytest
import torch

from gridbench import run
from gridbench.cli.run.profile_table import profile_rows
from gridbench.config import make_config
from gridbench.leaderboard import load
from gridbench.records.runner import Execution
from gridbench.training import timing
from gridbench.training.timing import IN_TRAINING, Phases

CPU = torch.device("cpu")


@pytest.fixture
def go(tmp_path, cache, settings):
    def start(runs="runs", progress=None, profile=False, **values):
        execution = Execution(tmp_path / runs, cache, "cpu", threads=1, progress=progress, profile=profile)
        return run(make_config({**settings, "method": "bce", **values}), execution)

    return start


def test_every_record_holds_its_phases_and_they_add_up(go):
    started = time.perf_counter()
    environment = go(method="grid", select="best").environment()
    whole = time.perf_counter() - started
    top, profile = environment["seconds"], environment["profile"]
    after = {"retrieval", "predictions", "sample_detection"}
    assert set(top) == {"training", "validation", "checkpoint", *after}
    assert set(profile["seconds"]) == set(IN_TRAINING)
    assert profile["steps"] == 3 * 3
    assert profile["synchronised"]
    assert all(value >= 0 for value in [*top.values(), *profile["seconds"].values()])
    # Rounded to milliseconds, each by itself.
    assert 0.8 * top["training"] <= sum(profile["seconds"].values()) <= top["training"] + 0.005
    assert sum(top.values()) < whole


def test_a_resumed_run_goes_on_counting(go):
    class Stop:
        def epoch(self, done, total, row):
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(progress=Stop())
    assert go().environment()["profile"]["steps"] == 9


def test_what_trains_nothing_has_no_phases_of_training(go):
    environment = go(method="untrained").environment()
    assert "profile" not in environment
    assert set(environment["seconds"]) == {"retrieval", "predictions", "sample_detection"}


def test_the_leaderboard_tells_phases_and_counts_training_once(go):
    record = go()
    frame = load(record.folder.parent, costs=True).set_index("metric").value
    environment = record.environment()
    for phase in IN_TRAINING:
        assert frame[f"seconds/{phase}"] == environment["profile"]["seconds"][phase]
    assert frame["seconds/total"] == pytest.approx(sum(environment["seconds"].values()))


def test_only_when_asked_is_an_accelerator_waited_for(monkeypatch):
    waits = []
    monkeypatch.setattr(timing, "wait_for", waits.append)
    accelerator = torch.device("meta")
    for synchronise, times in ((False, 0), (True, 2)):
        waits.clear()
        clock = Phases(accelerator, synchronise)
        with clock.timed("forward"):
            pass
        assert len(waits) == times
        assert clock.synchronised is synchronise
    waits.clear()
    with Phases(CPU, True).timed("forward"):
        pass
    assert waits == []
    assert Phases(CPU).synchronised


def test_seconds_add_up_by_phase(monkeypatch):
    ticks = iter([0.0, 1.0, 5.0, 7.0, 10.0, 10.5])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))
    clock = Phases(CPU)
    for phase in ("data", "forward", "data"):
        with clock.timed(phase):
            pass
    assert clock.seconds == {"data": 1.5, "forward": 2.0}


def test_measuring_costs_next_to_nothing():
    clock = Phases(CPU)
    started = time.perf_counter()
    for _ in range(10_000):
        with clock.timed("forward"):
            pass
    # Five a step; a step is milliseconds.
    assert (time.perf_counter() - started) / 10_000 < 50e-6


def test_the_table_splits_training_and_adds_up_to_the_run():
    environment = {
        "seconds": {"training": 10.0, "checkpoint": 1.0, "retrieval": 2.0, "validation": 0.0},
        "profile": {"steps": 100, "synchronised": True, "seconds": {"forward": 4.0, "data": 1.0}},
    }
    rows = profile_rows(environment)
    assert [row[0] for row in rows] == [
        "data", "forward", "other training", "checkpoint", "validation", "retrieval",
    ]  # fmt: skip
    assert sum(row[1] for row in rows) == 13.0
    assert {row[0]: row[2] for row in rows}["forward"] == 40.0
    assert {row[0]: row[2] for row in rows}["retrieval"] is None


def test_a_record_from_before_has_the_rows_that_it_tells():
    assert profile_rows({"seconds": {"training": 3.0, "retrieval": 1.0}}) == [
        ("retrieval", 1.0, None),
        ("training", 3.0, None),
    ]
