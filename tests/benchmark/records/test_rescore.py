"""`gridbench score`: equal to training anew with the other setting, and refused where that cannot be."""

from __future__ import annotations

import json

import pytest
import torch

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.core import environment
from gridbench.errors import InputError, RunFailed
from gridbench.methods.plain import Plain
from gridbench.plan import make_plan
from gridbench.records.record import iter_records, read_record
from gridbench.records.rescore import rescore
from gridbench.records.runner import Execution, run
from gridbench.registry import METHODS, register_method
from gridbench.training.experiment import Experiment

SAME = [
    "config.json",
    "detection.npz",
    "history.json",
    "noise.json",
    "noise.npz",
    "result.json",
    "retrieval.npz",
    "weights.safetensors",
]


@pytest.fixture
def execution(tmp_path, cache):
    def make(runs="runs", **more):
        return Execution(runs=tmp_path / runs, cache=cache, device="cpu", threads=1, **more)

    return make


@pytest.fixture
def go(execution, settings):
    def start(runs="runs", keep="weights", **values):
        config = make_config({**settings, "slnir": 30, **values})
        return run(config, execution(runs, keep=keep))

    return start


@pytest.fixture
def drifting(registries):
    """A method whose descriptors are negative only after training."""

    @register_method("drifting")
    class Drifting(Plain):
        """Shifts its descriptors in every step."""

        losses = ("bce",)

        def __init__(self, setup, parameters=None):
            super().__init__(setup, parameters)
            self.shifted = Shifted(self.backbone)

        @property
        def descriptor_network(self):
            return self.shifted

        def step(self, batch):
            self.shifted.shift += 1
            return super().step(batch)

    return METHODS.get("drifting")


class Shifted(torch.nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, images):
        return self.backbone(images) - self.shift


def content(record):
    there = [name for name in SAME if (record.folder / name).exists()]
    missing = set(SAME) - set(there)
    assert missing <= ({"detection.npz"} if record.config["reference"] else set())
    return {name: (record.folder / name).read_bytes() for name in there}


@pytest.mark.parametrize("method", ["grid", "untrained"])
@pytest.mark.parametrize(
    "changes", [{"distance": "cosine"}, {"k": 3}, {"distance": "manhattan", "ideal": 10}]
)
def test_the_record_is_that_of_training_anew(go, finished, execution, method, changes):
    first = finished(method=method, slnir=30)
    before = content(first)
    scored = rescore(first.folder, changes, execution())
    anew = go(runs="anew", method=method, **changes)
    assert content(scored) == content(anew)
    assert scored.environment()["scored_from"]["id"] == first.id
    assert content(read_record(first.folder, verify=True)) == before
    assert {stored.state for stored in iter_records(first.folder.parent)} == {"done"}


def test_kept_descriptors_are_scored_without_passing_an_image(go, execution, monkeypatch):
    first, anew = go(method="grid", keep="all"), go("anew", keep="all", method="grid", distance="cosine")

    def no_pass(self, images):
        raise AssertionError("an image was passed")

    monkeypatch.setattr("gridbench.evaluation.retrieval.describe", no_pass)
    monkeypatch.setattr("gridbench.training.experiment.base.predict", no_pass)
    monkeypatch.setattr("gridbench.training.experiment.experiment.evaluate_detectors", no_pass)
    scored = rescore(first.folder, {"distance": "cosine"}, execution(keep="all"))
    assert content(scored) == content(anew)
    for name in ("descriptors.npz", "predictions.npz"):
        assert scored.arrays(name).keys() == anew.arrays(name).keys() == {"train", "val", "test"}


def test_what_a_pixel_run_remembered_is_taken_over(go, execution):
    first = go(method="grid", loss="pce")
    assert first.result["memorised_pixels"] is not None
    scored = rescore(first.folder, {"k": 3}, execution())
    assert scored.result["memorised_pixels"] == first.result["memorised_pixels"]


def test_a_stored_config_gives_the_same_identity_again(cache, settings):
    for values in (
        {"method": "grid", "loss": "asl"},
        {"method": "oracle"},
        {"method": "random"},
        {"noise_seed": 4},
    ):
        plan = make_plan(make_config({**settings, "slnir": 30, **values}), cache)
        assert make_plan(make_config(plan.config.canonical()), cache).id == plan.id


def test_descriptors_that_validation_cannot_compare_fail_the_run_with_the_way_out(go, drifting):
    with pytest.raises(RunFailed, match=r"--select best chooses, turned out unusable.*--distance euclidean"):
        go(method="drifting", select="best")


@pytest.mark.parametrize("keep", ["weights", "light"])
def test_a_run_that_failed_after_training_is_scored_without_training(
    go, execution, drifting, monkeypatch, keep
):
    with pytest.raises(RunFailed, match=r"unusable after training.*gridbench score"):
        go(method="drifting", keep=keep)
    (failed,) = iter_records(execution().runs)
    assert failed.state == "failed"
    anew = go(runs="anew", method="drifting", distance="euclidean")

    def no_training(self, batch):
        raise AssertionError("it trained")

    monkeypatch.setattr(drifting, "step", no_training)
    scored = rescore(failed.folder, {"distance": "euclidean"}, execution())
    assert content(scored) == content(anew)


