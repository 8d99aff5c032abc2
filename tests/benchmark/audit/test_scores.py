"""The ranking of labels, and precision and recall against a hand count."""

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from gridbench.audit.calibration import calibrate, precision_and_recall
from gridbench.audit.ranking import rank_labels


def test_the_ranking_names_images_classes_and_kinds():
    given = np.array([[1, 0], [0, 1]])
    scores = np.array([[0.1, 0.9], [0.5, 0.5]])
    ranked = rank_labels(given, scores)
    assert ranked.samples.tolist() == [0, 1, 1, 0]
    assert ranked.labels.tolist() == [1, 0, 1, 0]
    assert ranked.wrong.tolist() == [False, False, True, True]
    assert rank_labels(given, scores, "wrong").scores.tolist() == [0.5, 0.1]
    assert rank_labels(given, scores, "missing").labels.tolist() == [1, 0]
    assert len(ranked.first(2)) == 2


def test_precision_and_recall_by_hand():
    truth, scores = np.zeros(100, bool), np.arange(100)[::-1]
    truth[[0, 1, 3, 50]] = True
    found = precision_and_recall(truth, scores)
    rows = {row["share"]: (row["k"], row["precision"], row["recall"]) for row in found["rows"]}
    assert found["prevalence"] == 0.04
    assert rows[0.01] == (1, 1.0, 0.25)
    assert rows[0.05] == (5, 0.6, 0.75)
    assert rows[0.2] == (20, 0.15, 0.75)


def test_a_random_ranking_has_the_precision_of_guessing_and_a_perfect_one_has_one():
    rng = np.random.default_rng(0)
    truth = rng.random(20000) < 0.1
    by_chance = precision_and_recall(truth, rng.random(20000))
    assert by_chance["rows"][-1]["precision"] == pytest.approx(0.1, abs=0.01)
    assert precision_and_recall(truth, truth)["rows"][2]["precision"] == 1.0
    assert average_precision_score(truth, truth) == 1.0


@pytest.mark.parametrize("truth", [np.zeros(0, bool), np.zeros(5, bool)])
def test_nothing_to_find(truth):
    found = precision_and_recall(truth, np.zeros(len(truth)))
    assert all(row["recall"] is None for row in found["rows"])
    assert found["prevalence"] == (0 if len(truth) else None)


def test_calibration_counts_changed_labels_by_kind():
    given, before = np.array([[1, 0, 1], [0, 1, 0]]), np.array([[1, 1, 0], [0, 1, 0]])
    found = calibrate(given, before, {"mine": np.zeros((2, 3))})
    counts = {kind: (each["mine"]["labels"], each["mine"]["corrupted"]) for kind, each in found.items()}
    assert counts == {"all": (6, 2), "wrong": (3, 1), "missing": (3, 1)}
    assert math.isclose(found["wrong"]["mine"]["prevalence"], 1 / 3)
