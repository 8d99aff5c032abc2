"""NDCG@k: golden values, a brute-force loop, scikit-learn on exponentiated gains, chance, and degenerate cases."""

from __future__ import annotations

import itertools
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from gridbench import metrics

GOLDEN_QUERY = [[1, 1, 0, 0, 1]]
GOLDEN_ARCHIVE = [
    [1, 0, 0, 0, 0],
    [1, 1, 0, 0, 1],
    [0, 0, 1, 0, 0],
    [0, 1, 0, 1, 1],
    [1, 1, 0, 0, 0],
    [0, 0, 0, 1, 0],
]
GOLDEN_RANKING = [[0, 2, 3, 1, 5, 4]]


def labels(rows: int, classes: int, seed: int, share: float = 0.3) -> np.ndarray:
    return (np.random.default_rng(seed).random((rows, classes)) < share).astype(np.uint8)


def brute_force(ranking, query_labels, archive_labels, k, pool=None):
    scores = []
    for order, query in zip(np.asarray(ranking).tolist(), np.asarray(query_labels).tolist(), strict=True):
        shared = [
            sum(a * b for a, b in zip(query, item, strict=True))
            for item in np.asarray(archive_labels).tolist()
        ]
        gains = [2 ** shared[i] - 1 for i in order[:k]]
        best = [2**s - 1 for s in (shared if pool is None else [shared[i] for i in order[:pool]])]
        dcg = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))
        ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(sorted(best, reverse=True)[:k]))
        scores.append(dcg / ideal if ideal else 0.0)
    return np.array(scores)


def rankings(queries: int, size: int, seed: int) -> np.ndarray:
    return np.argsort(np.random.default_rng(seed).random((queries, size)), axis=1)


@pytest.mark.parametrize(
    ("ideal", "expected"), [("archive", 0.240551), (6, 0.240551), (4, 0.266162), (3, 0.688529)]
)
def test_golden_values(ideal, expected):
    score = metrics.ndcg_at_k(GOLDEN_RANKING, GOLDEN_QUERY, GOLDEN_ARCHIVE, 3, ideal=ideal)
    assert score == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(1, 9),
    size=st.integers(1, 30),
    classes=st.integers(1, 12),
    share=st.sampled_from([0.0, 0.1, 0.4, 1.0]),
    k=st.integers(1, 30),
    pool=st.integers(1, 30),
    seed=st.integers(0, 1000),
)
def test_it_equals_a_brute_force_loop(queries, size, classes, share, k, pool, seed):
    k = min(k, size)
    pool = min(max(k, pool), size)
    wanted, archive = labels(queries, classes, seed, share), labels(size, classes, seed + 1, 0.3)
    order = rankings(queries, size, seed)
    score = metrics.ndcg_at_k(order, wanted, archive, k)
    np.testing.assert_allclose(score, brute_force(order, wanted, archive, k), rtol=1e-12)
    authors = metrics.ndcg_at_k(order, wanted, archive, k, ideal=pool)
    np.testing.assert_allclose(authors, brute_force(order, wanted, archive, k, pool), rtol=1e-12)
    assert ((score >= 0) & (score <= 1)).all()


def test_blocks_change_nothing(monkeypatch):
    wanted, archive, order = labels(50, 9, 1), labels(80, 9, 2), rankings(50, 80, 3)
    whole = [metrics.ndcg_at_k(order, wanted, archive, 10, ideal) for ideal in ("archive", 40)]
    monkeypatch.setattr(sys.modules["gridbench.metrics.relevance"], "PAIRS", 100)
    parts = [metrics.ndcg_at_k(order, wanted, archive, 10, ideal) for ideal in ("archive", 40)]
    np.testing.assert_array_equal(parts, whole)


def test_it_equals_scikit_learn_on_exponentiated_gains():
    wanted, archive = labels(40, 17, 4), labels(90, 17, 5)
    order = rankings(40, 90, 6)
    gains = 2.0 ** (wanted.astype(int) @ archive.T.astype(int)) - 1
    scores = np.empty_like(gains)
    np.put_along_axis(scores, order, -np.arange(90.0)[None, :], axis=1)
    expected = [
        ndcg_score(g[None], s[None], k=20, ignore_ties=True) for g, s in zip(gains, scores, strict=True)
    ]
    np.testing.assert_allclose(metrics.ndcg_at_k(order, wanted, archive, 20), expected, rtol=1e-12)


def test_the_ideal_ranking_scores_one_and_no_other_scores_more():
    wanted, archive = labels(1, 6, 7, 0.6), labels(6, 6, 8, 0.5)
    shared = (wanted.astype(int) @ archive.T.astype(int))[0]
    every = np.array(list(itertools.permutations(range(6))))
    scores = metrics.ndcg_at_k(every, np.repeat(wanted, len(every), 0), archive, 4)
    ideal = np.argsort(-shared, kind="stable")[None]
    assert metrics.ndcg_at_k(ideal, wanted, archive, 4) == 1
    assert scores.max() == 1


