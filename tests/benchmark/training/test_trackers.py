"""Event files: what TensorBoard's own reader finds in them, after a run, after an interrupted one, and without it."""

from __future__ import annotations

import io
import json
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.errors import InputError
from gridbench.records.record import read_record
from gridbench.records.runner import Execution, run
from gridbench.training.trackers import LoggedRun, Trackers


@pytest.fixture
def config(settings):
    return make_config({**settings, "method": "grid", "slnir": 30})


@pytest.fixture
def execution(tmp_path, cache):
    return Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1, log=("tensorboard",))


def scalars(folder):
    """Return name -> {step: value}; a step that is there twice fails."""
    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0})
    events.Reload()
    found = {}
    for tag in events.Tags()[SCALARS]:
        steps = [event.step for event in events.Scalars(tag)]
        assert len(set(steps)) == len(steps), f"{tag} at {steps}"
        found[tag] = {event.step: event.value for event in events.Scalars(tag)}
    return found


def expected(record):
    rows = record.epochs()
    return {
        "loss": {row["epoch"]: pytest.approx(row["loss"], rel=1e-6) for row in rows},
        "detection/precision": {
            row["epoch"]: pytest.approx(row["detection"]["precision"], rel=1e-6) for row in rows
        },
    }


def test_the_history_and_the_final_scores_are_there(config, execution):
    record = run(config, execution)
    found = scalars(record.folder / "tensorboard")
    for name, steps in expected(record).items():
        assert found[name] == steps
    assert found["final/ndcg@5"] == {3: pytest.approx(record.metrics["ndcg@5"], rel=1e-6)}
    assert "epoch" not in found


def test_they_are_no_part_of_the_record(config, execution, tmp_path):
    record = run(config, execution)
    other = run(config, replace(execution, runs=tmp_path / "other", log=()))
    assert record.id == other.id
    assert record.hashes.keys() == other.hashes.keys()
    assert dict(record.metrics) == dict(other.metrics)
    for path in (record.folder / "tensorboard").iterdir():
        path.write_bytes(b"other")
    assert read_record(record.folder, verify=True).state == "done"


class Interrupts:
    def __init__(self, at):
        self.at = at

    def epoch(self, done, total, row):
        if done == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["in the run", "elsewhere"])
def test_an_interrupted_run_goes_on_in_the_same_log(config, execution, tmp_path, place):
    if place == "elsewhere":
        execution = replace(execution, log_folder=tmp_path / "logs")
    for at in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            run(config, replace(execution, progress=Interrupts(at)))
    record = run(config, execution)
    folder = (
        record.folder / "tensorboard" if place == "in the run" else tmp_path / "logs" / record.folder.name
    )
    for name, steps in expected(record).items():
        assert scalars(folder)[name] == steps


def logged(folder, history=()):
    run = LoggedRun("an id", folder.name, {"epochs": 3}, "a machine", folder, history)
    return Trackers(["tensorboard"], run, folder.parent, pytest.fail)


def test_what_an_attempt_did_not_come_to_log_is_made_up_for(tmp_path):
    record = tmp_path / "record"
    record.mkdir()
    np.savez(record / "retrieval.npz", indices=np.zeros(1))
    rows = [{"epoch": epoch, "loss": epoch / 10, "detection": None, "flag": True} for epoch in (1, 2, 3)]
    with logged(tmp_path) as log:
        log.epoch(1, 3, rows[0])
    with logged(tmp_path, rows[:2]) as log:
        log.epoch(3, 3, rows[2])
        log.finish({"ndcg@5": 0.5}, record)
    assert scalars(tmp_path) == {
        "loss": {1: pytest.approx(0.1), 2: pytest.approx(0.2), 3: pytest.approx(0.3)},
        "final/ndcg@5": {3: 0.5},
    }


def test_a_run_that_starts_over_replaces_what_was_logged(tmp_path):
    with logged(tmp_path) as log:
        log.epoch(1, 2, {"epoch": 1, "loss": 1.0})
        log.epoch(2, 2, {"epoch": 2, "loss": 2.0})
    with logged(tmp_path) as log:
        log.epoch(1, 2, {"epoch": 1, "loss": 5.0})
    assert scalars(tmp_path) == {"loss": {1: 5.0}}


def test_a_finished_run_gets_its_log_afterwards_and_once(config, execution):
    record = run(config, replace(execution, log=()))
    assert not (record.folder / "tensorboard").exists()
    for _ in range(2):
        run(config, execution)
    for name, steps in expected(record).items():
        assert scalars(record.folder / "tensorboard")[name] == steps


def test_without_the_package_nothing_runs_and_the_message_says_what_to_install(
    config, execution, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'gridbench\[tensorboard\]'"):
        run(config, execution)
    assert not execution.runs.exists()


def test_the_command(cache, tmp_path, capsys):
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
    main([*words, "--log", "tensorboard", "--log-dir", str(logs)])
    (folder,) = logs.iterdir()
    history = json.loads((tmp_path / "runs" / folder.name / "history.json").read_text())
    assert scalars(folder)["loss"] == {1: pytest.approx(history[0]["loss"], rel=1e-6)}
    (tmp_path / "file").write_text("")
    for more, reason in (
        (["--log-dir", str(logs)], "name one with --log tensorboard"),
        (
            ["--log", "tensorboard", "--log-dir", str(tmp_path / "file" / "below")],
            "nothing can be written below it",
        ),
        (["--log", "nothing"], "tensorboard"),
    ):
        with pytest.raises(SystemExit) as stop:
            main([*words, "--seed", "1", *more])
        assert stop.value.code == 2
        assert reason in " ".join(capsys.readouterr().err.split())


def test_the_settings_and_what_was_retrieved_are_there(config, execution):
    record = run(config, execution)
    run(config, execution)
    events = EventAccumulator(str(record.folder / "tensorboard"), size_guidance={IMAGES: 0})
    events.Reload()
    (settings,) = events.Tensors("settings")
    assert "- slnir: 30" in settings.tensor_proto.string_val[0].decode()
    with np.load(record.folder / "retrieval.npz") as arrays:
        queries = arrays["thumbnail.query_images"]
    assert len(events.Tags()[IMAGES]) == len(queries)
    (first,) = events.Images("retrieved/query0")
    picture = np.asarray(Image.open(io.BytesIO(first.encoded_image_string)))
    assert (picture[2:-2, 2 : queries.shape[2] + 2] == queries[0]).all()


@pytest.mark.parametrize("when", ["begun", "run"])
def test_an_outage_does_not_stop_a_run_and_the_rest_is_logged_later(
    config, execution, tmp_path, monkeypatch, when
):
    if when == "begun":
        monkeypatch.setattr(time, "time", lambda: 1 / 0)
    writes, write = [], RecordWriter.write

    def full(self, data):
        writes.append(data)
        if len(writes) > 4:
            raise OSError(28, "No space left on device")
        write(self, data)

    said = []
    monkeypatch.setattr(RecordWriter, "write", full)
    record = run(config, replace(execution, log_folder=tmp_path / "events", say=said.append))
    assert record.state == "done"
    reason = "division by zero" if when == "begun" else "No space left on device"
    assert [line for line in said if line.startswith("Logging to tensorboard stopped: ") and reason in line]
    monkeypatch.undo()
    run(config, replace(execution, log_folder=tmp_path / "events"))
    for name, steps in expected(record).items():
        assert scalars(tmp_path / "events" / record.folder.name)[name] == steps