def test_the_same_again_does_nothing(finished, execution):
    first = finished(method="bce", slnir=30)
    one = rescore(first.folder, {"k": 3}, execution())
    said = []
    stamp = (one.folder / "done").stat().st_mtime_ns
    assert rescore(first.folder, {"k": 3}, execution(say=said.append)).id == one.id
    assert (one.folder / "done").stat().st_mtime_ns == stamp
    assert "Nothing to do" in said[0]


def test_a_record_that_another_process_finishes_meanwhile_stays_as_it_is(finished, execution, monkeypatch):
    stored, changes = finished(method="bce", slnir=30), {"distance": "cosine"}
    other = []

    def meanwhile(plan, device):
        if not other:
            other.append(None)
            other[0] = rescore(stored.folder, changes, execution())
            other.append((other[0].folder / "done").stat().st_mtime_ns)
        return Experiment(plan, device)

    monkeypatch.setattr("gridbench.records.rescore.Experiment", meanwhile)
    record = rescore(stored.folder, changes, execution())
    assert record.folder == other[0].folder
    assert (record.folder / "done").stat().st_mtime_ns == other[1]


def test_what_cannot_be_scored_is_refused_with_the_reason(go, finished, execution, tmp_path):
    first = finished(method="bce", slnir=30)
    with pytest.raises(InputError, match="scored like that already"):
        rescore(first.folder, {"distance": "chi2"}, execution())
    with pytest.raises(InputError, match="no run folder"):
        rescore(tmp_path / "absent", {"k": 3}, execution())
    light = go(method="bce", seed=1, keep="light")
    with pytest.raises(InputError, match=r"no weights.*--keep light"):
        rescore(light.folder, {"k": 3}, execution())
    best = finished(method="bce", slnir=30, select="best")
    with pytest.raises(InputError, match="--select best"):
        rescore(best.folder, {"k": 3}, execution())
    several = finished(method="bce", slnir=30, last_epochs=2)
    with pytest.raises(InputError, match="--last-epochs"):
        rescore(several.folder, {"k": 3}, execution())
    (first.folder / "done").unlink()
    with pytest.raises(InputError, match="not trained to its end"):
        rescore(first.folder, {"k": 3}, execution())
    assert len(list(iter_records(execution().runs))) == 4


def test_damaged_weights_are_refused(finished, execution):
    first = finished(method="bce", slnir=30)
    path = first.folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01\x02")
    with pytest.raises(InputError, match=r"weights\.safetensors was changed"):
        rescore(first.folder, {"k": 3}, execution())


def test_a_raised_version_is_refused(finished, execution, monkeypatch):
    from gridbench.methods.plain import plain_method

    first = finished(method="bce", slnir=30)
    monkeypatch.setattr(plain_method("bce"), "version", 2)
    with pytest.raises(InputError, match="has changed since"):
        rescore(first.folder, {"k": 3}, execution())


def test_the_command(finished, cache, capsys):
    first = finished(method="bce", slnir=30)
    words = ["score", first.folder, "--distance", "cosine", "--cache", cache, "--device", "cpu", "--quiet"]
    main([str(word) for word in words])
    out, messages = capsys.readouterr()
    assert "test NDCG@5" in out
    assert messages == ""
    states = {
        json.loads((r.folder / "config.json").read_text())["config"]["distance"]
        for r in iter_records(first.folder.parent)
    }
    assert states == {"chi2", "cosine"}


def test_a_folder_of_runs_is_no_run(tmp_path, capsys):
    runs = tmp_path / "my runs"
    (runs / "one").mkdir(parents=True)
    with pytest.raises(SystemExit) as stop:
        main(["score", str(runs), "--k", "3"])
    assert stop.value.code == 2
    assert f"gridbench status --all --runs '{runs}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--distance"),
        (["--distance", "cosin"], "cosine"),
        (["--k", "0"], "'k'"),
        (["--k", "3"], "no run folder"),
    ],
)
def test_the_command_refuses(capsys, tmp_path, words, message):
    with pytest.raises(SystemExit) as stop:
        main(["score", str(tmp_path / "absent"), *words])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_rescored_record_names_the_machine_that_trained(go, execution, monkeypatch):
    trained = go(method="bce")
    here = environment.describe_machine
    monkeypatch.setattr(
        environment, "describe_machine", lambda device: {**here(device), "cpu": {"model": "Other"}}
    )
    rescored = rescore(trained.folder, {"distance": "cosine"}, execution())
    assert rescored.machine == trained.machine
    assert rescored.environment()["scored_from"]["machine"]["cpu"] == {"model": "Other"}
