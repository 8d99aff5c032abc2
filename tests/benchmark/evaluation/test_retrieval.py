"""Retrieval scores of a method: chance, a perfect descriptor, a constant one, pairs of splits."""

import numpy as np
import pytest

from gridbench.evaluation.retrieval import score_retrieval
from gridbench.metrics.ndcg import chance_ndcg_at_k, ndcg_at_k


def labels(n, seed):
    return (np.random.default_rng(seed).random((n, 6)) < 0.3).astype(np.uint8)


def test_descriptors_that_are_the_labels_rank_nearly_ideally():
    queries, searched = labels(40, 0), labels(200, 1)
    got = score_retrieval(
        queries.astype(np.float32), searched.astype(np.float32), queries, searched, k=10, distance="chi2"
    )
    assert got.scores["ndcg@10"].mean() > 0.7
    assert got.ranking.shape == (40, 10)


def test_a_random_ranking_scores_at_chance():
    queries, searched = labels(300, 2), labels(120, 3)
    empty = np.empty((0, 0))
    scores = [
        score_retrieval(empty, empty, queries, searched, k=10, distance="chi2", chance=seed)
        .scores["ndcg@10"]
        .mean()
        for seed in range(20)
    ]
    expected = chance_ndcg_at_k(queries, searched, 10).mean()
    error = np.std(scores, ddof=1) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - expected) < 4 * error
    assert len(set(scores)) == len(scores)


def test_a_constant_descriptor_gains_nothing_from_ties():
    queries, searched = labels(300, 4), labels(120, 5)
    order = np.random.default_rng(6).permutation(120)
    flat = np.ones((300, 3), np.float32), np.ones((120, 3), np.float32)
    got = score_retrieval(*flat, queries, searched[order], k=10, distance="chi2")
    assert np.array_equal(got.ranking, np.tile(np.arange(10), (300, 1)))
    assert abs(got.scores["ndcg@10"].mean() - chance_ndcg_at_k(queries, searched, 10).mean()) < 0.05


def test_the_authors_ideal_is_taken_over_retrieved_images():
    queries, searched = labels(30, 7), labels(80, 8)
    descriptors = np.random.default_rng(9).random((30, 4)), np.random.default_rng(10).random((80, 4))
    pool = score_retrieval(*descriptors, queries, searched, k=5, distance="chi2", ideal=20)
    whole = score_retrieval(*descriptors, queries, searched, k=5, distance="chi2")
    assert (pool.scores["ndcg@5"] >= whole.scores["ndcg@5"] - 1e-12).all()
    assert pool.scores["ndcg@5"].mean() > whole.scores["ndcg@5"].mean()
    every = score_retrieval(*descriptors, queries, searched, k=5, distance="chi2", ideal=80)
    np.testing.assert_allclose(every.scores["ndcg@5"], whole.scores["ndcg@5"])
    assert pool.ranking.shape == (30, 5)
    # The 420 of DLRSD are more than its 210 validation images.
    more = score_retrieval(*descriptors, queries, searched, k=5, distance="chi2", ideal=81)
    assert np.array_equal(more.scores["ndcg@5"], every.scores["ndcg@5"])


@pytest.mark.parametrize("distance", ["chi2", "euclidean", "cosine", "manhattan"])
def test_permuting_a_tie_free_archive_changes_no_score(distance):
    queries, searched = labels(30, 11), labels(80, 12)
    q, a = np.random.default_rng(13).random((30, 8)), np.random.default_rng(14).random((80, 8))
    order = np.random.default_rng(15).permutation(80)
    one = score_retrieval(q, a, queries, searched, k=7, distance=distance)
    other = score_retrieval(q, a[order], queries, searched[order], k=7, distance=distance)
    for name, values in one.scores.items():
        np.testing.assert_allclose(values, other.scores[name])
    assert np.array_equal(order[other.ranking], one.ranking)


def test_scores_are_those_of_the_metrics_package():
    queries, searched = labels(20, 16), labels(50, 17)
    q, a = np.random.default_rng(18).random((20, 4)), np.random.default_rng(19).random((50, 4))
    got = score_retrieval(q, a, queries, searched, k=6, distance="euclidean")
    order = np.argsort(((q[:, None] - a[None]) ** 2).sum(-1), axis=1, kind="stable")[:, :6]
    assert np.array_equal(got.ranking, order)
    np.testing.assert_allclose(got.scores["ndcg@6"], ndcg_at_k(order, queries, searched, 6))
