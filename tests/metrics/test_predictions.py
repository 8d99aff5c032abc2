"""Scores of predictions against scikit-learn's: empty classes, ties, unlabelled pixels, any division into batches."""

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from gridbench.metrics.predictions import BINS, LabelScores, MapScores, SingleLabelScores

CASES = {"several": 60, "one": 70, "maps": 70}


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def streamed(scores, answers, target, rng):
    """Score in batches of random sizes."""
    cuts = np.sort(rng.integers(0, len(target) + 1, 3))
    for part, truth in zip(np.split(answers, cuts), np.split(target, cuts), strict=True):
        if len(truth):
            scores.update(torch.from_numpy(part), torch.from_numpy(truth))
    return scores.compute()


def calibration_error(confidence, right):
    """Mean distance of confidence and frequency over bins of equal width, by hand."""
    at = np.clip(np.digitize(confidence, np.linspace(0, 1, BINS + 1)) - 1, 0, BINS - 1)
    return sum(abs(confidence[at == b].sum() - right[at == b].sum()) for b in range(BINS)) / len(right)


def f1(truth, predicted):
    return 2 * (truth & predicted).sum() / (truth.sum() + predicted.sum())


def label_case(rng):
    n, classes = int(rng.integers(1, 40)), int(rng.integers(2, 7))
    target = (rng.random((n, classes)) < rng.random(classes) * 0.6).astype(np.int64)
    target[:, rng.random(classes) < 0.2] = 0
    # Few distinct values: most cases are full of ties, and some lie on the threshold.
    levels = rng.choice([2, 4, 10, 1000])
    scores = (rng.integers(0, levels + 1, (n, classes)) / levels).astype(np.float32)
    return scores, target


def test_scores_of_several_labels_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    for _ in range(CASES["several"]):
        scores, target = label_case(rng)
        there = target.any(0)
        thresholds = rng.choice([0.0, 0.25, 0.5, 0.9], len(there)).tolist()
        found = streamed(LabelScores(len(there), thresholds=thresholds), scores, target, rng)
        values, present, tuned = found.values, scores > 0.5, scores >= np.float32(thresholds)
        assert found.without_positives == np.flatnonzero(~there).tolist()
        close(values["hamming"], reference.hamming_loss(target.ravel(), present.ravel()))
        micro = {"average": "micro", "zero_division": 0.0}
        close(values["f1_micro"], reference.f1_score(target, present, **micro))
        close(values["f1_micro_tuned"], reference.f1_score(target, tuned, **micro))
        if not there.any():
            assert values.keys() == {"hamming", "f1_micro", "f1_micro_tuned", "ece"}
            continue
        among = {"labels": np.flatnonzero(there), "average": None, "zero_division": 0.0}
        precisions = [
            reference.average_precision_score(target[:, label], scores[:, label]) for label in among["labels"]
        ]
        expected = {
            "average_precision": precisions,
            "f1": reference.f1_score(target, present, **among),
            "f1_tuned": reference.f1_score(target, tuned, **among),
        }
        for name, of_classes in expected.items():
            close([value for value in found.per_class[name] if value is not None], of_classes)
        close(values["map_macro"], np.mean(expected["average_precision"]))
        close(values["f1_macro"], np.mean(expected["f1"]))
        close(values["f1_macro_tuned"], np.mean(expected["f1_tuned"]))
        close(values["map_micro"], reference.average_precision_score(target, scores, average="micro"))


def test_scores_of_one_label_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(CASES["one"]):
        n, classes = int(rng.integers(1, 40)), int(rng.integers(2, 7))
        target = rng.choice(rng.permutation(classes)[: rng.integers(1, classes + 1)], n)
        scores = rng.integers(1, rng.choice([2, 4, 1000]) + 1, (n, classes)).astype(np.float32)
        scores /= scores.sum(1, keepdims=True)
        found = streamed(SingleLabelScores(classes), scores, target, rng)
        predicted, there = scores.argmax(1), np.unique(target)
        assert found.without_positives == np.setdiff1d(np.arange(classes), there).tolist()
        close(found.values["accuracy"], reference.accuracy_score(target, predicted))
        recalls = reference.recall_score(target, predicted, labels=there, average=None, zero_division=0.0)
        close(found.values["balanced_accuracy"], recalls.mean())
        expected = reference.f1_score(target, predicted, labels=there, average="macro", zero_division=0.0)
        close(found.values["f1_macro"], expected)


