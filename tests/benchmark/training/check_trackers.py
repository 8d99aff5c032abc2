"""Runs logged to Weights & Biases (offline) and MLflow (SQLite), read back with the libraries' own readers.

Run by `make test-trackers`, which installs both: they are larger than all that the other tests need.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import wandb
from mlflow.tracking import MlflowClient
from PIL import Image
from wandb.proto.wandb_internal_pb2 import Record

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.records.runner import Execution, run


@pytest.fixture
def config(settings):
    return make_config({**settings, "method": "grid", "slnir": 30})


@pytest.fixture
def execution(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "wandb-cache"))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "wandb-data"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # W&B reads the environment once in a process, so what an earlier test set would still hold.
    wandb.teardown()
    return Execution(
        runs=tmp_path / "runs",
        cache=cache,
        device="cpu",
        threads=1,
        log=("tensorboard", "wandb", "mlflow"),
        say=pytest.fail,
    )


class Interrupts:
    def epoch(self, done, total, row):
        if done == 2:
            raise KeyboardInterrupt


def interrupted(config, execution):
    """Return a record of a run that was interrupted once; its messages about resuming are expected."""
    quiet = replace(execution, say=lambda line: line.startswith("Logging") and pytest.fail(line))
    with pytest.raises(KeyboardInterrupt):
        run(config, replace(quiet, progress=Interrupts()))
    return run(config, quiet)


def wandb_records(folder):
    """Return the messages in the files of all attempts, parsed by W&B's own classes."""
    return [Record.FromString(each) for path in sorted(folder.rglob("*.wandb")) for each in messages(path)]


def messages(path):
    """Yield what a log in LevelDB's format holds: blocks of 32 KiB, of pieces with a checksum, a length and a kind."""
    content, place, parts = path.read_bytes(), 7, b""
    assert content[:4] == b":W&B"
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            yield parts
            parts = b""


def wandb_history(records):
    """Return step -> name -> value; a step that was logged twice fails."""
    steps = {}
    for record in records:
        if record.HasField("history"):
            items = {
                item.key or "/".join(item.nested_key): json.loads(item.value_json)
                for item in record.history.item
            }
            for name, value in items.items():
                assert name.startswith("_") or name not in steps.setdefault(items["_step"], {}), (
                    name,
                    items["_step"],
                )
                steps.setdefault(items["_step"], {})[name] = value
    return steps


def mlflow_run(uri):
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("gridbench")
    (found,) = client.search_runs([experiment.experiment_id])
    return client, found


def test_both_hold_an_interrupted_run(config, execution, tmp_path):
    record = interrupted(config, execution)
    rows = {row["epoch"]: row for row in record.epochs()}

    records = wandb_records(tmp_path / "runs" / "wandb")
    runs = [each.run for each in records if each.HasField("run")]
    assert {each.run_id for each in runs} == {record.id}
    settings = {item.key: json.loads(item.value_json) for item in runs[0].config.update}
    assert settings["slnir"] == record.config["config"]["slnir"]
    assert settings["machine"] == record.machine
    history = wandb_history(records)
    assert {step: values["loss"] for step, values in history.items()} == {
        epoch: row["loss"] for epoch, row in rows.items()
    }
    last = history[max(rows)]
    assert last["final/ndcg@5"] == record.metrics["ndcg@5"]
    assert last["detection/precision"] == rows[3]["detection"]["precision"]
    assert last["retrieved/count"] > 1
    (artifact,) = [each.artifact for each in records if each.HasField("artifact")]
    assert {entry.path for entry in artifact.manifest.contents} >= {"config.json", "result.json", "done"}

    client, found = mlflow_run(f"sqlite:///{tmp_path / 'runs' / 'mlflow' / 'mlflow.db'}")
    assert found.info.status == "FINISHED"
    assert found.data.params["slnir"] == str(record.config["config"]["slnir"])
    assert found.data.tags["machine"] == record.machine
    losses = client.get_metric_history(found.info.run_id, "loss")
    assert {metric.step: metric.value for metric in losses} == {
        epoch: row["loss"] for epoch, row in rows.items()
    }
    assert len(losses) == len(rows)
    assert found.data.metrics["final/ndcg_at_5"] == record.metrics["ndcg@5"]
    kept = client.download_artifacts(found.info.run_id, "record", str(tmp_path))
    assert (tmp_path / "record" / "result.json").read_bytes() == (
        record.folder / "result.json"
    ).read_bytes(), kept
    client.download_artifacts(found.info.run_id, "retrieved", str(tmp_path))
    with np.load(record.folder / "retrieval.npz") as arrays:
        first = arrays["thumbnail.query_images"][0]
    picture = np.asarray(Image.open(tmp_path / "retrieved" / "query0.png").convert("RGB"))
    assert (picture[2:-2, 2 : first.shape[1] + 2] == first).all()

    # The same command once more logs nothing twice.
    run(config, replace(execution, say=lambda line: None))
    assert wandb_history(wandb_records(tmp_path / "runs" / "wandb")) == history
    assert len(client.get_metric_history(found.info.run_id, "loss")) == len(rows)


def test_a_tracker_whose_disk_is_full_is_left_behind(config, execution, tmp_path, monkeypatch):
    folder = tmp_path / "logs"
    folder.mkdir()
    full = folder / "mlflow.db"
    full.symlink_to("/dev/full")
    said = []
    record = run(config, replace(execution, log_folder=folder, say=said.append))
    assert record.state == "done"
    assert [line.split()[2] for line in said] == ["mlflow"]
    assert max(wandb_history(wandb_records(folder))) == 3


def test_an_unreachable_server_is_left_behind(config, execution, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    said = []
    record = run(config, replace(execution, say=said.append))
    assert record.state == "done"
    # W&B keeps what it cannot send, and says so itself or not at all.
    assert {"mlflow"} <= {line.split()[2] for line in said} <= {"wandb", "mlflow"}


def test_the_command_takes_several(cache, tmp_path, monkeypatch, execution):
    words = [
        "run",
        "--dataset",
        "stripes",
        "--method",
        "bce",
        "--backbone",
        "test_resnet",
        "--epochs",
        "1",
        "--k",
        "5",
    ]
    words += ["--batch-size", "16", "--runs", str(tmp_path / "runs"), "--cache", str(cache), "--quiet"]
    logs = tmp_path / "logs"
    main([*words, "--log", "wandb", "--log", "mlflow", "--log-dir", str(logs)])
    assert list(wandb_history(wandb_records(logs))) == [1]
    assert mlflow_run(f"sqlite:///{logs / 'mlflow.db'}")[1].info.status == "FINISHED"
