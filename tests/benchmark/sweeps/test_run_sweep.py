"""`gridbench.sweep` computes exactly what the command computes, and hands out records and selections."""

import pytest

import gridbench
from gridbench.errors import InputError, RunFailed
from gridbench.records.runner import Execution


@pytest.fixture
def sweep(tmp_path, cache, settings):
    def compute(**declared):
        execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", keep="light")
        return gridbench.sweep({**settings, **declared}, execution)

    return compute


def test_records_come_in_the_order_of_the_settings_and_are_those_of_single_runs(
    sweep, tmp_path, cache, settings
):
    found = sweep(method=["bce", "random"], slnir="0,30", seeds=1, epochs=1)
    assert len(found) == 4
    assert [(r.config["config"]["method"], r.config["config"]["slnir"]) for r in found] == [
        ("bce", "0"), ("bce", "30"), ("random", "0"), ("random", "30"),
    ]  # fmt: skip
    config = gridbench.RunConfig(**{**settings, "epochs": 1}, method="bce", slnir=30)
    alone = gridbench.run(config, Execution(runs=tmp_path / "alone", cache=cache, device="cpu", threads=1))
    assert alone.result == found.records[1].result
    again = sweep(method=["bce", "random"], slnir="0,30", seeds=1, epochs=1)
    assert [r.folder.stat().st_mtime_ns for r in again] == [r.folder.stat().st_mtime_ns for r in found]


def test_what_was_selected_is_returned_and_written(sweep, tmp_path):
    (selection,) = sweep(
        method="grid", slnir=30, epochs=1, select="lambda", parameters={"lambda": [10, 50]}
    ).selections
    assert selection.chosen.parameters["lambda"] in (10, 50)
    assert len(list((tmp_path / "runs" / "selections").iterdir())) == 1


def test_a_checkpoint_that_a_kill_left_in_a_finished_run_is_removed(sweep, tmp_path):
    (record,) = sweep(method="bce", epochs=1)
    left = [record.folder / "checkpoint.json", record.folder / "checkpoint-1.safetensors"]
    for path in left:
        path.write_bytes(b"{}")
    sweep(method="bce", epochs=1)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"metod": "bce"}, ["'metod'", "'method'", "`gridbench sweep --help` lists them all"]),
        ({"seed": 1, "seeds": 2}, ["--seed or --seeds"]),
        ({"slnir": 130}, ["'slnir'", "100"]),
        ({"parameters": {"lamda": 1}}, ["'lamda'", "'lambda'"]),
        ({"slnir": "0:100:0.001"}, ["100,001 values", "10,000"]),
        ({"slnir": "0,,30"}, ["'0,,30'", "empty value"]),
    ],
)
def test_bad_settings_are_refused_before_anything_is_computed(sweep, tmp_path, declared, words):
    with pytest.raises(InputError) as caught:
        sweep(**declared)
    assert [word for word in words if word not in str(caught.value)] == []
    assert not (tmp_path / "runs").exists()


def test_failures_raise_at_the_end_and_leave_the_other_records(sweep, tmp_path, monkeypatch):
    from gridbench.methods.losses.bce import BCE

    def broken(self, prediction, target):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(BCE, "entries", broken)
    with pytest.raises(RunFailed, match="1 run failed"):
        sweep(method=["bce", "random"], epochs=1)
    (folder,) = (path.parent for path in (tmp_path / "runs").glob("*/done"))
    assert folder.name.startswith("stripes-random-")
