"""The measurements on an accelerator, run small on the CPU: that they run, go on, and notice what is wrong."""

import importlib
import json
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve().parent
SMALL = ("--device", "cpu", "--small")


@pytest.fixture
def bench(monkeypatch):
    """Import a file beside this one."""
    monkeypatch.syspath_prepend(str(HERE))
    return importlib.import_module


@pytest.fixture
def gpu(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench("on_gpu.training"), "pairs", lambda: iter([("grid", "bce")]))
    main = bench("gpu").main
    folders = ("--output", str(tmp_path / "out"), "--scratch", str(tmp_path / "scratch"))
    return lambda *words: main([*words, *folders])


def test_without_an_accelerator_it_says_so_and_exits_with_two(bench, gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench("gpu"), "choose_device", lambda name: torch.device("cpu"))
    assert gpu() == 2
    assert "no accelerator" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_device_or_a_part_that_is_not_there_is_refused(gpu, capsys):
    assert gpu("--device", "nothing-like-it") == 2
    assert "nothing-like-it" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        gpu("no-such-part", *SMALL)
    assert "there are numerics, speed, chi2, run, together, table5" in capsys.readouterr().err


def test_parts_leave_a_table_and_json_and_are_not_measured_twice(bench, gpu, tmp_path, monkeypatch):
    assert gpu("numerics", "chi2", *SMALL) == 0
    out = tmp_path / "out"
    numerics = json.loads((out / "gpu_numerics.json").read_text())
    assert numerics["rows"]["grid bce"]["verdict"] == "equal"
    assert numerics["small"] is True
    rows = json.loads((out / "gpu_chi2.json").read_text())["rows"]
    assert set(rows) == {"200 x 200 x 1024", "400 x 400 x 1024"}
    assert all(row["same neighbours"] == 1 and row["error against float64"] < 1e-6 for row in rows.values())
    assert "| grid bce |" in (out / "gpu_numerics.md").read_text()

    def never(*given):
        raise AssertionError("measured again")

    monkeypatch.setattr(bench("on_gpu.search"), "measure_search", never)
    assert gpu("chi2", *SMALL) == 0
    with pytest.raises(AssertionError, match="measured again"):
        gpu("chi2", "--again", *SMALL)


@pytest.mark.parametrize(("factor", "difference"), [(1.01, pytest.approx(0.01)), (float("nan"), "nan")])
def test_other_numbers_than_the_cpus_are_noticed(
    bench, gpu, tmp_path, monkeypatch, capsys, factor, difference
):
    training = bench("on_gpu.training")
    real, calls = training.first_step, []

    def off(made):
        calls.append(made)
        found = real(made)
        return found if len(calls) % 2 else {**found, "gradients": found["gradients"] * factor}

    monkeypatch.setattr(training, "first_step", off)
    assert gpu("numerics", *SMALL) == 1
    row = json.loads((tmp_path / "out" / "gpu_numerics.json").read_text())["rows"]["grid bce"]
    assert row["verdict"] == "DIFFERS"
    assert row["gradients"] == difference
    assert "grid bce" in capsys.readouterr().err


def test_a_row_that_fails_is_told_and_tried_again(bench, gpu, tmp_path, monkeypatch):
    search = bench("on_gpu.search")
    real = search.measure_search

    def crowded(settings, count):
        if count > 200:
            raise torch.OutOfMemoryError("no memory\nleft")
        return real(settings, count)

    monkeypatch.setattr(search, "measure_search", crowded)
    assert gpu("chi2", *SMALL) == 1
    file = tmp_path / "out" / "gpu_chi2.json"
    assert json.loads(file.read_text())["rows"]["400 x 400 x 1024"] == {"error": "no memory left"}
    monkeypatch.setattr(search, "measure_search", real)
    assert gpu("chi2", *SMALL) == 0
    assert "seconds" in json.loads(file.read_text())["rows"]["400 x 400 x 1024"]


def test_the_table_of_the_paper_is_projected_from_one_run_of_each_method(bench, gpu, tmp_path, monkeypatch):
    monkeypatch.setattr(
        bench("on_gpu.runs"), "_projected", lambda settings, method, loss, how: {"100 epochs, s": 3600.0}
    )
    assert gpu("table5", *SMALL) == 0
    rows = json.loads((tmp_path / "out" / "gpu_table5.json").read_text())["rows"]
    assert rows["Table V, 210 runs, float32"] == {"runs": 210, "hours, one at a time": 210.0}
    assert {name.split()[0] for name in rows} == {"bce", "fl", "asl", "elr", "jocor", "grid", "Table"}


def test_a_table_is_not_projected_while_one_of_its_methods_fails(bench, gpu, tmp_path, monkeypatch):
    def projected(settings, method, loss, how):
        if method == failing:
            raise RuntimeError("no memory left")
        return {"100 epochs, s": 3600.0}

    monkeypatch.setattr(bench("on_gpu.runs"), "_projected", projected)
    for failing, code in (("jocor", 1), (None, 0)):
        assert gpu("table5", *SMALL) == code
        rows = json.loads((tmp_path / "out" / "gpu_table5.json").read_text())["rows"]
        assert ("error" in rows["Table V, 210 runs, float32"]) is (failing == "jocor")


@pytest.mark.slow
def test_every_part_runs(bench, tmp_path):
    folders = ("--output", str(tmp_path / "out"), "--scratch", str(tmp_path / "scratch"))
    assert bench("gpu").main([*SMALL, *folders]) == 0
    assert len(list((tmp_path / "out").glob("gpu_*.md"))) == 6
