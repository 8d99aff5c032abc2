"""Whole runs on a tiny archive: the record, doing nothing twice, resuming, and what a method may not see."""

import gc
import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from gridbench import run
from gridbench.cli import main
from gridbench.config import make_config
from gridbench.core import environment
from gridbench.core.machine import machine_label
from gridbench.datasets.loading.batches import ahead
from gridbench.errors import InputError, RunFailed
from gridbench.methods.losses.bce import BCE
from gridbench.methods.plain import Plain
from gridbench.plan import make_plan
from gridbench.records.recompute import wrong_numbers
from gridbench.records.record import iter_records, read_record
from gridbench.records.runner import Execution
from gridbench.training.experiment import Experiment

NUMBERS = [
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
def go(tmp_path, cache, settings):
    def start(runs="runs", keep="weights", force=False, progress=None, said=None, **values):
        execution = Execution(
            runs=tmp_path / runs,
            cache=cache,
            device="cpu",
            keep=keep,
            force=force,
            threads=1,
            progress=progress,
            say=(said if said is not None else []).append,
        )
        return run(make_config({**settings, **values}), execution)

    return start


def same_numbers(one, other):
    """Tell which number-bearing files of two records differ."""
    return [n for n in NUMBERS if (one.folder / n).read_bytes() != (other.folder / n).read_bytes()]


class StopAfter:
    """Interrupts a run after some epochs, as Ctrl-C would."""

    def __init__(self, epochs):
        self.left = epochs

    def epoch(self, done, total, row):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("method", ["grid", "bce", "oracle", "untrained", "random"])
def test_a_run_leaves_a_whole_record(finished, method):
    record = finished(method=method, slnir=30)
    assert read_record(record.folder, verify=True).state == "done"
    for prefix in ("", "validation/", "unseen/"):
        for name in ("ndcg@5", "map@5", "precision@5", "recall@5"):
            assert 0 <= record.metrics[prefix + name] <= 1
    arrays = record.retrieval()
    assert arrays["test.ndcg@5"].mean() == pytest.approx(record.metrics["ndcg@5"])
    assert arrays["test.ranking"].shape == (48, 5)
    assert len(record.epochs()) == (3 if method in {"grid", "bce", "oracle"} else 0)
    assert record.config["reference"] == (method in {"oracle", "untrained", "random"})
    assert not list(record.folder.glob("checkpoint*"))


def test_the_requested_noise_is_realised_exactly(finished):
    record = finished(method="bce", slnir=30)
    with np.load(record.folder / "noise.npz", allow_pickle=False) as arrays:
        changed = arrays["changed"]
    noise = record.noise()
    assert len(changed) == noise["positives"] * 30 // 100
    assert record.result["noise"]["realised"] == pytest.approx(100 * len(changed) / noise["positives"])
    assert record.result["noisy_images"] == pytest.approx(len(np.unique(changed[:, 0])) / 48)


def test_the_same_command_again_does_nothing(go, finished):
    first = finished(slnir=30)
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    said = []
    assert go(slnir=30, said=said).id == first.id
    assert before == {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    assert "Nothing to do" in said[0]


def test_force_runs_anew_to_the_same_numbers(go, finished):
    first = finished(slnir=30)
    stamp = (first.folder / "done").stat().st_mtime_ns
    kept = {name: (first.folder / name).read_bytes() for name in NUMBERS}
    again = go(slnir=30, force=True)
    assert (again.folder / "done").stat().st_mtime_ns != stamp
    assert kept == {name: (again.folder / name).read_bytes() for name in NUMBERS}


@pytest.mark.parametrize("method", ["grid", "bce"])
@pytest.mark.parametrize("scored", [{}, {"select": "best", "last_epochs": 3, "ema": 0.9}])
def test_an_interrupted_run_resumes_to_the_same_bits(go, finished, tmp_path, method, scored):
    whole = finished("whole", method=method, slnir=30, **scored)
    with pytest.raises(KeyboardInterrupt):
        go(runs="broken", method=method, slnir=30, **scored, progress=StopAfter(2))
    (stored,) = iter_records(tmp_path / "broken")
    assert stored.state == "incomplete"
    said = []
    resumed = go(runs="broken", method=method, slnir=30, **scored, said=said)
    assert said == ["Going on after epoch 2."]
    assert same_numbers(whole, resumed) == []


@pytest.mark.parametrize("loss", ["bce", "pce"])
def test_the_best_epoch_leaves_the_scores_of_the_last_one_beside_its_own(finished, loss):
    settings = {"method": "grid", "loss": loss, "slnir": 60, "epochs": 4, "learning_rate": 0.01}
    last, best = finished("last", **settings), finished("best", **settings, select="best")
    rows = [row["validation"] for row in best.epochs()]
    assert best.result["best_epoch"] == 1 + rows.index(max(rows)) < 4
    assert best.metrics["validation/ndcg@5"] == max(rows)
    beside = {name: value for name, value in best.metrics.items() if name.startswith("last/")}
    assert beside == {f"last/{name}": value for name, value in last.metrics.items()}
    assert not any(name.startswith("last/") for name in last.metrics)
    assert wrong_numbers(best, needed=True) == []


@pytest.mark.parametrize(("method", "score"), [("bce", "map_macro"), ("pce", "miou")])
def test_the_best_epoch_may_be_that_of_the_predictions(finished, method, score):
    chosen = {"select": "best", "select_by": "prediction"}
    record = finished(method=method, slnir=60, epochs=4, learning_rate=0.01, last_epochs=4, **chosen)
    rows = record.epochs()
    scores = [row["scores"][f"validation/{score}"] for row in rows]
    assert [row["validation"] for row in rows] == scores
    assert record.result["best_epoch"] == 1 + scores.index(max(scores))
    of_best = rows[record.result["best_epoch"] - 1]["scores"]
    assert {name: record.metrics[name] for name in of_best} == of_best


def test_predictions_that_are_not_there_choose_no_epoch(go, monkeypatch):
    real = Plain.predict
    monkeypatch.setattr(Plain, "predict", lambda self, images: real(self, images) if self.training else None)
    with pytest.raises(RunFailed, match=r"the method trains no head\. Leave out --select-by prediction"):
        go(method="bce", select="best", select_by="prediction")


def test_without_validation_images_there_is_no_best_epoch(cache, settings):
    plan = make_plan(make_config({**settings, "method": "bce", "select": "best"}), cache)
    with pytest.raises(InputError, match="no validation images, by whose scores --select best"):
        Experiment(replace(plan, archive=plan.archive.as_training()), torch.device("cpu"))


@pytest.mark.parametrize(
    "name", ["last/ndcg@5", "last/unseen/map@5", "last/map_macro", "last/validation/f1_micro"]
)
def test_forged_scores_of_the_last_epoch_are_found(finished, tmp_path, name):
    record = finished(method="bce", select="best")
    forged = json.loads((record.folder / "result.json").read_text())
    forged["metrics"][name] = 0.99
    assert [name in reason for reason in wrong_numbers(replace(record, result=forged), needed=True)] == [True]


@pytest.mark.parametrize(
    "asked", [{"method": "bce"}, {"method": "grid", "loss": "pce", "ema": 0.5}, {"method": "untrained"}]
)
def test_means_over_the_last_epochs_are_those_of_runs_that_stop_there(finished, asked):
    stopped = [finished(f"stopped{epochs}", **asked, slnir=30, epochs=epochs).metrics for epochs in (2, 3)]
    record = finished("long", **asked, slnir=30, epochs=3, last_epochs=2)
    means = {
        name.removeprefix("last_epochs/"): value
        for name, value in record.metrics.items()
        if name.startswith("last_epochs/")
    }
    assert means == pytest.approx({name: (stopped[0][name] + stopped[1][name]) / 2 for name in stopped[0]})
    assert {name: record.metrics[name] for name in stopped[1]} == stopped[1]
    assert wrong_numbers(record, needed=True) == []


@pytest.mark.parametrize(
    "forge",
    [
        lambda result, rows: result["metrics"].update({"last_epochs/ndcg@5": 0.99}),
        lambda result, rows: result["metrics"].update({"last_epochs/made_up": 0.99}),
        lambda result, rows: rows[1].pop("scores"),
        lambda result, rows: rows[1].update(scores=[0.99]),
        lambda result, rows: (
            [row["scores"].update({"map_macro": 0.99}) for row in rows[1:]]
            and result["metrics"].update({"last_epochs/map_macro": 0.99})
        ),
    ],
)
@pytest.mark.parametrize("select", ["last", "best"])
def test_forged_means_over_epochs_are_found(finished, monkeypatch, forge, select):
    record = finished(method="bce", last_epochs=2, select=select)
    forged, rows = json.loads((record.folder / "result.json").read_text()), record.epochs()
    forge(forged, rows)
    monkeypatch.setattr(type(record), "epochs", lambda self: rows)
    (reason,) = wrong_numbers(replace(record, result=forged), needed=True)
    assert re.search("last_epochs|last epoch|scores of an epoch", reason)


@pytest.mark.parametrize(("select", "times"), [("last", [1, 1, 1]), ("best", [5, 5, 2])])
def test_no_split_is_described_twice_in_one_evaluation(go, monkeypatch, select, times):
    from gridbench.evaluation import retrieval

    real, sizes = retrieval.describe, []

    def counting(method, batches):
        found = real(method, batches)
        sizes.append(found.tobytes())
        return found

    monkeypatch.setattr(retrieval, "describe", counting)
    descriptors = go(method="bce", select=select, keep="all").arrays("descriptors.npz")
    assert len(sizes) == sum(times)
    assert [descriptors[split].tobytes() in sizes[-3:] for split in ("train", "val", "test")] == [True] * 3


def test_a_damaged_checkpoint_is_set_aside_and_the_run_starts_over(go, finished, tmp_path):
    whole = finished("whole", slnir=30)
    with pytest.raises(KeyboardInterrupt):
        go(runs="broken", slnir=30, progress=StopAfter(2))
    (file,) = (tmp_path / "broken").glob("*/checkpoint-*.safetensors")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    said = []
    resumed = go(runs="broken", slnir=30, said=said)
    assert "was changed" in said[0]
    assert same_numbers(whole, resumed) == []
    assert any(resumed.folder.glob("checkpoint.damaged-*/checkpoint-*"))


@pytest.mark.parametrize("name", [*NUMBERS, "environment.json", "done"])
def test_a_record_with_one_flipped_byte_is_set_aside_and_run_anew(go, finished, name):
    first = finished(slnir=30)
    kept = {n: (first.folder / n).read_bytes() for n in NUMBERS}
    content = bytearray((first.folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (first.folder / name).write_bytes(bytes(content))
    assert read_record(first.folder, verify=True).state in {"corrupt", "incomplete"}
    again = go(slnir=30)
    assert {n: (again.folder / n).read_bytes() for n in NUMBERS} == kept
    assert len(list(first.folder.parent.glob(".*damaged*"))) == 1


def test_pixels_on_disk_give_the_same_bits_as_pixels_in_memory(go, finished, monkeypatch):
    in_memory = finished(method="grid", slnir=30)
    monkeypatch.setattr("gridbench.datasets.loading.storage.HOST_BYTES", 0)
    prepared = []
    monkeypatch.setattr(
        "gridbench.training.trainer.ahead", lambda calls: prepared.append(calls) or ahead(calls)
    )
    on_disk = go(method="grid", slnir=30, runs="disk")
    assert len(prepared) == len(on_disk.epochs())
    assert not same_numbers(in_memory, on_disk)


def test_all_methods_of_a_cell_see_the_same_noise_and_the_same_initial_backbone(go):
    records = [go(method=m, slnir=30, epochs=1) for m in ("grid", "bce", "untrained")]
    assert len({(r.folder / "noise.npz").read_bytes() for r in records}) == 1
    hashes = {r.noise()["sha256"] for r in records}
    assert len(hashes) == 1
    assert go(method="bce", slnir=30, epochs=1, noise_seed=5).noise()["sha256"] not in hashes


def test_grid_at_lambda_zero_is_the_bce_row(go, finished):
    plain = finished(method="bce", slnir=30)
    ours = go(method="grid", slnir=30, parameters={"lambda": 0})
    assert plain.metrics == ours.metrics
    assert [row["loss"] for row in plain.epochs()] == [row["discriminative_loss"] for row in ours.epochs()]


def test_the_oracle_does_not_depend_on_the_noise(go, finished):
    clean = go(method="oracle", slnir=0)
    assert clean.metrics == go(method="oracle", slnir=60).metrics
    assert clean.metrics == finished("plain", method="bce", slnir=0).metrics


def test_weights_load_into_timm(finished):
    import timm
    from safetensors.torch import load_file

    record = finished(slnir=30)
    model = timm.create_model("test_resnet", num_classes=0)
    model.load_state_dict(load_file(record.folder / "weights.safetensors"))
    model.eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 16, 16)).shape == (1, 96)


def test_a_run_starts_from_a_weights_file(go, finished):
    first = finished(method="bce", slnir=0)
    weights = str(first.folder / "weights.safetensors")
    record = go(method="untrained", slnir=0, weights=weights)
    assert record.metrics == pytest.approx({name: first.metrics[name] for name in record.metrics})


def test_keep_bounds_what_a_record_holds(go):
    light = go(runs="light", keep="light")
    everything = go(runs="all", keep="all")
    assert not (light.folder / "weights.safetensors").exists()
    assert not any(name.startswith("thumbnail") for name in light.retrieval())
    assert (everything.folder / "descriptors.npz").exists()
    assert light.metrics == everything.metrics


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_turns_nan_stops_the_run_and_names_the_last_good_epoch(
    go, finished, tmp_path, monkeypatch, bad
):
    whole = finished("whole", method="bce")
    sound = BCE.entries
    calls = []

    def breaks_in_the_second_epoch(self, prediction, target):
        calls.append(None)
        losses, valid = sound(self, prediction, target)
        return (losses * bad if len(calls) > 4 else losses), valid

    monkeypatch.setattr(BCE, "entries", breaks_in_the_second_epoch)
    with pytest.raises(RunFailed, match=r"epoch 2 the loss .*'bce'.* checkpoint: epoch 1"):
        go(method="bce")
    (stored,) = iter_records(tmp_path / "runs")
    assert stored.state == "failed"
    assert "Traceback" in json.loads((stored.folder / "failed.json").read_text())["traceback"]
    monkeypatch.setattr(BCE, "entries", sound)
    said = []
    resumed = go(method="bce", said=said)
    assert said == ["Going on after epoch 1."]
    assert same_numbers(whole, resumed) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"method": "gird"}, ["'gird'", "'grid'", "bce"]),
        ({"loss": "bec"}, ["'bec'", "'bce'"]),
        ({"dataset": "stripe"}, ["'stripe'", "'stripes'"]),
        ({"noise": "swop"}, ["'swop'", "'swap'"]),
        ({"backbone": "resnet81"}, ["'resnet81'", "Did you mean"]),
        ({"backbone": "test_vit"}, ["negative", "--descriptor-map", "--distance"]),
        ({"parameters": {"lambda": 200}}, ["'lambda'", "200", "0 to 100"]),
        ({"parameters": {"lamda": 20}}, ["'lamda'", "'lambda'"]),
        ({"method": "random", "loss": "bce"}, ["random", "no --loss"]),
        ({"k": 1000}, ["'k'", "1000", "24"]),
        ({"train_size": 1000}, ["'train_size'", "1000", "48"]),
        ({"crop": 99}, ["'crop'", "99", "16"]),
        ({"weights": "absent.safetensors"}, ["absent.safetensors", "does not exist"]),
    ],
)
def test_bad_input_is_refused_before_anything_is_on_disk(go, tmp_path, values, words):
    with pytest.raises(InputError) as caught:
        go(**values)
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_an_unrealisable_rate_names_the_largest(go, tmp_path):
    with pytest.raises(InputError, match=r"largest"):
        go(slnir=100, train_size=4)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_another_process_holds_is_left_to_it(go, finished, tmp_path):
    from filelock import FileLock

    record = finished(slnir=30)
    lock = tmp_path / "runs" / ".locks" / f"{record.folder.name}.lock"
    lock.parent.mkdir()
    before = sorted(path.name for path in record.folder.iterdir())
    with FileLock(lock), pytest.raises(InputError, match="Another process"):
        go(slnir=30, force=True)
    assert before == sorted(path.name for path in record.folder.iterdir())


