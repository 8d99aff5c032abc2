"""The ranking of regions against the truth of simulated maps and predictions, and the curve by hand."""

from decimal import Decimal

import numpy as np
import pytest
from scipy import ndimage

from gridbench.audit.masks.certainty import rank_regions
from gridbench.audit.masks.curve import SHARES, fit_curves, likeness, share_of_errors
from gridbench.audit.masks.log_odds import code_probabilities, log_odds
from gridbench.audit.masks.planting import plant_errors, plant_shifts
from gridbench.noise.core.label_set import LabelSet
from gridbench.registry import NOISE

CLASSES, SIDE, COUNT = 4, 32, 60


@pytest.fixture(scope="module")
def simulated():
    """Clean maps of a few patches, and predictions that are blurred and now and then mistaken."""
    rng = np.random.default_rng(0)
    maps = np.zeros((COUNT, SIDE, SIDE), np.uint8)
    codes = np.zeros((COUNT, CLASSES, SIDE, SIDE), np.uint8)
    for i in range(COUNT):
        centres, classes = rng.integers(0, SIDE, (6, 2)), rng.integers(0, CLASSES, 6)
        away = ((np.indices((SIDE, SIDE))[..., None] - centres.T[:, None, None]) ** 2).sum(0)
        maps[i] = classes[away.argmin(-1)]
        odds = [6 * ndimage.gaussian_filter((maps[i] == c).astype(float), 1) for c in range(CLASSES)]
        odds += 9 * ndimage.gaussian_filter(rng.normal(size=(CLASSES, SIDE, SIDE)), (0, 3, 3))
        codes[i] = code_probabilities(np.exp(odds) / np.exp(odds).sum(0))
    return maps, codes


@pytest.mark.parametrize(("noise", "rate"), [("region", 8), ("shift", 15)])
def test_the_first_of_the_list_are_errors_and_expected_to_be(simulated, noise, rate):
    clean, codes = simulated
    given = (
        NOISE.get(noise)()
        .corrupt_maps(LabelSet(CLASSES, maps=clean), Decimal(rate), np.random.default_rng(1))
        .labels
    )
    found = rank_regions(given, codes, np.random.default_rng(2))
    wrong = given != clean
    right = np.array(
        [
            wrong[i].ravel()[one.pixels].mean() >= 0.5
            for i, one in zip(found.images, found.findings, strict=True)
        ]
    )
    assert right[:8].mean() >= 0.75
    assert found.expected.precision[0] >= 0.3
    true = np.cumsum(right)[np.array(found.expected.k) - 1] / found.expected.k
    held = (np.array(found.expected.low) <= true) & (true <= found.expected.high)
    assert held[10:].mean() > 0.9
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores.sum() == pytest.approx(right.sum(), rel=0.8)


def test_few_findings_of_clean_maps_are_taken_for_errors(simulated):
    found = rank_regions(*simulated, np.random.default_rng(2))
    assert found.scores.sum() < 4
    assert found.expected.change == 0
    assert set(found.planted) == {"shifted maps", "wrong regions", "missing objects", "spurious objects"}
    assert found.planted["shifted maps"]["found"] > 0.5


def test_the_curve_levels_off_at_the_share_of_errors_that_were_there_before():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-4, 1, 900), rng.normal(4, 1, 100), rng.normal(4, 1, 100)])
    planted = np.arange(len(values)) >= 1000
    curves = fit_curves(values[:, None], planted, rng)
    alike = likeness(curves[0], values[:, None])
    assert alike[:900].max() < 0.05
    assert alike[900:1000].mean() > 0.7
    # Half of what looks like an error was planted.
    assert 1 / (1 + np.exp(-curves[0, 1])) == pytest.approx(0.5, abs=0.1)


def test_what_is_far_more_than_was_planted_is_mostly_mistakes():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-4, 1, 900), rng.normal(4, 1, 600), rng.normal(4, 1, 100)])
    curves = fit_curves(values[:, None], np.arange(len(values)) >= 1500, rng)
    drawn = np.array([each[0] * likeness(each, np.array([[6.0]]))[0] for each in curves])
    assert drawn[0] < 0.25
    assert np.percentile(drawn, 2.5) < 0.02  # the network may be mistaken in all of them,
    assert np.percentile(drawn, 97.5) > 0.5  # or in few


def test_the_share_of_errors_is_the_posterior_of_two_numbers_whose_sum_is_known():
    rng = np.random.default_rng(0)
    for level in (-2.0, 0.5):
        errors, mistakes = rng.normal(-2, 1.5, 4_000_000), rng.normal(-1, 2, 4_000_000)
        together = np.logaddexp(errors, mistakes)
        share = np.exp(errors - together)[np.abs(together - level) < 0.02]
        assert share_of_errors(level) @ SHARES == pytest.approx(share.mean(), abs=0.01)
        assert share_of_errors(level) @ (SHARES < 0.2) == pytest.approx((share < 0.2).mean(), abs=0.02)


def test_planted_errors_change_copies(simulated):
    maps = simulated[0]
    before = maps.copy()
    for _, planted in plant_errors(maps, CLASSES, np.random.default_rng(0)):
        changed = (planted != maps).mean()
        assert 0 < changed < 0.35
    moved, which = plant_shifts(maps, np.random.default_rng(0))
    assert set(np.flatnonzero((moved != maps).any((1, 2)))) == set(which)
    assert np.array_equal(maps, before)


def test_codes_keep_log_odds_to_half_a_step():
    odds = np.linspace(-12, 12, 101)
    assert np.abs(log_odds(code_probabilities(1 / (1 + np.exp(-odds)))) - odds).max() < 0.0501