def test_chance_is_the_mean_over_every_ranking():
    wanted, archive = labels(3, 5, 9, 0.5), labels(6, 5, 10, 0.4)
    every = np.array(list(itertools.permutations(range(6))))
    for row in range(3):
        scores = metrics.ndcg_at_k(every, np.repeat(wanted[row : row + 1], len(every), 0), archive, 4)
        expected = metrics.chance_ndcg_at_k(wanted[row : row + 1], archive, 4)
        assert scores.mean() == pytest.approx(expected[0], rel=1e-12)


def test_a_random_ranking_and_a_constant_descriptor_score_at_chance():
    wanted, archive = labels(2000, 10, 11), labels(150, 10, 12)
    chance = metrics.chance_ndcg_at_k(wanted, archive, 20)
    random = metrics.ndcg_at_k(rankings(2000, 150, 13), wanted, archive, 20)
    difference = random - chance
    assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(2000)
    # A constant descriptor ties everywhere, so its ranking is the archive's order: chance over shuffled archives.
    rng = np.random.default_rng(14)
    constant = []
    for _ in range(200):
        shuffled = archive[rng.permutation(150)]
        scores = metrics.retrieval_ndcg(np.ones((50, 3)), wanted[:50], np.ones((150, 3)), shuffled, 20)
        constant.append(scores.mean() - chance[:50].mean())
    assert abs(np.mean(constant)) < 4 * np.std(constant) / math.sqrt(200)


def test_permuting_a_tie_free_archive_changes_nothing():
    rng = np.random.default_rng(15)
    queries, archive = rng.random((30, 8)), rng.random((70, 8))
    wanted, known, order = labels(30, 6, 16), labels(70, 6, 17), rng.permutation(70)
    for distance in metrics.DISTANCES:
        score = metrics.retrieval_ndcg(queries, wanted, archive, known, 20, distance=distance)
        permuted = metrics.retrieval_ndcg(
            queries, wanted, archive[order], known[order], 20, distance=distance
        )
        np.testing.assert_array_equal(permuted, score)


@pytest.mark.parametrize("distance", ["chi2", "euclidean", "cosine", "manhattan"])
def test_scaling_the_descriptors_changes_nothing(distance):
    rng = np.random.default_rng(18)
    queries, archive = rng.random((20, 8)), rng.random((60, 8))
    wanted, known = labels(20, 6, 19), labels(60, 6, 20)
    score = metrics.retrieval_ndcg(queries, wanted, archive, known, 10, distance=distance)
    scaled = metrics.retrieval_ndcg(queries * 37, wanted, archive * 37, known, 10, distance=distance)
    np.testing.assert_array_equal(scaled, score)


def test_descriptors_that_are_the_labels_score_well_above_chance():
    wanted, known = labels(40, 8, 21), labels(100, 8, 22)
    score = metrics.retrieval_ndcg(wanted, wanted, known, known, 10)
    assert score.mean() > 2 * metrics.chance_ndcg_at_k(wanted, known, 10).mean()


def test_retrieval_is_topk_and_then_ndcg():
    rng = np.random.default_rng(23)
    queries, archive = rng.random((12, 8)), rng.random((40, 8))
    wanted, known = labels(12, 6, 24), labels(40, 6, 25)
    for ideal, depth in (("archive", 10), (25, 25)):
        _, ranking = metrics.chi2_topk(queries, archive, depth)
        expected = brute_force(ranking, wanted, known, 10, None if ideal == "archive" else ideal)
        score = metrics.retrieval_ndcg(queries, wanted, archive, known, 10, ideal)
        np.testing.assert_allclose(score, expected, rtol=1e-12)


def test_tensors_are_taken_too():
    rng = np.random.default_rng(26)
    queries, archive = rng.random((5, 8)), rng.random((20, 8))
    wanted, known = labels(5, 6, 27), labels(20, 6, 28)
    expected = metrics.retrieval_ndcg(queries, wanted, archive, known, 5)
    given_tensors = map(torch.from_numpy, (queries, wanted, archive, known))
    result = metrics.retrieval_ndcg(*given_tensors, 5)
    np.testing.assert_array_equal(result, expected)


def test_a_query_that_shares_nothing_scores_zero():
    wanted, known = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0]]), np.array([[1, 1, 0], [1, 0, 0]])
    ranking = [[0, 1]] * 3
    np.testing.assert_array_equal(metrics.ndcg_at_k(ranking, wanted, known, 2), [0, 0, 1])
    np.testing.assert_array_equal(metrics.ndcg_at_k(ranking, wanted, known, 2, ideal=2), [0, 0, 1])
    np.testing.assert_array_equal(metrics.chance_ndcg_at_k(wanted, known, 2), [0, 0, 1])


def test_nothing_relevant_in_the_pool_scores_zero_not_nan():
    wanted, known = [[1, 0]], [[0, 1], [0, 1], [1, 0]]
    assert metrics.ndcg_at_k([[0, 1, 2]], wanted, known, 2, ideal=2) == 0
    assert metrics.ndcg_at_k([[0, 1, 2]], wanted, known, 2) == 0


