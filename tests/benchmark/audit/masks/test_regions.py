"""Regions of hand-made maps against hand-made predictions."""

import numpy as np
import pytest

from gridbench.audit.masks.regions import (
    MISSING,
    SHIFTED,
    SPURIOUS,
    WRONG,
    displaced,
    find_regions,
    find_shift,
)

SIDE = 32


def odds_of(classes, count=4, sure=3.0):
    """Log-odds of a model that is equally sure of its class everywhere."""
    return np.where(np.arange(count)[:, None, None] == classes, sure, -sure).astype(np.float32)


@pytest.fixture
def halves():
    """The left half is of class 0, the right one of class 1."""
    given = np.zeros((SIDE, SIDE), np.uint8)
    given[:, SIDE // 2 :] = 1
    return given


def contradicted(given, odds):
    return [one for one in find_regions(given, odds) if one.evidence > 0]


def test_a_map_that_is_predicted_has_no_finding(halves):
    assert contradicted(halves, odds_of(halves)) == []
    assert all(one.evidence == -6 for one in find_regions(halves, odds_of(halves)))


def test_a_region_of_another_class_is_wrong_as_a_whole(halves):
    seen = np.where(halves == 1, 2, halves)
    (one,) = contradicted(halves, odds_of(seen))
    assert (one.kind, one.given, one.suspected, one.evidence) == (WRONG, 1, 2, 6)
    assert np.array_equal(one.pixels, np.flatnonzero(halves == 1))
    assert set(one.becomes) == {2}


def test_an_object_that_is_predicted_and_not_given_is_missing(halves):
    seen = halves.copy()
    seen[4:9, 4:9] = 3
    (one,) = contradicted(halves, odds_of(seen))
    assert (one.kind, one.given, one.suspected) == (MISSING, 0, 3)
    assert np.array_equal(one.pixels, np.flatnonzero(seen == 3))


def test_an_object_that_is_given_and_predicted_as_what_surrounds_it_is_spurious(halves):
    given = halves.copy()
    given[4:9, 4:9] = 3
    (one,) = contradicted(given, odds_of(halves))
    assert (one.kind, one.given, one.suspected) == (SPURIOUS, 3, 0)
    assert np.array_equal(one.pixels, np.flatnonzero(given == 3))


@pytest.mark.parametrize("width", [1, 2])
def test_a_border_may_be_two_pixels_off(halves, width):
    seen = halves.copy()
    seen[:, SIDE // 2 - width : SIDE // 2] = 1
    assert contradicted(halves, odds_of(seen)) == []


def test_a_small_region_counts_for_nothing(halves):
    seen = halves.copy()
    seen[4, 4:7] = 3
    assert contradicted(halves, odds_of(seen)) == []


def test_ignored_pixels_belong_to_no_finding(halves):
    halves[:4] = 255
    seen = np.where(halves == 1, 2, np.where(halves == 255, 3, halves))
    (one,) = contradicted(halves, odds_of(seen))
    assert np.array_equal(one.pixels, np.flatnonzero(halves == 1))


def test_a_map_of_ignored_pixels_has_nothing_to_look_at():
    nothing = np.full((SIDE, SIDE), 255, np.uint8)
    assert find_regions(nothing, odds_of(np.zeros((SIDE, SIDE)))) == []
    assert find_shift(nothing, odds_of(np.zeros((SIDE, SIDE)))) is None


@pytest.mark.parametrize("step", [(0, 2), (-1, 0), (2, -2)])
def test_a_displaced_map_is_one_finding_that_moves_it_back(step):
    rng = np.random.default_rng(0)
    clean = np.kron(rng.integers(0, 4, (4, 4)), np.ones((8, 8), int)).astype(np.uint8)
    given = displaced(clean, *step)
    one = find_shift(given, odds_of(clean))
    assert one.kind == SHIFTED
    assert one.moved == (-step[0], -step[1])
    assert one.evidence > 0
    again = given.ravel().copy()
    again[one.pixels] = one.becomes
    assert np.array_equal(again.reshape(clean.shape)[3:-3, 3:-3], clean[3:-3, 3:-3])
    assert find_shift(clean, odds_of(clean)).evidence < 0


def test_a_map_of_one_class_cannot_be_displaced():
    assert find_shift(np.ones((SIDE, SIDE), np.uint8), odds_of(np.ones((SIDE, SIDE)))) is None
