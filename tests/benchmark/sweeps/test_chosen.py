"""What a selection chose is run with all settings of its tries, at other noise and seeds."""

import json

import pytest

import gridbench
from gridbench.errors import InputError
from gridbench.records.runner import Execution


@pytest.fixture(scope="module")
def tried(tmp_path_factory, cache):
    """A folder in which two learning rates of BCE and of GRID were tried."""
    runs = tmp_path_factory.mktemp("chosen") / "runs"
    declared = {
        "dataset": "stripes", "backbone": "test_resnet", "epochs": 1, "batch_size": 16, "train_size": 0, "k": 5,
        "method": ["bce", "grid"], "slnir": 30, "noise_parameters": {"replacement": "any"},
        "select": "learning_rate", "learning_rate": ["0.002", "0.02"], "parameters": {"latent": 8},
    }  # fmt: skip
    gridbench.sweep(declared, Execution(runs=runs, cache=cache, device="cpu", keep="light"))
    return runs


@pytest.fixture
def chosen(tried, cache):
    def compute(**declared):
        return gridbench.sweep({"chosen": True, **declared}, Execution(runs=tried, cache=cache, device="cpu"))

    return compute


def choice_of(runs, method):
    """Return the learning rate that was chosen for a method."""
    (path,) = (runs / "selections").glob(f"stripes-{method}-*.json")
    return json.loads(path.read_text())["chosen"]["learning_rate"]


def test_the_choice_of_each_method_is_run_at_every_rate_and_seed(tried, chosen):
    found = chosen(slnir="0,30", seeds=2)
    configs = [record.config["config"] for record in found]
    assert [(c["method"], c["slnir"], c["seed"]) for c in configs] == [
        (method, slnir, seed) for method in ("bce", "grid") for slnir in ("0", "30") for seed in (0, 1)
    ]
    for config in configs:
        assert config["learning_rate"] == choice_of(tried, config["method"])
        assert config["noise_parameters"] == {"replacement": "any"}
        assert (config["batch_size"], config["k"]) == (16, 5)
        assert config["noise_seed"] in (None, config["seed"])
    assert {c["parameters"]["latent"] for c in configs if c["method"] == "grid"} == {8}


def test_the_chosen_try_itself_is_not_computed_again(tried, chosen):
    before = {path: path.stat().st_mtime_ns for path in tried.glob("*/done")}
    found = chosen(method="bce", slnir=30, seeds=1)
    assert {record.folder / "done" for record in found} <= set(before)
    assert {path: path.stat().st_mtime_ns for path in tried.glob("*/done")} == before


def test_the_rates_are_those_of_the_selection_unless_given(chosen):
    (record,) = chosen(method="bce", seed=0)
    assert record.config["config"]["slnir"] == "30"


def test_another_noise_model_has_its_own_parameters(chosen):
    (record,) = chosen(method="bce", noise="missing", slnir=30, seeds=1)
    assert record.config["config"]["noise"] == "missing"
    assert "replacement" not in record.config["config"]["noise_parameters"]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"epochs": 2}, ["'epochs'", "slnir"]),
        ({"learning_rate": 0.1}, ["'learning_rate'"]),
        ({"method": "gird"}, ["'gird'", "'grid'"]),
        ({"select": "lambda"}, ["combined with --select"]),
        ({"chosen": "no"}, ["'chosen'", "'no'", "true or false"]),
    ],
)
def test_what_is_not_free_is_refused(chosen, declared, words):
    with pytest.raises(InputError) as caught:
        chosen(**declared)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_folder_without_a_choice_is_said_with_the_way_to_one(tmp_path, cache):
    with pytest.raises(InputError, match="gridbench sweep --select NAME"):
        gridbench.sweep({"chosen": True}, Execution(runs=tmp_path / "none", cache=cache, device="cpu"))


@pytest.mark.parametrize("damage", ["", "[]", '{"method": "bce"}'])
def test_a_damaged_selection_is_named(tmp_path, cache, damage):
    folder = tmp_path / "runs" / "selections"
    folder.mkdir(parents=True)
    (folder / "bce.json").write_text(damage)
    with pytest.raises(InputError, match=r"bce\.json"):
        gridbench.sweep({"chosen": True}, Execution(runs=tmp_path / "runs", cache=cache, device="cpu"))


def test_a_choice_that_is_not_made_yet_is_waited_for(tmp_path, cache):
    folder = tmp_path / "runs" / "selections"
    folder.mkdir(parents=True)
    document = {"method": "bce", "chosen": None, "chosen_cells": [], "slnir": ["30"]}
    (folder / "bce.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="Nothing is chosen for bce yet"):
        gridbench.sweep({"chosen": True}, Execution(runs=tmp_path / "runs", cache=cache, device="cpu"))
