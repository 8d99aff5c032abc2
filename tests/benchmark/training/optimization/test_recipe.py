"""Settings of a recipe that belong together, that contradict each other, and that a method brings."""

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from gridbench import register_method, run
from gridbench.config import make_config
from gridbench.errors import InputError
from gridbench.methods.plain import Plain
from gridbench.plan import make_plan
from gridbench.records.record import read_record
from gridbench.records.runner import Execution
from gridbench.registry import METHODS, snapshot
from gridbench.training.optimization.recipe import OPTIMIZERS


@pytest.fixture
def plan(cache, settings):
    return lambda **values: make_plan(make_config({**settings, "method": "bce", **values}), cache)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "adamm"}, r"no optimiser 'adamm' here. Did you mean 'adam'\?"),
        ({"optimizer": "muon"}, "There are: adam, adamw"),
        ({"momentum": 0.9}, r"'adam' does not take the setting 'momentum' \(--momentum\); sgd"),
        ({"momentum": 0.9, "optimizer": "adamw"}, "'adamw' does not take the setting 'momentum'"),
        ({"momentum": 0.0, "optimizer": "sgd"}, "--optimizer momentum --momentum 0"),
        ({"optimizer": "sgd", "protocol": "authors_code"}, "it belongs to adam"),
        ({"optimizer": "sgd", "adam_epsilon": 1e-6}, "does not take the setting 'adam_epsilon'"),
        ({"fused": True, "optimizer": "adamw"}, r"'fused' \(--fused\) is for plain Adam"),
        ({"freeze": "backbone", "method": "untrained"}, "changes nothing without a method that trains"),
        ({"min_lr": 1e-5}, "changes nothing without --schedule"),
        ({"min_lr": 0.1, "schedule": "cosine"}, "must be below the learning rate, 0.001"),
        ({"select_by": "prediction"}, "changes nothing without --select best"),
        ({"last_epochs": 4}, "may be at most the number of epochs, 3"),
        ({"warmup_epochs": 3}, "must be below the number of epochs, 3"),
        ({"warmup_epochs": 1, "schedule": "onecycle"}, "has a warm-up of its own"),
        ({"augment_strength": 0.5}, "changes nothing without --augment strong"),
        ({"augment_strength": 0, "augment": "strong"}, "of strength 0 changes nothing"),
        ({"augment": "strong", "move_maps": False}, "moves label maps with their images"),
        ({"weights_prefix": "a."}, "changes nothing without --weights FILE"),
        ({"recipe": "own"}, "The method 'bce' brings no recipe of its own"),
        ({"backbone": "local-dir:/nowhere"}, "The backbone 'local-dir:/nowhere' cannot be read"),
    ],
)
def test_contradictions_are_refused(plan, values, message):
    with pytest.raises(InputError, match=message):
        plan(**values)


@pytest.mark.parametrize(
    "values",
    [{"ema": 1.0}, {"accumulate": True}, {"accumulate": 0}, {"clip_norm": 0}, {"schedule": "linear"}],
)
def test_values_outside_their_range(values):
    with pytest.raises(InputError, match="it must be"):
        make_config(values)


def test_what_follows_from_the_optimizer(plan):
    config = plan(optimizer="sgd").config
    assert config.momentum == 0.9
    assert config.adam_epsilon is None
    assert plan(optimizer="adamw").config.momentum is None
    assert plan(optimizer="adadelta").config.adam_epsilon is None
    assert plan(optimizer="adadelta", adam_epsilon=1e-5).config.adam_epsilon == 1e-5
    assert plan(augment="strong").id == plan(augment="strong", augment_strength=0.5).id


@pytest.fixture
def own():
    with snapshot():

        @register_method("own")
        class Own(Plain):
            """Plain training as some paper has it."""

            name = "own"
            losses = ("bce",)
            recipe: ClassVar = {
                "optimizer": "sgd",
                "momentum": 0.8,
                "learning_rate": 0.02,
                "schedule": "cosine",
                "epochs": 7,
            }

        yield METHODS.get("own")


def test_a_methods_own_recipe_fills_what_is_left_open(own, plan, cache):
    left_open = {"learning_rate": None, "epochs": None}
    config = plan(method="own", recipe="own", **left_open).config
    assert (config.optimizer, config.learning_rate, config.schedule, config.epochs) == (
        "sgd",
        0.02,
        "cosine",
        7,
    )
    assert plan(method="own", recipe="own", **{**left_open, "epochs": 2}).config.epochs == 2
    assert plan(method="own").config.optimizer is None
    usual = plan(method="own", recipe="own", **left_open, optimizer="adam").config
    assert (usual.optimizer, usual.schedule) == ("adam", "cosine")
    assert make_plan(usual, cache).config == usual
    other = plan(method="own", recipe="own", **left_open, optimizer="adamw", schedule="constant").config
    assert (other.optimizer, other.schedule, other.learning_rate) == ("adamw", "constant", 0.02)
    spelled = plan(
        method="own", optimizer="sgd", momentum=0.8, learning_rate=0.02, schedule="cosine", epochs=7
    )
    assert spelled.cell != plan(method="own", recipe="own", **left_open).cell