def test_no_queries():
    assert metrics.ndcg_at_k(np.zeros((0, 3), int), np.zeros((0, 4)), labels(9, 4, 0), 3).shape == (0,)


def exact(ranking, shared, k):
    """NDCG@k of one query from its (m,) shared labels, in whole numbers but for the discounts."""
    discounts = [Fraction(1 / math.log2(rank + 2)) for rank in range(k)]
    dcg = sum((2 ** shared[i] - 1) * d for i, d in zip(ranking, discounts, strict=False))
    best = sum((2**s - 1) * d for s, d in zip(sorted(shared, reverse=True), discounts, strict=False))
    return float(dcg / best) if best else 0.0


@pytest.mark.parametrize("classes", [60, 899, 1023, 1024, 1100, 3000, 66_000])
@pytest.mark.parametrize("ideal", ["archive", 4])
def test_any_number_of_shared_classes_scores_as_whole_numbers_do(classes, ideal):
    rng = np.random.default_rng(classes)
    sizes = [0, 1, classes // 2, classes - 5, classes - 2, classes]
    archive = (np.arange(classes) < np.array(sizes)[:, None]).astype(np.uint8)
    queries = np.stack([archive[-1], archive[2], archive[1], archive[0]])
    shared = (queries.astype(np.int64) @ archive.T).tolist()
    ranking = np.array([rng.permutation(6) for _ in queries])
    expected = [
        exact(row, levels, 3)
        if ideal == "archive"
        else exact([row.index(i) for i in row], [levels[i] for i in row[:ideal]], 3)
        for row, levels in zip(ranking.tolist(), shared, strict=True)
    ]
    scores = metrics.ndcg_at_k(ranking, queries, archive, 3, ideal)
    np.testing.assert_allclose(scores, expected, rtol=1e-13)
    perfect = np.argsort(-np.array(shared), axis=1, kind="stable")
    assert metrics.ndcg_at_k(perfect, queries, archive, 3, ideal).tolist() == [1, 1, 1, 0]


def test_chance_over_very_many_shared_classes_is_the_mean_over_every_ranking():
    shared = [0, 1, 1098, 1100]
    archive = (np.arange(1100) < np.array(shared)[:, None]).astype(np.uint8)
    chance = metrics.chance_ndcg_at_k(archive[-1:], archive, 2)
    every = [exact(order, shared, 2) for order in itertools.permutations(range(4))]
    np.testing.assert_allclose(chance, [np.mean(every)], rtol=1e-12)


def test_more_than_255_classes_are_counted():
    wanted = np.ones((1, 300))
    known = np.zeros((3, 300))
    known[0, :260] = known[1, :4] = 1
    assert metrics.ndcg_at_k([[0, 1, 2]], wanted, known, 3) == 1
    assert metrics.ndcg_at_k([[1, 0, 2]], wanted, known, 3) == pytest.approx(1 / math.log2(3))


OK = {"ranking": [[0, 1, 2]], "query_labels": [[1, 0]], "archive_labels": [[1, 0], [0, 1], [1, 1]], "k": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 1.5}, "k is 1.5"),
        ({"k": 4}, "archive has 3 images"),
        ({"ideal": "pool"}, "ideal is 'pool'"),
        ({"ideal": 1}, "ideal is 1; allowed is 'archive' or a number from k = 2 to 3"),
        ({"ideal": 4}, "ideal is 4"),
        ({"ideal": True}, "ideal is True"),
        ({"ranking": [[0]]}, "1 ranks per query; 2 are needed"),
        ({"ranking": [[0, 1]], "ideal": 3}, "2 ranks per query; 3 are needed"),
        ({"ranking": [[0, 3]]}, "indices 0 to 3; the archive has 0 to 2"),
        ({"ranking": [[-1, 0]]}, "indices -1 to 0"),
        ({"ranking": [[0.0, 1.0]]}, "type float64"),
        ({"ranking": [[0, 1], [1, 0]]}, r"shape \(2, 2\)"),
        ({"query_labels": [[1, 2]]}, "query labels hold 2 in row 0; allowed are 0 and 1"),
        ({"query_labels": [[1, np.nan]]}, "query labels hold nan"),
        ({"query_labels": [1, 0]}, "expected .images, classes."),
        ({"query_labels": [[1, 0, 0]]}, "3 classes and the archive 2"),
        ({"archive_labels": [[1, 0], [0, -1], [1, 1]]}, "archive labels hold -1 in row 1"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        metrics.ndcg_at_k(**{**OK, **change})


def test_descriptors_and_labels_of_different_numbers_of_images():
    with pytest.raises(ValueError, match="4 archive descriptors but labels of 3 images"):
        metrics.retrieval_ndcg(np.ones((1, 2)), [[1, 0]], np.ones((4, 2)), OK["archive_labels"], 2)
