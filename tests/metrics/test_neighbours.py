"""Wrong labels by neighbours: golden values, and against scikit-learn and a search by hand."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from gridbench.metrics import nearest_others, neighbour_disagreement, outside_largest_component
from gridbench.metrics.neighbours import MAX_DISTANCES

POINTS = np.array(
    [
        *(
            (0, 0),
            (0.13, 0.04),
            (0.05, 0.17),
            (0.21, 0.19),
            (1, 1.02),
            (1.11, 1.05),
            (1.04, 1.2),
            (1.27, 1.16),
        ),
        *((0.1, 0.09), (1.09, 1.12), (3, 0.3), (3.12, 0.41)),
    ]
)
CLASSES = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0])


@pytest.mark.parametrize(("k", "kept"), [(2, range(8)), (3, range(8)), (4, range(8)), (5, range(12))])
def test_golden_values_of_topofilter(k, kept):
    outside = outside_largest_component(CLASSES, nearest_others(POINTS, k))
    assert np.flatnonzero(~outside).tolist() == list(kept)


def test_golden_values_of_the_vote():
    neighbours = nearest_others(POINTS, 3)
    assert neighbours[[8, 0]].tolist() == [[1, 2, 0], [8, 1, 2]]
    one_hot = np.eye(2, dtype=int)[CLASSES]
    share = neighbour_disagreement(one_hot, neighbours)[np.arange(12), CLASSES]
    assert share[[8, 0]].tolist() == pytest.approx([1, 1 / 3])


@pytest.mark.parametrize(
    ("n", "k", "together"), [(60, 5, MAX_DISTANCES), (61, 60, MAX_DISTANCES), (60, 7, 60 * 13)]
)
def test_the_neighbours_are_those_of_scikit_learn(monkeypatch, n, k, together):
    monkeypatch.setattr("gridbench.metrics.neighbours.MAX_DISTANCES", together)
    descriptors = np.random.default_rng(k).standard_normal((n, 9)) + 3
    expected = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(descriptors).kneighbors()[1]
    np.testing.assert_array_equal(nearest_others(descriptors, k), expected)


def test_an_item_is_no_neighbour_of_itself_even_among_equal_ones():
    neighbours = nearest_others(np.ones((6, 3)), 5)
    assert all(set(row) == set(range(6)) - {i} for i, row in enumerate(neighbours.tolist()))


@pytest.mark.parametrize("k", [0, 3])
def test_more_neighbours_than_there_are_others_are_refused(k):
    with pytest.raises(ValueError, match="allowed is a whole number from 1 to 2"):
        nearest_others(np.eye(3), k)


@pytest.mark.parametrize("seed", range(5))
def test_components_are_those_of_a_search(seed):
    rng = np.random.default_rng(seed)
    groups, neighbours = rng.integers(0, 4, 50), nearest_others(rng.standard_normal((50, 3)), 3)
    expected = np.ones(50, dtype=bool)
    for group in range(4):
        largest, left = [], set(np.flatnonzero(groups == group).tolist())
        for start in sorted(left):
            reached, border = [], [start] if start in left else []
            while border:
                item = border.pop()
                if item in left:
                    left.remove(item)
                    reached.append(item)
                    border += [j for j in left if j in neighbours[item] or item in neighbours[j]]
            largest = max(largest, reached, key=len)
        expected[largest] = False
    np.testing.assert_array_equal(outside_largest_component(groups, neighbours), expected)


def test_each_class_of_several_labels_votes_on_its_own():
    labels = np.array([[1, 0], [1, 1], [0, 1]])
    neighbours = np.array([[1, 2], [0, 2], [1, 0]])
    assert neighbour_disagreement(labels, neighbours).tolist() == [[0.5, 1], [0.5, 0.5], [1, 0.5]]
