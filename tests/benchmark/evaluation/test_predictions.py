"""What a trained head predicts, as a record keeps and scores it."""

import json

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from gridbench import run
from gridbench.config import make_config
from gridbench.datasets import open_archive
from gridbench.evaluation.predictions import CleanLabels, score_predictions
from gridbench.evaluation.retrieval import Splits
from gridbench.methods.tasks.classification import Classification
from gridbench.methods.tasks.cooccurrence import Cooccurrence
from gridbench.methods.tasks.segmentation import Segmentation
from gridbench.metrics.predictions import LabelScores, MapScores, SingleLabelScores
from gridbench.records.recompute import outside_of_classes, wrong_numbers
from gridbench.records.record import read_record
from gridbench.records.runner import Execution


@pytest.fixture
def go(tmp_path, cache, settings):
    def start(keep="all", **values):
        execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", keep=keep, threads=1)
        return run(make_config({**settings, "slnir": 30, "epochs": 1, **values}), execution)

    return start


@pytest.fixture
def archive(cache):
    return open_archive("stripes", cache)


def macro(values, labels):
    return values[labels.any(0)].mean()


def test_scores_of_scene_labels_are_those_of_the_kept_probabilities(go, archive):
    record = go(method="grid", loss="bce")
    kept, thresholds = record.arrays("predictions.npz"), None
    assert {split: found.shape for split, found in kept.items()} == {
        "train": (48, 5),
        "val": (24, 5),
        "test": (24, 5),
    }
    for split, prefix in (("val", "validation/"), ("test", "")):
        labels, scores = archive.true_scene_labels[archive.indices(split)], kept[split]
        found = {name: record.metrics[prefix + name] for name in ("map_macro", "f1_micro", "hamming", "ece")}
        precision = np.array(reference.average_precision_score(labels, scores, average=None))
        assert found["map_macro"] == pytest.approx(macro(precision, labels), abs=1e-6)
        assert found["f1_micro"] == pytest.approx(reference.f1_score(labels, scores > 0.5, average="micro"))
        assert found["hamming"] == pytest.approx(reference.hamming_loss(labels, scores > 0.5))
        assert 0 <= found["ece"] <= 1
        details = record.result["predictions"][split]
        assert details["images"] == 24
        thresholds = details.get("thresholds", thresholds)
    # The thresholds are those of validation images, so that only test has scores with them.
    tuned = reference.f1_score(labels, scores >= np.float32(thresholds), average="micro")
    assert record.metrics["f1_micro_tuned"] == pytest.approx(tuned)
    assert "validation/f1_micro_tuned" not in record.metrics


@pytest.mark.parametrize("crop", [0, 12])
def test_scores_of_maps_are_those_of_the_kept_classes(go, archive, crop):
    record = go(method="pce", crop=crop)
    at = slice(2, 14) if crop else slice(None)
    maps = archive.true_label_maps[archive.indices("test")][:, at, at]
    classes = record.arrays("predictions.npz")["test"]
    assert classes.shape == maps.shape
    assert classes.dtype == np.uint8
    known = maps != 255
    there = np.unique(maps[known])
    expected = reference.jaccard_score(
        maps[known], classes[known], labels=there, average="macro", zero_division=0
    )
    assert record.metrics["miou"] == pytest.approx(expected, abs=1e-6)
    assert record.metrics["pixel_accuracy"] == pytest.approx((maps == classes)[known].mean(), abs=1e-6)
    assert {"miou", "pixel_accuracy", "f1_macro"} <= record.metrics.keys()
    assert not {"map_macro", "hamming", "ece"} & record.metrics.keys()


def test_a_graph_of_classes_says_which_are_present_but_not_how_probably(go):
    record = go(method="rrl")
    assert {"map_macro", "f1_macro", "hamming"} <= record.metrics.keys()
    assert "ece" not in record.metrics


@pytest.mark.parametrize("method", ["untrained", "random"])
def test_without_a_head_the_record_gives_the_reason_and_no_numbers(go, method):
    record = go(method=method)
    assert record.result["predictions"] == {"reason": "the method trains no head"}
    assert record.arrays("predictions.npz") == {}
    assert not any("_macro" in name or name == "hamming" for name in record.metrics)
    assert {"precision@1", "map@r"} <= record.metrics.keys()


def test_predictions_are_kept_only_where_they_are_asked_for(go):
    assert go(keep="weights", method="bce").arrays("predictions.npz") == {}


def test_a_macro_mean_that_was_edited_is_found(go):
    record = go(keep="light", method="bce")
    assert wrong_numbers(record) == []
    result = json.loads((record.folder / "result.json").read_text())
    result["metrics"]["map_macro"] += 0.01
    (record.folder / "result.json").write_text(json.dumps(result))
    (record.folder / "done").write_text((record.folder / "done").read_text())
    edited = read_record(record.folder)
    assert edited.state == "corrupt"
    forged = type(record)(record.folder, "done", "", record.config, result, record.hashes)
    assert any(reason.startswith("map_macro is") for reason in wrong_numbers(forged))


