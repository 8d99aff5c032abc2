"""The timing helper of the benchmarks: who goes first, what the ratio is, what is written."""

from __future__ import annotations

import importlib.util
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent


def load(name: str):
    """Import a file beside this one; it finds its neighbours by name while it is imported."""
    spec = importlib.util.spec_from_file_location(f"gridbench_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(HERE))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(HERE))
    return module


fair = load("fair")


class Machine:
    """A machine with a clock that the work itself moves, and that gets slower."""

    def __init__(self, drift: float = 1.0) -> None:
        self.now, self.pace, self.drift, self.turns = 0.0, 1.0, drift, []

    def clock(self) -> float:
        return self.now

    def work(self, side: str, seconds: float):
        def turn() -> None:
            self.turns.append(side)
            self.now += seconds * self.pace
            self.pace *= self.drift

        return turn

    def compare(self, ours: float, peer: float, folder: Path, **options):
        sides = self.work("ours", ours), self.work("peer", peer)
        return fair.compare("GRID / BCE step", *sides, clock=self.clock, output=folder, **options)


def test_the_sides_take_turns_and_who_goes_first_alternates(tmp_path):
    machine = Machine()
    result = machine.compare(2.0, 1.0, tmp_path, rounds=4, warmup=1)
    rounds = [machine.turns[i : i + 2] for i in range(0, 10, 2)]
    assert all(sorted(turn) == ["ours", "peer"] for turn in rounds)
    assert all(one != other for one, other in pairwise(rounds))
    assert (result.ours, result.peer) == ([2.0] * 4, [1.0] * 4)
    assert (result.ratio, result.low, result.high) == (2.0, 2.0, 2.0)


def test_a_machine_that_slows_down_changes_the_times_and_not_the_ratio(tmp_path):
    result = Machine(drift=1.02).compare(1.2, 1.0, tmp_path, rounds=20)
    assert max(result.ours) > 1.8 * min(result.ours)
    assert result.ratio == pytest.approx(1.2, rel=0.01)
    assert result.low <= 1.2 <= result.high


def test_speed_is_the_other_way_round(tmp_path):
    assert Machine().compare(2.0, 1.0, tmp_path, rounds=3, measure="speed").ratio == 0.5


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ({}, ""),
        ({"at_most": 2.0}, "met"),
        ({"at_most": 1.9}, "missed"),
        ({"at_least": 2.0}, "met"),
        ({"at_least": 2.1}, "missed"),
    ],
)
def test_the_verdict(tmp_path, limits, verdict):
    assert Machine().compare(2.0, 1.0, tmp_path, rounds=3, **limits).verdict == verdict


def test_a_limit_inside_the_interval_is_unclear_or_met():
    made = fair.Comparison("x", "time", [], [], 1.06, 1.04, 1.08, 1.05, None)
    assert made.verdict == "unclear"
    assert fair.Comparison("x", "time", [], [], 1.04, 1.02, 1.06, 1.05, None).verdict == "met"


def test_the_interval_covers_the_median_as_often_as_it_says():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(100):
        ratio, low, high = fair.median_interval(rng.lognormal(0.0, 0.1, size=25))
        assert low <= ratio <= high
        covered += low <= 1.0 <= high
    assert 88 <= covered <= 100
    assert fair.median_interval(np.arange(9.0)) == fair.median_interval(np.arange(9.0))


def test_what_is_written_can_be_read_and_names_the_machine(tmp_path, capsys):
    result = Machine().compare(2.0, 1.0, tmp_path, rounds=3, at_most=1.05)
    content = json.loads((tmp_path / "grid_bce_step.json").read_text())
    assert content["ratio"] == 2.0
    assert content["verdict"] == "missed"
    assert content["machine"]["cores"] >= 1
    assert [path.name for path in tmp_path.iterdir()] == ["grid_bce_step.json"]
    line = capsys.readouterr().out.strip()
    assert line == fair.row(result)
    assert line.count("|") == fair.HEADER.splitlines()[0].count("|") == fair.HEADER.splitlines()[1].count("|")
    assert "2.00 s | 1.00 s | time 2.000 (2.000 to 2.000) | <= 1.05 | missed | 3 |" in line


def test_too_few_rounds_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 3"):
        Machine().compare(1.0, 1.0, tmp_path, rounds=2)