def test_scores_of_maps_are_those_of_scikit_learn():
    rng = np.random.default_rng(2)
    for _ in range(CASES["maps"]):
        n, classes = int(rng.integers(1, 6)), int(rng.integers(2, 7))
        target = rng.choice(rng.permutation(classes)[: rng.integers(1, classes + 1)], (n, 4, 5))
        predicted = np.where(rng.random(target.shape) < 0.5, target, rng.integers(0, classes, target.shape))
        target[rng.random(target.shape) < rng.choice([0.0, 0.3, 0.99])] = 255
        found = streamed(MapScores(classes), predicted, target, rng)
        known = target != 255
        there = np.unique(target[known])
        assert found.without_positives == np.setdiff1d(np.arange(classes), there).tolist()
        if not len(there):
            assert not found.values
            continue
        pixels, labels = (target[known], predicted[known]), {"labels": there, "average": "macro"}
        close(found.values["miou"], reference.jaccard_score(*pixels, **labels, zero_division=0.0))
        close(found.values["f1_macro"], reference.f1_score(*pixels, **labels, zero_division=0.0))
        close(found.values["pixel_accuracy"], reference.accuracy_score(*pixels))


def test_the_calibration_error_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    # Not on the border of a bin, which either neighbour may have.
    scores = rng.random((50, 4), dtype=np.float32)
    target = (rng.random((50, 4)) < scores**2).astype(np.int64)
    found = streamed(LabelScores(4), scores, target, rng).values["ece"]
    close(found, calibration_error(scores.ravel(), target.ravel()))
    scores /= scores.sum(1, keepdims=True)
    classes = target.argmax(1)
    found = streamed(SingleLabelScores(4), scores, classes, rng).values["ece"]
    close(found, calibration_error(scores.max(1), scores.argmax(1) == classes))
    assert "ece" not in streamed(LabelScores(4, probabilities=False), scores, target, rng).values


def test_one_class_has_scores():
    present = torch.tensor([[1], [0], [1], [1]])
    scores = LabelScores(1, choose=True, thresholds=[0.5])
    scores.update(torch.tensor([[0.9], [0.8], [0.7], [0.2]]), present)
    found = scores.compute()
    # Ranked 1 0 1 1: precision 1, 2/3 and 3/4 at the present ones; two of three are found, and one of three is wrong.
    close(found.values["map_macro"], (1 + 2 / 3 + 3 / 4) / 3)
    close(found.per_class["f1"], [2 / 3])
    single = SingleLabelScores(1)
    single.update(torch.ones(3, 1), torch.zeros(3, dtype=torch.int64))
    assert single.compute().values["accuracy"] == 1
    maps = MapScores(1)
    maps.update(torch.zeros(2, 2, 2, dtype=torch.int64), torch.tensor([[[0, 0], [0, 255]]] * 2))
    assert maps.compute().per_class["iou"] == [1.0]


def test_confidences_of_exactly_1_share_the_bin_of_those_below():
    sure, nearly = torch.tensor([[1.0, 0.0]] * 50), torch.tensor([[0.94, 0.06]] * 50)
    single = SingleLabelScores(2)
    single.update(torch.cat((sure, nearly)), torch.tensor([0] * 44 + [1] * 6 + [0] * 50))
    # One bin of mean confidence 0.97, of which 0.94 are right.
    close(single.compute().values["ece"], 0.03)
    several = LabelScores(2)
    several.update(
        torch.cat((sure, nearly))[:, :1].expand(-1, 2),
        torch.tensor([[1]] * 44 + [[0]] * 6 + [[1]] * 50).expand(-1, 2),
    )
    close(several.compute().values["ece"], 0.03)


def test_chosen_thresholds_have_the_highest_f1_that_any_threshold_has():
    rng = np.random.default_rng(1)
    for _ in range(20):
        scores, target = label_case(rng)
        found = streamed(LabelScores(target.shape[1], choose=True), scores, target, rng)
        for label, threshold in enumerate(found.thresholds):
            truth, values = target[:, label], scores[:, label]
            if not truth.any():
                assert threshold == 0.5
                continue
            every = [f1(truth, values >= other) for other in np.unique(values)]
            close(f1(truth, values >= np.float32(threshold)), max(every))


def test_a_hand_example_with_a_class_that_nothing_shows():
    scores = LabelScores(3)
    scores.update(torch.tensor([[0.9, 0.6, 0.1], [0.8, 0.2, 0.7]]), torch.tensor([[1, 0, 0], [0, 1, 0]]))
    found = scores.compute()
    # The first class: ranks 1 of 1; the second: rank 2 of 1, so precision 1/2; the third counts in no macro mean.
    assert found.per_class["average_precision"] == [1.0, 0.5, None]
    assert found.values["map_macro"] == 0.75
    assert found.values["hamming"] == pytest.approx(4 / 6)
    assert found.without_positives == [2]
