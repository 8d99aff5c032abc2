"""Average precision, precision and recall at k: hand examples, a brute-force loop and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from gridbench import metrics
from gridbench.metrics import average_precision_at_r

SCORES = (metrics.average_precision_at_k, metrics.precision_at_k, metrics.recall_at_k)


def brute_force(ranking, query_labels, archive_labels, k):
    rows = []
    for order, query in zip(ranking, query_labels, strict=True):
        relevant = [bool((query & item).any()) for item in archive_labels]
        hits = [relevant[i] for i in order[:k]]
        precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(k) if hits[rank]]
        there_are = sum(relevant)
        rows.append(
            (
                sum(precisions) / min(k, there_are) if there_are else 0.0,
                sum(hits) / k,
                sum(hits) / there_are if there_are else 0.0,
            )
        )
    return np.array(rows).T


def test_by_hand():
    # Relevant: 0, 2, 3. Ranks: miss, hit, hit, miss.
    query, archive = [[1, 1, 0]], [[1, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0]]
    ranking = [[1, 2, 3, 4, 0]]
    assert metrics.average_precision_at_k(ranking, query, archive, 4) == pytest.approx((1 / 2 + 2 / 3) / 3)
    assert metrics.average_precision_at_k(ranking, query, archive, 2) == pytest.approx((1 / 2) / 2)
    assert metrics.precision_at_k(ranking, query, archive, 4) == 0.5
    assert metrics.recall_at_k(ranking, query, archive, 4) == pytest.approx(2 / 3)
    assert metrics.relevant_counts(query, archive).tolist() == [3]


@settings(max_examples=50, deadline=None)
@given(
    queries=st.integers(1, 6),
    size=st.integers(1, 20),
    classes=st.integers(1, 6),
    share=st.sampled_from([0.0, 0.2, 0.6]),
    k=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_they_equal_a_brute_force_loop(queries, size, classes, share, k, seed):
    rng = np.random.default_rng(seed)
    wanted, known = rng.random((queries, classes)) < share, rng.random((size, classes)) < 0.3
    ranking, k = np.argsort(rng.random((queries, size)), axis=1), min(k, size)
    expected = brute_force(ranking, wanted, known, k)
    for score, values in zip(SCORES, expected, strict=True):
        np.testing.assert_allclose(score(ranking, wanted, known, k), values, rtol=1e-12)


def test_over_the_whole_archive_it_is_scikit_learns_average_precision():
    rng = np.random.default_rng(1)
    wanted, known = rng.random((20, 6)) < 0.3, rng.random((50, 6)) < 0.2
    wanted[:, 0] = known[0, 0] = True
    ranking = np.argsort(rng.random((20, 50)), axis=1)
    relevant = (wanted.astype(int) @ known.T.astype(int)) > 0
    scores = np.empty((20, 50))
    np.put_along_axis(scores, ranking, -np.arange(50.0)[None], axis=1)
    expected = [average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(
        metrics.average_precision_at_k(ranking, wanted, known, 50), expected, rtol=1e-12
    )


def test_a_perfect_ranking_scores_one_where_something_is_relevant():
    wanted, known = np.array([[1, 0], [0, 0]]), np.array([[1, 0], [1, 1], [0, 1]])
    ranking = [[1, 0, 2]] * 2
    assert metrics.average_precision_at_k(ranking, wanted, known, 3).tolist() == [1, 0]
    assert metrics.recall_at_k(ranking, wanted, known, 2).tolist() == [1, 0]


@pytest.mark.parametrize("score", SCORES)
def test_bad_input(score):
    for change, message in (
        ({"k": 0}, "k is 0"),
        ({"k": 3}, "2 ranks per query; 3 are needed"),
        ({"ranking": [[0, 2]]}, "indices 0 to 2"),
        ({"query_labels": [[0.5]]}, "allowed are 0 and 1"),
    ):
        arguments = {
            "ranking": [[0, 1]],
            "query_labels": [[1]],
            "archive_labels": [[1], [0]],
            "k": 2,
            **change,
        }
        with pytest.raises(ValueError, match=message):
            score(**arguments)


@pytest.mark.parametrize("score", [*SCORES, metrics.ndcg_at_k])
@pytest.mark.parametrize("ranking", [[[0, 1, 2], [0, 0, 1]], [[0, 1, 2], [2, 1, 2]]])
def test_a_ranking_that_names_an_image_twice_is_refused(score, ranking):
    with pytest.raises(ValueError, match=r"ranking of query 1 names the image [02] more than once"):
        score(ranking, [[1], [1]], [[1], [0], [1]], 3)


def test_map_at_r_is_that_of_its_definition():
    rng = np.random.default_rng(3)
    for _ in range(20):
        queries, archive = rng.integers(0, 2, (5, 4)), rng.integers(0, 2, (12, 4))
        ranking = np.stack([rng.permutation(12) for _ in queries])
        found = average_precision_at_r(ranking, queries, archive)
        for labels, order, value in zip(queries, ranking, found, strict=True):
            relevant = (archive[order] @ labels > 0).tolist()
            r = sum(relevant)
            hits = [sum(relevant[: i + 1]) / (i + 1) for i in range(r) if relevant[i]]
            assert value == pytest.approx(sum(hits) / r if r else 0.0)
