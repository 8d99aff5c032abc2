"""Estimates of single labels: what is listed, counted and put in the place of a wrong label."""

import numpy as np
import pytest

from gridbench.audit.correction import replacement
from gridbench.audit.estimate import estimate_errors
from gridbench.audit.expectation import expect, plant


def softmax(logits):
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


@pytest.fixture
def simulated():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 6, 1500)
    wrong = rng.random(1500) < 0.1
    given = np.where(wrong, (true + rng.integers(1, 6, 1500)) % 6, true)
    logits = 1.5 * rng.standard_normal((1500, 6)) + 6 * np.eye(6)[true]
    return np.eye(6)[given], softmax(logits), wrong, rng


def test_only_given_labels_are_scored_and_wrong_ones_are_counted(simulated):
    given, probabilities, wrong, rng = simulated
    found = estimate_errors(given, probabilities, rng, 40, exclusive=True)
    assert not found.scores[given == 0].any()
    assert found.wrong.low < wrong.mean() < found.wrong.high
    assert found.wrong.value == pytest.approx(wrong.mean(), rel=0.2)
    expected = expect(found, given, probabilities, rng, exclusive=True)
    assert expected.k[-1] == 300
    listed = wrong[np.argsort(-found.scores.max(1), kind="stable")]
    for k, low, high in zip(expected.k, expected.low, expected.high, strict=True):
        if k > 20:
            assert low <= listed[:k].mean() <= high
    planted = plant(found, given, probabilities, expected.k, rng, exclusive=True)
    assert planted.share == pytest.approx(found.wrong.value, abs=1e-3)
    assert planted.recall[-1] > 0.8


def test_the_most_probable_other_class_takes_the_place():
    given, probabilities = np.array([0, 1, 0]), np.array([0.1, 0.7, 0.2])
    assert replacement(given, probabilities, 1, True, exclusive=True) == [2]
    assert replacement(given, probabilities, 1, True) == []