def forged(record, metrics=None, **of_classes):
    """Return a record that says other numbers, its hashes made anew."""
    result = json.loads((record.folder / "result.json").read_text())
    result["metrics"] |= metrics or {}
    result["predictions"]["test"]["per_class"] |= of_classes
    return type(record)(record.folder, "done", "", record.config, result, record.hashes)


def test_a_score_over_all_classes_lies_between_those_of_single_classes(go):
    record = go(keep="light", method="bce")
    f1 = [value for value in record.result["predictions"]["test"]["per_class"]["f1"] if value is not None]
    assert min(f1) <= record.metrics["f1_micro"] <= max(f1)
    (reason,) = wrong_numbers(forged(record, {"f1_micro": 0.999}))
    assert reason.startswith("f1_micro is 0.999, but the f1 of its classes is from ")
    (reason,) = wrong_numbers(forged(record, f1=[1.5, *f1[1:]]))
    assert reason == "predictions: the scores of classes must be from 0 to 1"


def test_scores_without_those_of_single_classes_are_refused_of_others(go):
    record = go(keep="light", method="bce")
    assert wrong_numbers(record, needed=True) == []
    empty = forged(record)
    empty.result["predictions"]["test"]["per_class"] = {}
    assert wrong_numbers(empty) == []
    reasons = wrong_numbers(empty, needed=True)
    assert "map_macro has a value, and result.json has no average_precision of single classes" in reasons
    assert "f1_micro has a value, and result.json has no f1 of single classes" in reasons
    assert wrong_numbers(forged(record, {"miou": 0.9}), needed=True) == [
        "miou has a value, and result.json has no iou of single classes"
    ]


@pytest.mark.parametrize("kind", ["labels", "single", "maps"])
@pytest.mark.parametrize("seed", range(8))
def test_the_bounds_hold_for_scores_of_random_predictions(kind, seed):
    """Of torchmetrics, with classes that are nowhere and with pixels that count nowhere."""
    rng, classes = np.random.default_rng(seed), 4
    there = 3 if seed % 2 else classes
    if kind == "labels":
        scores = LabelScores(classes)
        given, true = rng.random((30, classes)), rng.random((30, classes)) < 0.3
        true[:, there:] = False
    elif kind == "single":
        scores = SingleLabelScores(classes)
        given, true = rng.dirichlet(np.ones(classes), 30), rng.integers(0, there, 30)
    else:
        scores = MapScores(classes)
        given, true = rng.integers(0, classes, (2, 6, 6)), rng.integers(0, there, (2, 6, 6))
        true[rng.random(true.shape) < 0.2] = 255
    scores.update(torch.from_numpy(given), torch.from_numpy(true.astype(np.int64)))
    found = scores.compute()
    assert list(outside_of_classes(found.values, "", found.per_class)) == []


def scored(task, output, labels=None, maps=None):
    n = len(output)
    splits = Splits(np.arange(0), np.arange(0), np.arange(n))
    clean = CleanLabels(labels, lambda at: maps[at])
    classes = [f"class {label}" for label in range(task.num_classes)]
    return score_predictions(task, lambda split: iter(output.split(2)), splits, clean, classes)


def test_a_class_that_no_image_shows_counts_in_no_mean_and_is_named():
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    output = torch.tensor([[5.0, -5.0, 5.0], [-5.0, 5.0, 5.0], [5.0, 5.0, -5.0]])
    found = scored(Classification(3), output, labels)
    assert found.metrics["map_macro"] == found.metrics["f1_macro"] == 1.0
    assert found.document["test"]["without_positives"] == ["class 2"]
    assert found.document["test"]["per_class"]["f1"] == [1.0, 1.0, None]


def test_unlabelled_pixels_count_nowhere():
    maps = np.array([[[0, 255]], [[1, 255]]])
    logits = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]], [[[0.0, 1.0]], [[1.0, 0.0]]]])
    found = scored(Segmentation(2, (1, 2)), logits, maps=maps)
    assert found.metrics == {"miou": 1.0, "f1_macro": 1.0, "pixel_accuracy": 1.0}


def test_output_that_is_not_finite_has_no_scores():
    output = torch.tensor([[1.0, torch.nan], [0.0, 1.0]])
    found = scored(Classification(2), output, np.eye(2))
    assert (found.metrics, found.document) == ({}, {"reason": "the head's output is not finite"})


def test_a_task_that_does_not_say_what_it_predicts_has_no_scores():
    class Silent(Classification):
        name = "silent"
        predicts = None

    found = scored(Silent(2), torch.zeros(2, 2), np.eye(2))
    assert found.metrics == {}
    assert "'silent'" in found.document["reason"]


def test_self_loops_rank_classes_and_stay_within_one():
    task = Cooccurrence(2)
    # Upper triangle of two classes: (0, 0), (0, 1), (1, 1).
    graph = torch.tensor([[7.0, 0.0, 0.1], [0.2, 0.0, 0.0]])
    assert task.class_scores(graph).tolist() == [[1.0, pytest.approx(0.1)], [pytest.approx(0.2), 0.0]]
    assert task.present(graph).tolist() == [[True, False], [True, False]]
