"""What makes two runs the same run: every setting that can change its numbers, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from types import SimpleNamespace

import pytest

from gridbench.config import RunConfig, make_config, stored_config
from gridbench.core.plugins import load_plugin
from gridbench.datasets import Archive
from gridbench.datasets.open import recipes_of
from gridbench.methods.grid import GRID
from gridbench.methods.losses.bce import BCE
from gridbench.noise.swap import Swap
from gridbench.plan import PROTOCOL_VERSION, make_plan
from gridbench.records.runner import Execution, run
from gridbench.registry import DATASETS


@pytest.fixture
def plan(cache, settings, monkeypatch):
    # Nothing is fetched.
    monkeypatch.setattr(
        "gridbench.training.pretrained.published_weights", lambda name: SimpleNamespace(sha256="0" * 64)
    )

    def make(**values):
        return make_plan(
            make_config({**settings, "method": "grid", "loss": "bce", "slnir": 30, **values}), cache
        )

    return make


CHANGES = {
    "dataset": None,  # by the fingerprint and by the name, below
    "method": "oracle",
    "loss": "asl",
    "parameters": {"latent": 64},
    "noise": "missing",
    "noise_parameters": None,  # with a model that has some, below
    "slnir": Decimal("30.5"),
    "seed": 1,
    "noise_seed": 7,
    "protocol": "authors_code",
    "backbone": "test_efficientnet",
    "pretrained": True,
    "weights": None,  # by its content, below
    "weights_prefix": None,  # only with weights
    "output_stride": 16,
    "descriptor_map": "relu",
    "distance": "cosine",
    "k": 6,
    "ideal": 20,
    "epochs": 4,
    "batch_size": 17,
    "learning_rate": 2e-3,
    "train_size": 40,
    "crop": 12,
    "flips": False,
    "brightness": 0.25,
    "move_maps": False,
    "crop_for": "run",
    "brightness_for": "batch",
    "statistics": "published",
    "adam_epsilon": 1e-6,
    "adam_steps": "shared",
    "adam_epsilon_form": "hat",
    "optimizer": "adamw",
    "momentum": None,  # of optimisers that have one, below
    "weight_decay": 1e-4,
    "schedule": "cosine",
    "warmup_epochs": 1.0,
    "min_lr": None,  # of schedules that have one, below
    "clip_norm": 1.0,
    "accumulate": 2,
    "ema": 0.99,
    "augment": "strong",
    "augment_strength": None,  # with strong augmentation, below
    "freeze": "backbone",
    "level": None,  # of single labels alone, in tests/benchmark/training/test_single_labels.py
    "recipe": None,  # of methods that bring one, in tests/benchmark/training/test_recipe.py
    "precision": "bfloat16",
    "memory_format": "channels_last",
    "fused": True,
    "compile": True,
    "select": "best",
    "select_by": None,  # of --select best, below
    "last_epochs": 2,
}


def test_every_setting_is_accounted_for():
    assert CHANGES.keys() == RunConfig.model_fields.keys()


@pytest.mark.parametrize("name", [name for name, value in CHANGES.items() if value is not None])
def test_every_setting_changes_the_identity(plan, name):
    base, other = plan(), plan(**{name: CHANGES[name]})
    assert getattr(other.config, name) != getattr(base.config, name)
    assert other.id != base.id
    assert other.folder_name != base.folder_name


@pytest.mark.parametrize(
    "name", [name for name, value in CHANGES.items() if value is not None and name != "seed"]
)
def test_every_setting_but_the_seed_changes_the_cell(plan, name):
    assert plan(**{name: CHANGES[name]}).cell != plan().cell


def test_the_cell_is_the_identity_without_the_seed(plan):
    plans = [plan(seed=seed) for seed in range(3)]
    assert len({p.id for p in plans}) == 3
    assert len({p.cell for p in plans}) == 1


def test_a_noise_seed_that_is_tied_to_the_seed_is_another_cell_than_a_fixed_one(plan):
    fixed = [plan(seed=seed, noise_seed=5) for seed in (0, 1)]
    assert fixed[0].cell == fixed[1].cell
    assert fixed[0].cell != plan().cell
    assert plan(noise_seed=0).id == plan().id


def test_parameters_of_the_noise_change_the_identity(plan):
    one = plan(noise="mixed", noise_parameters={"added": 50})
    assert plan(noise="mixed").id == one.id
    assert plan(noise="mixed", noise_parameters={"added": 40}).id != one.id


def test_the_flag_of_a_reference_row_is_in_the_identity_of_a_plug_in(plan, tmp_path, registries):
    (tmp_path / "scale.py").write_text(
        "from gridbench import register_method\nfrom gridbench.methods.plain import Plain\n"
        "@register_method()\nclass Scale(Plain):\n    'One.'\n    losses = ('bce',)\n    labels = 'clean'\n"
        "@register_method('trained')\nclass Trained(Plain):\n    'One.'\n    losses = ('bce',)\n"
    )
    load_plugin(tmp_path / "scale.py")
    scale, trained = plan(method="scale"), plan(method="trained")
    assert (scale.document()["reference"], scale.versions["reference"]) == (True, 1)
    assert trained.document()["reference"] is False
    assert "reference" not in {**trained.versions, **plan(method="oracle").versions}


@pytest.mark.parametrize(
    ("needed", "setting", "one", "other"),
    [
        ({"optimizer": "sgd"}, "momentum", 0.5, 0.9),
        ({"schedule": "cosine"}, "min_lr", 1e-5, 1e-6),
        ({"select": "best"}, "select_by", "prediction", "retrieval"),
        ({"augment": "strong"}, "augment_strength", 0.3, 0.6),
    ],
)
def test_settings_that_need_another_change_the_identity(plan, needed, setting, one, other):
    assert plan(**needed, **{setting: one}).id != plan(**needed, **{setting: other}).id
    assert plan(**needed, **{setting: one}).id != plan(**needed).id


@pytest.mark.parametrize(
    "usual",
    [
        {"optimizer": "adam"},
        {"schedule": "constant"},
        {"weight_decay": 0},
        {"warmup_epochs": 0},
        {"accumulate": 1},
        {"augment": "weak"},
        {"recipe": "common"},
        {"memory_format": "contiguous"},
        {"fused": False},
        {"select_by": "retrieval"},
    ],
)
def test_saying_what_runs_did_before_changes_nothing(plan, usual):
    assert plan(**usual).id == plan().id


def test_a_recipe_that_brings_a_faster_layout_leaves_records_without_it_what_they_are(
    plan, cache, monkeypatch
):
    before, named = plan(), plan(memory_format="channels_last", fused=True)
    levels = recipes_of(before.config.dataset, before.archive.kind)
    fast = {name: replace(each, memory_format="channels_last", fused=True) for name, each in levels.items()}
    monkeypatch.setattr("gridbench.plan.make.recipes_of", lambda name, kind: fast)
    assert plan().id == named.id
    assert plan(memory_format="contiguous", fused=False).id == before.id
    for each in (before, named):
        assert make_plan(stored_config(each.config.canonical()), cache).id == each.id
    assert plan(protocol="authors_code").config.fused is None
    assert plan(optimizer="adamw").config.fused is None


def test_saying_a_default_changes_nothing(plan):
    spelled = {"lambda": 20, "mode": "hybrid", "latent": 128, "kl_weight": 1.0}
    assert plan(parameters=spelled).id == plan().id
    assert plan(distance="chi2", select="last", ideal="archive").id == plan().id
    assert plan(slnir="30.00").id == plan().id


def test_a_parameter_that_follows_the_noise_rate_is_stored_as_that_and_its_number_beside_it(plan):
    rates = {rate: plan(slnir=rate, parameters={"lambda": "slnir"}) for rate in (10, 30)}
    assert [p.config.parameters["lambda"] for p in rates.values()] == ["slnir", "slnir"]
    assert [p.method_parameters.lambda_ for p in rates.values()] == [10.0, 30.0]
    assert [p.document()["resolved"] for p in rates.values()] == [{"lambda": 10.0}, {"lambda": 30.0}]
    again = make_config({**rates[30].config.canonical()})
    assert plan(**again.canonical()).id == rates[30].id


def test_a_number_is_another_setting_than_the_rate_that_it_equals(plan):
    tied, number = (plan(slnir=20, parameters={"lambda": value}) for value in ("slnir", 20))
    assert tied.method_parameters == number.method_parameters
    assert tied.cell != number.cell
    assert "resolved" not in number.document()
    assert number.id == plan(slnir=20).id


def test_a_share_that_follows_the_noise_rate_is_stored_as_that_too(plan):
    tied = plan(method="jocor", parameters={"selection": "sample", "tau": "slnir"})
    assert (tied.config.parameters["tau"], tied.resolved) == ("slnir", {"tau": 0.3})


def test_the_data_change_the_identity(plan, monkeypatch):
    before = plan().id
    opened = Archive.open

    def other(directory, verify=False):
        archive = opened(directory, verify)
        archive.fingerprint = "0" * 64
        return archive

    monkeypatch.setattr(Archive, "open", other)
    assert plan().id != before


@pytest.mark.parametrize("component", [GRID, BCE, Swap])
def test_a_raised_version_changes_the_identity(plan, monkeypatch, component):
    before = plan()
    monkeypatch.setattr(component, "version", component.version + 1)
    assert plan().id != before.id
    assert plan().cell != before.cell


def test_a_raised_version_of_the_protocol_changes_the_identity(plan, monkeypatch):
    before = plan().id
    monkeypatch.setattr("gridbench.plan.make.PROTOCOL_VERSION", PROTOCOL_VERSION + 1)
    assert plan().id != before


def test_a_weights_file_counts_by_what_is_in_it(plan, tmp_path):
    (tmp_path / "one").write_bytes(b"first")
    (tmp_path / "two").write_bytes(b"first")
    with_file = plan(weights=str(tmp_path / "one"))
    assert with_file.id != plan().id
    assert plan(weights=str(tmp_path / "two")).id == with_file.id
    assert plan(weights=str(tmp_path / "two"), weights_prefix="").id == with_file.id
    assert plan(weights=str(tmp_path / "two"), weights_prefix="a.").id != with_file.id
    (tmp_path / "one").write_bytes(b"other")
    assert plan(weights=str(tmp_path / "one")).id != with_file.id


def test_how_and_where_it_runs_is_no_part_of_the_identity(cache, settings, tmp_path):
    config = make_config({**settings, "method": "bce", "epochs": 1})
    usual = Execution(runs=tmp_path / "a", cache=cache, device="cpu", threads=1)
    variants = {
        "runs": tmp_path / "b",
        "cache": cache,
        "device": "auto",
        "keep": "light",
        "force": True,
        "threads": 2,
        "progress": None,
        "building": None,
        "say": print,
        "log": ("tensorboard",),
        "log_folder": tmp_path / "events",
        "profile": True,
        "chosen": {"an id": {}},
    }
    assert variants.keys() == {field.name for field in fields(Execution)}
    assert not set(variants) & RunConfig.model_fields.keys()
    first = run(config, usual)
    for name in ("runs", "keep"):
        assert run(config, replace(usual, **{name: variants[name]})).id == first.id


PLUGINS = {
    "method": """
        from gridbench import register_method
        from gridbench.methods.plain import Plain
        @register_method()
        class Mine(Plain):
            "Mine."
            losses = ("bce",)
        """,
    "loss": """
        from gridbench import register_loss
        from gridbench.methods.losses.bce import BCE
        @register_loss()
        class Mine(BCE):
            "Mine."
        """,
    "noise": """
        from gridbench import register_noise
        from gridbench.noise.swap import Swap
        @register_noise()
        class Mine(Swap):
            "Mine."
        """,
    "dataset": """
        from gridbench import register_dataset
        from gridbench.datasets.open import open_archive
        from gridbench.datasets.recipe import RECIPES
        @register_dataset()
        class Mine:
            "Mine."
            summary, version, recipes = "Mine.", 1, RECIPES["folder"]
            def open(self, cache, progress=None):
                return open_archive("stripes", cache)
        """,
}


def source(kind):
    return "\n".join(line.removeprefix(" " * 8) for line in PLUGINS[kind].splitlines())


@pytest.mark.parametrize("kind", PLUGINS)
def test_the_source_of_a_plug_in_changes_the_identity(plan, registries, tmp_path, kind):
    assert plan().plugin is None
    path = tmp_path / "mine.py"
    given = {"loss": "bce", "slnir": 30, kind: "mine"}
    path.write_text(source(kind), encoding="utf-8")
    load_plugin(path)
    before = plan(**given)
    assert before.plugin
    load_plugin(path)
    assert plan(**given).id == before.id
    # The same length within the same second: what Python would take for an unchanged file.
    path.write_text(source(kind).replace('"Mine."', '"Ours."', 1), encoding="utf-8")
    load_plugin(path)
    assert plan(**given).id != before.id


def test_a_plug_in_that_is_edited_while_it_runs_keeps_the_identity_of_what_runs(plan, registries, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(source("method"), encoding="utf-8")
    load_plugin(path)
    before = plan(method="mine").id
    path.write_text(source("method") + "# an afterthought\n", encoding="utf-8")
    assert plan(method="mine").id == before


def test_a_plug_in_that_a_run_does_not_use_is_no_part_of_its_identity(plan, registries, tmp_path):
    before = plan().id
    path = tmp_path / "mine.py"
    path.write_text(source("method"), encoding="utf-8")
    load_plugin(path)
    assert plan().id == before


def test_an_edited_plug_in_runs_anew(cache, settings, registries, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(source("method"), encoding="utf-8")
    load_plugin(path)
    said = []
    execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1, say=said.append)
    config = make_config({**settings, "method": "mine", "epochs": 1})
    first = run(config, execution)
    assert run(config, execution).id == first.id
    assert "Nothing to do" in said[-1]
    path.write_text(source("method") + "    version = 2\n", encoding="utf-8")
    load_plugin(path)
    again = run(config, execution)
    assert again.id != first.id
    assert len(said) == 1
    assert first.folder.exists()


def test_the_built_in_data_sets_need_no_plug_in():
    assert all(DATASETS.origin(name) == "gridbench" for name in ("bluemarble", "bluemarble64"))
