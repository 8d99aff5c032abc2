"""Checkpoints are written beside the training: of the state at the time, not too often, and never silently lost."""

import pytest
import torch

from gridbench import run
from gridbench.config import make_config
from gridbench.records.runner import Execution
from gridbench.training.checkpoint import SECONDS, Checkpoint, CheckpointWriter, load_checkpoint


def checkpoint(epoch, tensor, history):
    return Checkpoint(epoch, {"method/weight": tensor}, {"history": history})


def test_what_is_written_is_the_state_at_the_time(tmp_path, monkeypatch):
    monkeypatch.setenv(SECONDS, "0")
    weight, history = torch.zeros(1000), [{"epoch": 1}]
    with CheckpointWriter(tmp_path, "run") as writer:
        writer.offer(checkpoint(1, weight, history))
        weight += 1
        history.append({"epoch": 2})
    found = load_checkpoint(tmp_path, "run")
    assert found.epoch == 1
    assert not found.tensors["method/weight"].any()
    assert found.state["history"] == [{"epoch": 1}]


def test_the_last_one_offered_is_there_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv(SECONDS, "0")
    with CheckpointWriter(tmp_path, "run") as writer:
        for epoch in range(1, 8):
            writer.offer(checkpoint(epoch, torch.full((10,), float(epoch)), []))
    assert load_checkpoint(tmp_path, "run").epoch == 7
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1


def test_not_more_often_than_every_few_seconds(tmp_path, monkeypatch):
    monkeypatch.setenv(SECONDS, "2.5")
    now = [100.0]
    monkeypatch.setattr("gridbench.training.checkpoint.time.monotonic", lambda: now[0])
    written = []
    monkeypatch.setattr(
        "gridbench.training.checkpoint.save_checkpoint", lambda folder, run, kept: written.append(kept.epoch)
    )
    with CheckpointWriter(tmp_path, "run") as writer:
        for epoch in range(1, 10):
            now[0] += 1
            writer.offer(checkpoint(epoch, torch.zeros(1), []))
    assert written == [3, 6, 9]


def test_what_cannot_be_written_is_raised(tmp_path, monkeypatch):
    monkeypatch.setenv(SECONDS, "0")
    writer = CheckpointWriter(tmp_path / "nowhere", "run")
    with pytest.raises(OSError, match="nowhere"), writer:
        writer.offer(checkpoint(1, torch.zeros(1), []))


def test_how_often_changes_no_result(cache, settings, tmp_path, monkeypatch):
    config = make_config({**settings, "method": "grid", "slnir": 30})
    files = []
    for seconds in ("0", "1000"):
        monkeypatch.setenv(SECONDS, seconds)
        record = run(config, Execution(runs=tmp_path / seconds, cache=cache))
        files.append(
            [(record.folder / name).read_bytes() for name in ("weights.safetensors", "retrieval.npz")]
        )
    assert files[0] == files[1]
