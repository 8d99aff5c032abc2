"""The estimated error rates and the expected precision: by hand, against known errors, over simulated archives."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from gridbench.audit.estimate import estimate_errors, scores_of
from gridbench.audit.expectation import expect, plant

SIMULATION = runpy.run_path(str(Path(__file__).with_name("simulation.py")))
simulate, trained, warped = (SIMULATION[name] for name in ("simulate", "trained", "warped"))


def test_scores_by_hand():
    # logit 0 is half of one half: a quarter of the absent classes is given, a quarter of the present ones is not.
    scores = scores_of(np.zeros(4), np.array([0.0, 0.0]), np.array([True, False]))
    assert scores == pytest.approx([0.25, 0.25])
    sure = scores_of(np.array([0.0, 0.0, 0.0, 0.0]), np.array([-30.0, 30.0]), np.array([True, False]))
    assert sure == pytest.approx([1, 1])


def test_intervals_hold_the_truth_over_archives_that_no_margin_was_chosen_on():
    held = simulate(trained, 24, sizes=(200,), classes=(5,), resamples=40, first=12)
    for names in (
        ("missing", "wrong", "errors"),
        ("precision at 0.01", "precision at 0.05", "precision at 0.1"),
    ):
        assert np.mean([held[name] for name in names]) > 0.9
    assert np.mean(held["changed rightly"]) > 0.6


def test_the_models_own_mistakes_are_not_counted_as_noise():
    # Six entries in a hundred are predicted on the wrong side, and none is wrong.
    true, given, probabilities = warped(np.random.default_rng(3), 800, 10, "swap", 0)
    assert ((probabilities > 0.5) != true).mean() > 0.06
    found = estimate_errors(given, probabilities, np.random.default_rng(0))
    assert found.errors.low == 0
    assert found.errors.value < 0.01
    assert found.errors.high < 0.04


def test_expected_precision_mends_and_breaks():
    true, given, probabilities = warped(np.random.default_rng(5), 600, 10, "swap", 0.1)
    rng = np.random.default_rng(0)
    found = estimate_errors(given, probabilities, rng)
    expected = expect(found, given, probabilities, rng)
    assert expected.precision == sorted(expected.precision, reverse=True)
    assert (np.array(expected.low) <= expected.precision).all()
    assert (np.array(expected.high) >= expected.precision).all()
    assert 0 < expected.change < expected.look
    wrong = (given != true).ravel()[np.argsort(-found.scores, axis=None, kind="stable")]
    mended, broken = expected.mended(expected.change)
    assert mended + broken == expected.change
    assert abs(mended - wrong[: expected.change].sum()) < 0.15 * expected.change
    planted = plant(found, given, probabilities, expected.k, rng)
    assert planted.estimated == pytest.approx(planted.share, rel=0.3)
    assert planted.recall == sorted(planted.recall)
    assert planted.recall[-1] > 0.8


@pytest.mark.parametrize("labels", [np.zeros((6, 2), int), np.ones((6, 2), int)])
def test_labels_of_one_kind_and_predictions_of_one_value(labels):
    rng = np.random.default_rng(0)
    found = estimate_errors(labels, np.full(labels.shape, 1.0), rng, 5)
    expected = expect(found, labels, np.full(labels.shape, 1.0), rng)
    plant(found, labels, np.full(labels.shape, 1.0), expected.k, rng)
    assert np.isfinite(found.scores).all()
    assert np.isfinite(expected.precision).all()
