"""Folds: every image in one, groups whole, sizes even, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench.audit.cross_validation import divide
from gridbench.errors import InputError


def rng(seed=0):
    return np.random.default_rng(seed)


def test_single_images_are_dealt_out_evenly_and_by_the_seed():
    folds = divide(103, 5, rng())
    assert sorted(np.bincount(folds)) == [20, 20, 21, 21, 21]
    assert np.array_equal(folds, divide(103, 5, rng()))
    assert not np.array_equal(folds, divide(103, 5, rng(1)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(2, 4), st.integers(0, 5))
def test_groups_stay_whole_and_no_fold_is_empty(groups, folds, seed):
    if len(set(groups)) < folds:
        with pytest.raises(InputError, match=r"The number of folds is|two groups of images at least"):
            divide(len(groups), folds, rng(seed), groups)
        return
    dealt = divide(len(groups), folds, rng(seed), groups)
    assert set(dealt) == set(range(folds))
    for group in set(groups):
        assert len({fold for fold, owner in zip(dealt, groups, strict=True) if owner == group}) == 1


def test_large_groups_are_dealt_first():
    groups = ["a"] * 6 + ["b"] * 3 + ["c"] * 3
    assert sorted(np.bincount(divide(12, 2, rng(), groups))) == [6, 6]


@pytest.mark.parametrize(("count", "folds"), [(3, 4), (5, 1)])
def test_too_few_images_or_folds(count, folds):
    with pytest.raises(InputError, match="The number of folds"):
        divide(count, folds, rng())


@pytest.mark.parametrize("count", [0, 1])
def test_one_image_cannot_be_divided(count):
    with pytest.raises(InputError, match=rf"needs two images at least, .*; there are {count}\."):
        divide(count, 2, rng())