RECIPE = {
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "schedule": "cosine",
    "warmup_epochs": 1,
    "clip_norm": 1.0,
    "accumulate": 2,
    "ema": 0.9,
    "weight_decay": 1e-3,
    "augment": "strong",
}


@pytest.mark.parametrize(
    ("method", "loss"), [("grid", "bce"), ("jocor", "bce"), ("grid", "pce"), ("lnc", "pce")]
)
def test_every_kind_of_method_trains_by_a_recipe(method, loss, cache, settings, tmp_path):
    config = make_config(
        {**settings, **RECIPE, "method": method, "loss": loss, "slnir": 30, "output_stride": 8}
    )
    record = run(config, Execution(runs=tmp_path, cache=cache, keep="light"))
    rates = [row["learning_rate"] for row in record.epochs()]
    assert rates[0] == pytest.approx(0.05)
    assert rates == sorted(rates, reverse=True)
    assert read_record(record.folder, verify=True).metrics == record.metrics


def test_a_run_that_is_interrupted_goes_on_to_the_same_result(cache, settings, tmp_path, monkeypatch):
    config = make_config({**settings, **RECIPE, "method": "grid", "slnir": 30, "select": "best"})
    whole = run(config, Execution(runs=tmp_path / "whole", cache=cache))

    class Stop:
        def epoch(self, done, total, row):
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, Execution(runs=tmp_path / "parts", cache=cache, progress=Stop()))
    parts = run(config, Execution(runs=tmp_path / "parts", cache=cache))
    for name in ("weights.safetensors", "retrieval.npz", "history.json"):
        assert (parts.folder / name).read_bytes() == (whole.folder / name).read_bytes()


@pytest.mark.parametrize("method", ["bce", "grid", "elr", "jocor"])
def test_a_frozen_backbone_stays_as_it_was(method, cache, settings, tmp_path):
    execution = Execution(runs=tmp_path, cache=cache)
    values = {**settings, "slnir": 30}
    frozen = run(make_config({**values, "method": method, "freeze": "backbone"}), execution)
    untrained = run(make_config({**values, "method": "untrained"}), execution)
    assert (frozen.folder / "weights.safetensors").read_bytes() == (
        untrained.folder / "weights.safetensors"
    ).read_bytes()
    ours, theirs = (np.load(record.folder / "retrieval.npz") for record in (frozen, untrained))
    np.testing.assert_array_equal(ours["test.ranking"], theirs["test.ranking"])
    losses = [row["loss"] for row in frozen.epochs()]
    assert losses[-1] < losses[0]


def test_a_backbone_from_a_folder_counts_by_its_files(cache, settings, tmp_path):
    import timm
    from timm.models import save_for_hf

    for name in ("here", "there"):
        save_for_hf(timm.create_model("test_resnet", num_classes=3), tmp_path / name, safe_serialization=True)
    values = {**settings, "method": "untrained", "slnir": 0, "pretrained": True}
    plans = [
        make_plan(make_config({**values, "backbone": f"local-dir:{tmp_path / name}"}), cache)
        for name in ("here", "there")
    ]
    assert plans[0].id != plans[1].id
    record = run(plans[0].config, Execution(runs=tmp_path / "runs", cache=cache))
    (tmp_path / "here").rename(tmp_path / "elsewhere")
    moved = make_plan(make_config({**values, "backbone": f"local-dir:{tmp_path / 'elsewhere'}"}), cache)
    assert moved.id == record.id


def test_a_folder_of_weights_that_do_not_fit_is_refused(cache, settings, tmp_path):
    import timm
    from safetensors.torch import load_file, save_file
    from timm.models import save_for_hf

    save_for_hf(timm.create_model("test_resnet", num_classes=3), tmp_path, safe_serialization=True)
    file = tmp_path / "model.safetensors"
    save_file({f"other.{name}.x": value for name, value in load_file(file).items()}, file)
    values = {**settings, "method": "untrained", "pretrained": True, "backbone": f"local-dir:{tmp_path}"}
    with pytest.raises(InputError, match="does not fit the backbone"):
        run(make_config(values), Execution(runs=tmp_path / "runs", cache=cache))


def test_the_documentation_lists_every_optimiser():
    text = (Path(__file__).parents[4] / "docs" / "recipes.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `--optimizer NAME` \| (.*?), as timm builds them", text, re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == list(OPTIMIZERS)
