"""Whatever stands in a config, a record, a manifest or a checkpoint: never a traceback, never a wrong acceptance."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridbench.cli import main
from gridbench.config import RunConfig, load_yaml, make_config
from gridbench.core.identity import identity, identity_of_cell
from gridbench.errors import InputError
from gridbench.records.record import RunRecord, finish_record, iter_records, read_record
from gridbench.records.status import statuses
from gridbench.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

WHOLE_NUMBERS = ("seed", "noise_seed", "k", "epochs", "batch_size", "train_size", "crop", "output_stride")

each_size = pytest.mark.parametrize("examples", [200, pytest.param(1000, marks=pytest.mark.slow)])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
# Mostly names that exist, so that values are reached.
configs = st.dictionaries(
    st.sampled_from(sorted(RunConfig.model_fields)) | st.text(max_size=8), values, max_size=4
)


def attempt(function, *arguments, refusal=InputError):
    """Return (result, "") or (None, why it was refused); any other exception is a failure."""
    try:
        return function(*arguments), ""
    except refusal as error:
        return None, str(error) or "no reason given"


def fuzz(examples):
    # Files are written anew for each example, so a fixture that is made once does no harm.
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks, derandomize=True)


@each_size
def test_configs(examples):
    @fuzz(examples)
    @given(configs)
    def check(given_values):
        config, refusal = attempt(make_config, given_values)
        assert refusal != "no reason given"
        if config is None:
            return
        assert set(given_values) <= set(RunConfig.model_fields)
        assert Decimal(0) <= config.slnir <= Decimal(100)
        for name in WHOLE_NUMBERS:
            value = getattr(config, name)
            assert value is None or (type(value) is int and value >= 0)
            asked = given_values.get(name)
            assert not isinstance(asked, bool)
            if isinstance(asked, int | float):
                assert value == asked
        for name in ("learning_rate", "brightness", "adam_epsilon"):
            value = getattr(config, name)
            assert value is None or (math.isfinite(value) and value >= 0)
        again = make_config(json.loads(json.dumps(config.canonical())))
        assert again.canonical() == config.canonical()

    check()


@each_size
def test_yaml_files(examples, tmp_path):
    file = tmp_path / "run.yaml"

    @fuzz(examples)
    @given(configs.map(yaml.safe_dump) | st.text(max_size=40), st.integers(0, 200), st.binary(max_size=3))
    def check(text, position, inserted):
        content = text.encode("utf-8", "replace")
        file.write_bytes(content[:position] + inserted + content[position:])
        _, refusal = attempt(lambda: make_config(load_yaml(file)))
        assert refusal != "no reason given"

    check()


def write_record(folder: Path) -> Path:
    folder.mkdir(parents=True)
    parts = ({"epochs": 2, "k": 5, "seed": 0}, {}, None, None)
    run = identity(*parts)
    documents = {
        "config.json": {"schema": 1, "id": run, "cell": identity_of_cell(*parts), "config": parts[0]},
        "history.json": [{"epoch": 1, "loss": 0.5}],
        "noise.json": {"schema": 1, "sha256": "c" * 64, "realised": 30.0},
        "result.json": {"schema": 1, "id": run, "metrics": {"ndcg@5": 0.625, "map@5": 0.5}},
    }
    finish_record(folder, documents, {"retrieval.npz": {"test.ndcg@5": torch.arange(3).numpy()}})
    return folder


def spliced(data, content):
    """Return bytes with a stretch of them replaced by up to four others."""
    start = data.draw(st.integers(0, len(content)))
    removed = data.draw(st.integers(0, len(content)))
    return content[:start] + data.draw(st.binary(max_size=4)) + content[start + removed :]


@each_size
def test_damaged_records(examples, tmp_path):
    folder = write_record(tmp_path / "runs" / "run")
    originals = {path.name: path.read_bytes() for path in folder.iterdir()}
    true = read_record(folder, verify=True)
    assert isinstance(true, RunRecord)

    @fuzz(examples)
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(sorted(originals)))
        content = originals[name]
        damaged = spliced(data, content)
        (folder / name).write_bytes(damaged)
        try:
            for verify in (False, True):
                stored = read_record(folder, verify=verify)
                if isinstance(stored, RunRecord):
                    # What is believed without reading every file is what was written.
                    assert stored.metrics == true.metrics
                    assert stored.config == true.config
                    if verify and name != "done":
                        assert damaged == content
                else:
                    assert stored.state in {"corrupt", "incomplete"}
                    assert stored.reason
            assert len(list(statuses(folder.parent))) == 1
        finally:
            (folder / name).write_bytes(content)

    check()


@each_size
def test_invented_records(examples, tmp_path):
    folder = write_record(tmp_path / "runs" / "run")
    names = sorted(path.name for path in folder.iterdir() if path.suffix == ".json" or path.name == "done")
    originals = {name: (folder / name).read_bytes() for name in names}

    @fuzz(examples)
    @given(
        st.sampled_from(names),
        st.dictionaries(st.sampled_from(["schema", "id", "metrics", "files", "config"]), values),
    )
    def check(name, content):
        (folder / name).write_text(json.dumps({"schema": 1, **content}), encoding="utf-8")
        try:
            stored = read_record(folder)
            assert stored.state in {"done", "corrupt", "incomplete"}
            if isinstance(stored, RunRecord):
                assert all(math.isfinite(value) for value in stored.metrics.values())
                assert stored.id == stored.result["id"]
            assert len(list(iter_records(folder.parent))) == 1
        finally:
            (folder / name).write_bytes(originals[name])

    check()


@each_size
def test_the_commands_that_read_records(examples, tmp_path, capsys):
    folder = write_record(tmp_path / "runs" / "run")
    originals = {path.name: path.read_bytes() for path in folder.iterdir()}

    @fuzz(examples // 4)
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(sorted(originals)))
        (folder / name).write_bytes(data.draw(st.binary(max_size=30)))
        try:
            for command in ("status", "leaderboard"):
                code = 0
                try:
                    main([command, "--runs", str(folder.parent)])
                except SystemExit as stop:
                    code = stop.code or 0
                out, messages = capsys.readouterr()
                assert code in {0, 1, 2}
                assert "Traceback" not in out + messages
                assert "looks like a defect" not in messages
        finally:
            (folder / name).write_bytes(originals[name])

    check()


@each_size
def test_checkpoints(examples, tmp_path):
    tensors = {"method/weight": torch.arange(6.0).reshape(2, 3), "optimizer/0/step": torch.tensor(3.0)}
    state = {"history": [{"epoch": 1, "loss": 0.25}], "seconds": {}, "best": None}
    save_checkpoint(tmp_path, "run", Checkpoint(1, tensors, state))
    originals = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    @fuzz(examples)
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(sorted(originals)))
        content = originals[name]
        (tmp_path / name).write_bytes(spliced(data, content))
        stored, refusal = attempt(load_checkpoint, tmp_path, "run", refusal=ValueError)
        (tmp_path / name).write_bytes(content)
        if refusal:
            assert "cannot be used" in refusal
            return
        assert stored is not None
        assert dict(stored.state) == state
        assert stored.epoch == 1
        for key, value in tensors.items():
            assert torch.equal(stored.tensors[key], value)

    check()


@each_size
def test_noise_manifests(examples, cache, tmp_path):
    """The manifest of a record: changed bytes of either file make the record untrustworthy."""
    from gridbench.records.runner import Execution, run

    record = run(
        make_config(
            {
                "dataset": "stripes",
                "method": "random",
                "backbone": "test_resnet",
                "k": 5,
                "slnir": 30,
                "crop": 0,
            }
        ),
        Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1),
    )
    originals = {name: (record.folder / name).read_bytes() for name in ("noise.json", "noise.npz")}

    @fuzz(examples)
    @given(st.sampled_from(sorted(originals)), st.floats(0, 1), st.integers(1, 255))
    def check(name, share, mask):
        content = bytearray(originals[name])
        content[int(share * (len(content) - 1))] ^= mask
        (record.folder / name).write_bytes(bytes(content))
        try:
            stored = read_record(record.folder, verify=True)
            assert stored.state == "corrupt"
            assert name in stored.reason
            if name == "noise.json":
                with pytest.raises(ValueError, match=r"noise\.json was changed"):
                    record.noise()
        finally:
            (record.folder / name).write_bytes(originals[name])

    check()


@each_size
def test_noise_manifest_files(examples, tmp_path):
    """A manifest by itself: what is loaded is what was saved, or it is refused."""
    import numpy as np

    from gridbench.noise import Manifest, corrupt_scene_labels
    from gridbench.noise.swap import Swap

    labels = (np.random.default_rng(0).random((20, 6)) < 0.4).astype(np.uint8)
    corruption = corrupt_scene_labels(labels, 30, np.random.default_rng(1))
    true = Manifest.of(corruption, Swap(), 0, "f" * 64)
    true.save(tmp_path)
    originals = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    @fuzz(examples)
    @given(st.data())
    def check(data):
        name = data.draw(st.sampled_from(sorted(originals)))
        content = originals[name]
        (tmp_path / name).write_bytes(spliced(data, content))
        loaded, refusal = attempt(Manifest.load, tmp_path)
        (tmp_path / name).write_bytes(content)
        assert refusal != "no reason given"
        if loaded is not None:
            assert np.array_equal(loaded.changed, true.changed)
            assert loaded.sha256 == true.sha256

    check()
