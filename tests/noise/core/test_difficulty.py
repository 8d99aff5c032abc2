"""How hard labels are by what similar images are labelled: by hand, against scikit-learn, and exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from gridbench.noise.core import difficulty
from gridbench.noise.core.difficulty import neighbour_difficulty, plain_descriptors


def test_by_hand():
    descriptors = np.array([[0], [1], [2], [100], [101], [103]])
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [1, 0]])
    hard = neighbour_difficulty(descriptors, labels, 2)
    # The neighbours of 0 are 1 and 2: one has class 0 and one has class 1.
    assert hard[0].tolist() == [0.5, 0.5]
    # Those of 2 have class 0 only, so its own label is as hard as can be.
    assert hard[2].tolist() == [1, 1]
    assert hard[3].tolist() == [0.5, 0.5]
    assert hard[5].tolist() == [1, 1]


def test_the_neighbours_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    descriptors = rng.integers(0, 256, (300, 12))
    labels = rng.integers(0, 2, (300, 5))
    near = NearestNeighbors(n_neighbors=8).fit(descriptors).kneighbors(return_distance=False)
    share = labels[near].mean(axis=1)
    expected = np.where(labels == 1, 1 - share, share)
    np.testing.assert_allclose(neighbour_difficulty(descriptors, labels, 7 + 1), expected)


def test_among_equally_distant_images_the_earlier_are_asked():
    labels = np.eye(4, dtype=int)
    hard = neighbour_difficulty(np.zeros((4, 3), int), labels, 1)
    assert hard[0].tolist() == [1, 1, 0, 0]
    assert hard[3].tolist() == [1, 0, 0, 1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 50))
def test_properties(seed, count, neighbours):
    rng = np.random.default_rng(seed)
    descriptors, labels = rng.integers(0, 256, (count, 6)), rng.integers(0, 2, (count, 3))
    hard = neighbour_difficulty(descriptors, labels, neighbours)
    assert hard.shape == labels.shape
    assert ((hard >= 0) & (hard <= 1)).all()
    same = neighbour_difficulty(descriptors, np.ones_like(labels), neighbours)
    assert not same.any()


def test_neighbours_of_many_images_are_sought_among_some(monkeypatch):
    monkeypatch.setattr(difficulty, "REFERENCES", 50)
    monkeypatch.setattr(difficulty, "ROWS", 7)
    descriptors = np.repeat(np.arange(10), 100)[:, None] * 20
    labels = (descriptors >= 100).astype(int)
    assert not neighbour_difficulty(descriptors, labels, 3).any()


def test_descriptors_see_brightness_and_roughness_of_each_band():
    flat, bright = np.zeros((2, 8, 8)), np.full((2, 8, 8), 9)
    rough = np.indices((8, 8)).sum(0) % 2 * np.ones((2, 1, 1))
    images = np.stack([flat, bright, rough]).astype(np.uint16)
    found = plain_descriptors([images[:2], images[2:]])
    assert found.shape == (3, 12)
    assert found.min() == 0
    assert found.max() == 255
    assert found[:2, 10:].max() == 0
    assert found[2, 10:].tolist() == [255, 255]
    assert (found[1, :10] == 255).all()
    np.testing.assert_array_equal(plain_descriptors([images]), found)


@pytest.mark.parametrize("shape", [(3, 1, 1, 1), (1, 2, 4, 4)])
def test_single_pixels_and_single_images_are_no_trouble(shape):
    found = plain_descriptors([np.ones(shape, np.float32)])
    assert not found.any()
    assert np.isfinite(neighbour_difficulty(found, np.ones((shape[0], 2), int))).all()
