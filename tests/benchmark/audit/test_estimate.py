"""The estimated error rates and the expected precision: by hand, against known errors, over simulated archives."""

from collections import defaultdict

import numpy as np
import pytest

from gridbench.audit.estimate import estimate_errors, scores_of
from gridbench.audit.expectation import expect, plant

KINDS, RATES = ("missing", "added", "swap", "class"), (0, 0.02, 0.05, 0.1, 0.2, 0.3)


def archive(rng, images, classes, kind, rate):
    """Return true labels, given ones and held-out probabilities of a model that is off in scale and offset."""
    prevalence, skill = rng.uniform(0.1, 0.5, classes), rng.uniform(1.5, 4, classes)
    true = rng.random((images, classes)) < prevalence
    evidence = rng.standard_normal((images, classes)) + skill * (true - 0.5)
    odds = skill * evidence + np.log(prevalence / (1 - prevalence))
    odds = odds * rng.uniform(0.5, 1.5) + rng.normal(0, 0.3)
    given, ratio = true.copy(), true.mean() / (1 - true.mean())
    rates = rng.uniform(0, 2 * rate, classes) if kind == "class" else rate
    if kind in ("missing", "class"):
        given &= rng.random((images, classes)) >= rates
    if kind in ("added", "class"):
        given |= ~true & (rng.random((images, classes)) < rates * ratio)
    if kind == "swap":
        for i, c in np.argwhere(true):
            free = np.flatnonzero(~true[i] & ~given[i])
            if rng.random() < rate and len(free):
                given[i, c], given[i, rng.choice(free)] = False, True
    return true, given, 1 / (1 + np.exp(-odds))


def simulate(count, sizes=(200, 600, 2000), classes=(5, 10, 17), resamples=200):
    """Return name -> (count,) whether the interval held the truth, for each rate and for precision along the list."""
    held = defaultdict(list)
    for trial in range(count):
        rng = np.random.default_rng(trial)
        kind, rate = KINDS[trial % 4], RATES[trial // 4 % 6]
        true, given, probabilities = archive(
            rng, int(rng.choice(sizes)), int(rng.choice(classes)), kind, rate
        )
        found = estimate_errors(given, probabilities, rng, resamples)
        truth = {
            "missing": (true & ~given).sum() / true.sum(),
            "wrong": (given & ~true).sum() / given.sum(),
            "errors": (given != true).mean(),
        }
        for name, value in truth.items():
            ends = getattr(found, name)
            held[name].append(ends.low <= value <= ends.high)
            held[f"{kind} noise"].append(held[name][-1])
            held[f"rate {rate}"].append(held[name][-1])
        expected = expect(found, given, probabilities, rng)
        wrong = (given != true).ravel()[np.argsort(-found.scores, axis=None, kind="stable")]
        for share in (0.01, 0.05, 0.1):
            at = int(np.abs(np.array(expected.k) - share * wrong.size).argmin())
            precision = wrong[: expected.k[at]].mean()
            held[f"precision at {share}"].append(expected.low[at] <= precision <= expected.high[at])
        if expected.change:
            held["mends more than it breaks"].append(wrong[: expected.change].mean() > 0.5)
    return dict(held)


def test_scores_by_hand():
    # logit 0 is half of one half: a quarter of the absent classes is given, a quarter of the present ones is not.
    scores = scores_of(np.zeros(4), np.array([0.0, 0.0]), np.array([True, False]))
    assert scores == pytest.approx([0.25, 0.25])
    sure = scores_of(np.array([0.0, 0.0, 0.0, 0.0]), np.array([-30.0, 30.0]), np.array([True, False]))
    assert sure == pytest.approx([1, 1])


def test_intervals_hold_the_truth_over_archives_rates_and_noise_models():
    held = simulate(24, sizes=(200, 500), classes=(5,), resamples=100)
    for names in (
        ("missing", "wrong", "errors"),
        ("precision at 0.01", "precision at 0.05", "precision at 0.1"),
    ):
        assert np.mean([held[name] for name in names]) > 0.88
    assert np.mean(held["mends more than it breaks"]) > 0.9


def test_the_models_own_mistakes_are_not_counted_as_noise():
    # Six entries in a hundred are predicted on the wrong side, and none is wrong.
    true, given, probabilities = archive(np.random.default_rng(3), 800, 10, "swap", 0)
    assert ((probabilities > 0.5) != true).mean() > 0.06
    found = estimate_errors(given, probabilities, np.random.default_rng(0))
    assert found.errors.low == 0
    assert found.errors.high < 0.03


def test_expected_precision_mends_and_breaks():
    true, given, probabilities = archive(np.random.default_rng(5), 600, 10, "swap", 0.1)
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