def test_a_runs_folder_that_cannot_be_written_is_refused(tmp_path, cache, settings):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written"):
        run(make_config(settings), Execution(runs=tmp_path / "file" / "runs", cache=cache, device="cpu"))


def test_a_finished_run_leaves_nothing_behind_that_waits_for_a_collection(settings, cache, tmp_path):
    """A sweep or an audit computes many runs in one process, each with an archive's pixels in memory."""
    gc.collect()
    others = {id(each) for each in gc.get_objects() if type(each) is Experiment}
    gc.disable()
    try:
        run(make_config({**settings, "method": "bce"}), Execution(runs=tmp_path, cache=cache, device="cpu"))
        left = [each for each in gc.get_objects() if type(each) is Experiment and id(each) not in others]
        assert not left
    finally:
        gc.enable()


def test_the_python_call_computes_what_the_command_computes(tmp_path, cache, settings):
    values = {**settings, "method": "bce", "slnir": 30, "epochs": 2}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    places = {"called": tmp_path / "called", "commanded": tmp_path / "commanded"}
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        called = run(make_config(values), Execution(places["called"], cache, "cpu"))
        main(
            [
                "run",
                *flags,
                f"--runs={places['commanded']}",
                f"--cache={cache}",
                "--device=cpu",
                "--quiet",
            ]
        )
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    (commanded,) = iter_records(places["commanded"])
    assert called.environment()["machine"] == commanded.environment()["machine"]
    assert called.environment()["machine"]["threads"] == called.environment()["threads"] == 1
    assert same_numbers(called, commanded) == []


def test_a_run_that_is_resumed_on_another_machine_names_both(go, monkeypatch):
    values = {"method": "bce", "slnir": 30}
    with pytest.raises(KeyboardInterrupt):
        go(progress=StopAfter(1), **values)
    here = environment.describe_machine

    def elsewhere(device):
        return {**here(device, threads=1), "cpu": {"model": "Another CPU"}}

    monkeypatch.setattr(environment, "describe_machine", elsewhere)
    with pytest.raises(KeyboardInterrupt):
        go(progress=StopAfter(1), **values)
    record = go(**values)
    device = torch.device("cpu")
    first, label = machine_label(here(device, threads=1)), machine_label(elsewhere(device))
    assert record.machine == f"{label}; epochs up to 1 on {first}"
    monkeypatch.undo()
    assert go(runs="straight", **values).machine == first
