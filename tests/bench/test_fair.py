"""The timing helper of the benchmarks: who goes first, what the ratio is, what is written."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent


def load(name: str):
    """Import a file below this folder; it finds its neighbours by name while it is imported."""
    spec = importlib.util.spec_from_file_location(f"gridbench_{name.replace('/', '_')}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(HERE))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(HERE))
    return module


fair, fresh, run = load("helpers/fair"), load("helpers/fresh"), load("run")


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


def test_a_peer_that_does_a_part_of_the_work_is_scaled(tmp_path):
    result = Machine().compare(1.0, 2.0, tmp_path, rounds=3, measure="speed", peer_share=0.25)
    assert (result.peer, result.ratio) == ([8.0] * 3, 8.0)


def test_work_may_time_itself(tmp_path):
    machine = Machine()

    def itself():
        machine.now += 100.0
        return fair.Seconds(3.0)

    result = fair.compare("x", itself, machine.work("peer", 1.0), 3, clock=machine.clock, output=tmp_path)
    assert (result.ours, result.ratio) == ([3.0] * 3, 3.0)


@pytest.mark.parametrize(
    ("values", "limits", "verdict"),
    [
        ([80.0], {"at_most": 100}, "met"),
        ([120.0], {"at_most": 100}, "missed"),
        ([90.0, 110.0, 120.0], {"at_most": 100}, "unclear"),
        ([5.0], {}, ""),
    ],
)
def test_a_figure_is_judged_by_its_limit(tmp_path, values, limits, verdict):
    result = fair.figure("memory", values, "MB", output=tmp_path, **limits)
    assert (result.value, result.verdict, result.rounds) == (np.median(values), verdict, len(values))
    assert fair.row(result).count("|") == fair.HEADER.splitlines()[0].count("|")


@pytest.mark.parametrize("limits", [{"at_most": 100}, {"at_least": 1}])
def test_what_is_no_number_misses_its_limit(tmp_path, limits):
    assert fair.figure("error", [float("nan")], output=tmp_path, **limits).verdict == "missed"


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_growth_finds_the_exponent(tmp_path, exponent):
    machine = Machine()
    rng = np.random.default_rng(0)

    def work(size):
        return lambda: machine.work("ours", 3e-6 * size**exponent * rng.uniform(0.98, 1.02))()

    result = fair.growth(
        "x", work, (100, 400, 1600), float, (9, 5, 3), at_most=1.2, clock=machine.clock, output=tmp_path
    )
    assert result.value == pytest.approx(exponent, abs=0.02)
    assert result.low <= result.value <= result.high
    assert result.verdict == ("missed" if exponent == 2 else "met")
    assert result.rounds == 17
    with pytest.raises(ValueError, match="three or more"):
        fair.growth("x", work, (1, 2), float, (1, 1), output=tmp_path)


def test_results_are_read_back_and_tabulated_by_part(tmp_path):
    made = [
        fair.figure("memory (of 3)", [3.0], "MB", at_most=5, output=tmp_path),
        Machine().compare(2.0, 1.0, tmp_path, rounds=3, at_most=3),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid_bce_step.json", "memory.json"]
    found = [run.read(path) for path in sorted(tmp_path.iterdir(), reverse=True)]
    assert [vars(result) for result in found] == [vars(result) for result in made]
    page = run.tables(found)
    assert page.count("## ") == 1
    assert all(fair.row(result) in page for result in made)


def test_the_peak_is_that_of_the_work_alone():
    held = np.ones(30_000_000)
    del held
    used = fresh.extra_peak(lambda: np.ones(20_000_000).sum())
    if fresh.STATUS.exists():
        assert 140 < used < 190
    assert fresh.extra_peak(lambda: None) < 20


def test_a_fresh_process_says_a_number(tmp_path):
    script = tmp_path / "say.py"
    script.write_text("import sys\nprint('first line')\nprint(sum(map(float, sys.argv[1:])))")
    assert fresh.in_fresh_process(str(script), 2, 0.5) == 2.5


def quick(tmp_path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run benchmarks in quick mode."""
    return subprocess.run(
        [sys.executable, str(HERE / "run.py"), "--quick", *names],
        cwd=tmp_path,
        env={**os.environ, "BENCH_OUTPUT": str(tmp_path / "out")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_quick_benchmark_runs_and_leaves_a_table(tmp_path):
    done = quick(tmp_path, "ndcg")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "out" / "table.md").read_text()
    assert table.startswith("## ndcg\n")
    assert table in done.stdout
    assert "against scikit-learn on an eighth, times 8 |" in table
    assert len(list((tmp_path / "out").glob("*.json"))) == 3


def test_an_unknown_benchmark_is_named(tmp_path):
    done = quick(tmp_path, "ndgc")
    assert done.returncode == 2
    assert "There is no bench_ndgc.py. There are: augment, chi2," in done.stderr


@pytest.mark.slow
def test_every_quick_benchmark_runs(tmp_path):
    done = quick(tmp_path)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "out" / "table.md").read_text()
    parts = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    assert [line[3:] for line in table.splitlines() if line.startswith("## ")] == parts
