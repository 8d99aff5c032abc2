"""The estimated error rates and the expected precision: by hand, against known errors, over simulated archives."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from gridbench.audit.estimate import estimate_errors, evidence_of, scores_of
from gridbench.audit.expectation import expect, plant
from gridbench.audit.ranking import evidence_of_margins, shifted

SIMULATION = runpy.run_path(str(Path(__file__).with_name("simulation.py")))
simulate, trained, warped, corrupt = (
    SIMULATION[name] for name in ("simulate", "trained", "warped", "corrupt")
)


def test_scores_by_hand():
    # logit 0 is half of one half: a quarter of the absent classes is given, a quarter of the present ones is not.
    none, sides = np.zeros(2), np.array([True, False])
    assert scores_of(np.zeros(5), none, none, sides) == pytest.approx([0.25, 0.25])
    assert scores_of(np.zeros(5), np.array([-30.0, 30.0]), none, sides) == pytest.approx([1, 1])
    # Odds of 3 for another class make the lower asymptote 3/8: 3/8 of 1/2 is given wrongly, 3/4 of 1/2 rightly.
    growing = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    assert scores_of(growing, none, np.log([3.0, 3.0]), sides)[0] == pytest.approx(1 / 3)


def test_other_classes_of_an_image_by_hand():
    # Of an image with probabilities 0.9, 0.5, 0.1 the others of the first have 0.6 of 2: log 1.1 / 1.9.
    odds, others = evidence_of(np.array([[0.9, 0.5, 0.1]]))
    assert odds[0] == pytest.approx([np.log(9), 0, -np.log(9)])
    raw = np.log([1.1 / 1.9, 1.0, 1.9 / 1.1])
    assert others[0] == pytest.approx(raw - raw.mean())
    assert not evidence_of(np.array([[0.2], [0.7]]))[1].any()


def test_exchanged_labels_are_counted_where_images_differ_in_their_number_of_labels():
    # Networks that fit noisy labels say of an absent class how probably it is given wrongly: most in full images.
    rng = np.random.default_rng(0)
    full = rng.choice([0.1, 0.5], (2000, 1))
    true = rng.random((2000, 12)) < full
    given = corrupt(rng, true, "swap", 0.3)
    count = true.sum(1, keepdims=True)
    added = 0.3 * count / (12 - count)
    there = 1 / (1 + np.exp(-3 * rng.standard_normal(true.shape) - 9 * (true - 0.5))) * (1 - 2e-6) + 1e-6
    found = estimate_errors(given, added + (0.7 - added) * there, rng, 20)
    assert found.wrong.value == pytest.approx((given & ~true).sum() / given.sum(), rel=0.2)


def test_margins_move_labels_and_keep_the_expected_number_of_errors():
    scores, margins = np.array([[0.3, 0.3], [0.01, 0.9]]), np.array([[-2.0, 2.0], [0.0, 0.0]])
    evidence = evidence_of_margins(scores, margins)
    moved = shifted(scores, evidence)
    assert moved.sum() == pytest.approx(scores.sum())
    # The margins have mean 0 and variance 2: a margin of -2 adds sqrt(2) more than one of 0.
    assert evidence[0, 0] - evidence[1, 0] == pytest.approx(np.sqrt(2))
    assert moved[0, 0] > 0.3 > moved[0, 1]
    assert np.array_equal(shifted(scores, evidence_of_margins(scores, None)), scores)
    assert np.array_equal(shifted(scores, evidence_of_margins(scores, np.ones((2, 1)))), scores)


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
    true, given, probabilities, _ = warped(np.random.default_rng(3), 800, 10, "swap", 0)
    assert ((probabilities > 0.5) != true).mean() > 0.06
    found = estimate_errors(given, probabilities, np.random.default_rng(0))
    assert found.errors.low == 0
    assert found.errors.value < 0.01
    assert found.errors.high < 0.04


def test_expected_precision_mends_and_breaks():
    true, given, probabilities, _ = warped(np.random.default_rng(5), 600, 10, "swap", 0.1)
    rng = np.random.default_rng(0)
    found = estimate_errors(given, probabilities, rng)
    expected = expect(found, given, probabilities, rng)
    assert expected.precision == sorted(expected.precision, reverse=True)
    assert (np.array(expected.low) <= expected.precision).all()
    assert (np.array(expected.high) >= expected.precision).all()
    assert 0 < expected.change < expected.look
    wrong = (given != true).ravel()[np.argsort(-found.scores, axis=None, kind="stable")]
    mended, broken = expected.expected_errors(expected.change)
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
