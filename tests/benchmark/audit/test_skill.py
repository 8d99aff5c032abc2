"""What networks gain over the commonest class: by hand, of label tables and of label maps."""

import numpy as np
import pytest

from gridbench.audit.skill import skill_of_labels, skill_of_maps, warning

FOLDS = np.array([0, 0, 1, 1])


def test_the_skill_of_labels_by_hand():
    given = np.array([[1], [0], [1], [0]])
    # Half of the labels elsewhere are given, so B0 = 0.25; errors of 0.2 make B = 0.04, and 0.5 everywhere is B0.
    probabilities = np.array([[0.8], [0.2], [0.5], [0.5]])
    assert skill_of_labels(given, probabilities, FOLDS) == pytest.approx([1 - 0.04 / 0.25, 0])


def test_the_skill_of_maps_leaves_ignored_pixels_out():
    maps = np.array([[[0, 0, 1]], [[0, 1, 255]], [[0, 0, 0]], [[0, 1, 1]]])
    predicted = np.array([[[0, 0, 1]], [[0, 0, 0]], [[0, 0, 0]], [[0, 0, 0]]])
    # Class 0 is commonest elsewhere; it misses two pixels in either fold, the network one and two.
    assert skill_of_maps(maps, predicted, FOLDS) == pytest.approx([0.5, 0])


def test_a_network_that_learned_nothing_is_named_and_a_fair_one_is_not():
    assert warning([0.3, 0.12]) is None
    text = warning([0.3, 0.04, -0.2])
    assert text.startswith("This list cannot be trusted: in folds 2, 3 of 3 the network hardly beats")
    assert "(skill -0.20;" in text
    assert "in fold 1 of 2" in warning([0.0, 0.5])
    assert "(skill 0.00;" in warning([-0.001, 0.5])  # no negative zero


def test_where_there_is_no_more_to_know_the_skill_is_nought():
    assert skill_of_labels(np.ones((4, 1)), np.full((4, 1), 0.9), FOLDS) == [0, 0]
    assert skill_of_maps(np.zeros((4, 1, 1), int), np.ones((4, 1, 1), int), FOLDS) == [0, 0]
