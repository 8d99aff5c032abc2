"""NDCG@k with exponential gain over shared labels, the paper's retrieval score.

Gain of a retrieved image: 2^s - 1, where s is the number of labels that it shares with the query. Discount
of rank r (from 1): 1 / log2(1 + r). NDCG@k is the discounted gain of the first k ranks, divided by that of
the best possible ranking.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gridbench.metrics.relevance import Floats, Ints, Pool, checked_depth, checked_ranking, level_counts

__all__ = ["chance_ndcg_at_k", "ndcg_at_k", "retrieval_ndcg"]

Ideal = Literal["archive"] | int

LARGEST_EXPONENT = 900
"""Gains above 2^900 are scaled down by a power of two, so that sums of them stay below the largest float64, 2^1024."""


def retrieval_ndcg(
    query_descriptors: Any,
    query_labels: Any,
    archive_descriptors: Any,
    archive_labels: Any,
    k: int,
    ideal: Ideal = "archive",
    distance: str = "chi2",
) -> Floats:
    """Rank the archive for each query and score the ranking by NDCG@k.

    Args:
        query_descriptors: (n, d) numpy array or tensor.
        query_labels: (n, C) of 0 and 1, clean.
        archive_descriptors: (m, d).
        archive_labels: (m, C) of 0 and 1, clean.
        k: Ranks that count, 1 to m (the paper: 20 for DLRSD, 30 for BigEarthNet).
        ideal: `"archive"`, or the number P of retrieved images (k to m) among which the best ranking is
            sought; the authors' code does the latter with 420 and 1000.
        distance: `"chi2"`, `"euclidean"`, `"cosine"` or `"manhattan"`.

    Returns:
        (n,) from 0 to 1; 0 for a query that shares a label with nothing.

    Raises:
        ValueError: Input that does not fit, as `topk` and `ndcg_at_k` say.

    Example:
        >>> retrieval_ndcg([[1.0, 0.0]], [[1, 0]], [[0.0, 1.0], [2.0, 0.0]], [[0, 1], [1, 1]], k=1).tolist()
        [1.0]
    """
    # Scoring a stored ranking must not need torch.
    from gridbench.metrics.nearest import topk
    from gridbench.metrics.pairwise import Rows

    pool, k, depth = _checked(query_labels, archive_labels, k, ideal)
    for name, side, rows in (
        ("query", query_descriptors, pool.queries),
        ("archive", archive_descriptors, pool.size),
    ):
        count = Rows(side, f"{name} descriptors").count
        if count != rows:
            raise ValueError(f"There are {count} {name} descriptors but labels of {rows} images.")
    _, ranking = topk(query_descriptors, archive_descriptors, depth, distance)
    return _ndcg(pool, checked_ranking(ranking, pool.queries, pool.size, depth), k, ideal)


def ndcg_at_k(
    ranking: Any, query_labels: Any, archive_labels: Any, k: int, ideal: Ideal = "archive"
) -> Floats:
    """Score rankings by NDCG@k (gain 2^shared - 1, discount 1 / log2(1 + rank)).

    Args:
        ranking: (n, at least k) indices into the archive, best first; at least P of them when `ideal` is P.
        query_labels: (n, C) of 0 and 1.
        archive_labels: (m, C) of 0 and 1.
        k: Ranks that count.
        ideal: `"archive"`, or the number P of retrieved images among which the best ranking is sought.

    Returns:
        (n,) from 0 to 1; 0 for a query that shares a label with nothing it could retrieve.

    Raises:
        ValueError: Labels other than 0 and 1, too few ranks, an index outside the archive or twice in a row, a bad k or
            `ideal`.

    Example:
        >>> ndcg_at_k([[0, 1]], [[1, 1]], [[1, 0], [1, 1]], k=2).round(6)
        array([0.796708])
    """
    pool, k, depth = _checked(query_labels, archive_labels, k, ideal)
    return _ndcg(pool, checked_ranking(ranking, pool.queries, pool.size, depth), k, ideal)


def chance_ndcg_at_k(query_labels: Any, archive_labels: Any, k: int) -> Floats:
    """Compute the expectation of NDCG@k over all random rankings of the archive.

    Args:
        query_labels: (n, C) of 0 and 1.
        archive_labels: (m, C) of 0 and 1.
        k: Ranks that count, 1 to m.

    Returns:
        (n,): mean gain of the archive times the sum of the discounts, over the ideal.

    Raises:
        ValueError: Labels that are not 0 or 1, or a bad k.

    Example:
        >>> chance_ndcg_at_k([[1, 0]], [[1, 0], [0, 1], [0, 1], [0, 1]], k=1).tolist()
        [0.25]
    """
    pool, k, _ = _checked(query_labels, archive_labels, k, "archive")
    counts = pool.histogram()
    best = _best_grades(counts, k)
    excess = _excess(best)
    if excess.any():
        levels = np.arange(pool.levels + 1)[None]
        mean: Floats = (counts * _gains(np.broadcast_to(levels, counts.shape), excess)).sum(
            axis=1
        ) / pool.size
    else:
        mean = counts @ (np.exp2(np.arange(pool.levels + 1)) - 1) / pool.size
    return _ratio(mean * _discounts(k).sum(), _dcg(best, excess))


def _checked(query_labels: Any, archive_labels: Any, k: Any, ideal: Any) -> tuple[Pool, int, int]:
    pool, k = Pool(query_labels, archive_labels), checked_depth(k)
    if k > pool.size:
        raise ValueError(f"k is {k}, but the archive has {pool.size} images.")
    if isinstance(ideal, str):
        if ideal != "archive":
            raise ValueError(f"ideal is {ideal!r}; allowed is 'archive' or a number of retrieved images.")
        return pool, k, k
    depth = checked_depth(ideal, "ideal")
    if not k <= depth <= pool.size:
        raise ValueError(f"ideal is {depth}; allowed is 'archive' or a number from k = {k} to {pool.size}.")
    return pool, k, depth


def _ndcg(pool: Pool, ranking: Ints, k: int, ideal: Ideal) -> Floats:
    scores = np.zeros(pool.queries)
    counts = pool.histogram() if ideal == "archive" else None
    for rows in pool.blocks(ranking.shape[1]):
        grades = pool.grades(rows, ranking)
        reachable = level_counts(grades, pool.levels) if counts is None else counts[rows]
        best = _best_grades(reachable, k)
        excess = _excess(best)
        scores[rows] = _ratio(_dcg(grades[:, :k], excess), _dcg(best, excess))
    return scores


def _discounts(k: int) -> Floats:
    discounts: Floats = 1.0 / np.log2(np.arange(2, k + 2, dtype=np.float64))
    return discounts


def _best_grades(counts: Ints, k: int) -> Ints:
    """Return the shared labels (q, k) of the best ranking from the number of items (q, levels + 1) at each level."""
    grades = np.zeros((len(counts), k), dtype=np.int64)
    at_or_above = counts[:, :0:-1].cumsum(axis=1)
    for level in range(at_or_above.shape[1]):
        # The best ranking holds s labels or more at rank r exactly where r items or more do.
        grades += np.arange(k) < at_or_above[:, level, None]
    return grades


def _excess(best: Ints) -> Ints:
    """Return the exponents (q,) by which the gains of each query are scaled down, 0 for all that are representable."""
    return np.maximum(best[:, 0] - LARGEST_EXPONENT, 0)


def _gains(grades: npt.NDArray[Any], excess: Ints) -> Floats:
    """Return (2^s - 1) / 2^excess of shared labels s (q, k); scaling by a power of two rounds nothing."""
    if not excess.any():
        gains: Floats = (np.exp2(np.arange(int(grades.max(initial=0)) + 1, dtype=np.float64)) - 1.0)[grades]
        return gains
    shared = grades.astype(np.int64)
    scaled: Floats = np.ldexp(1.0 - np.exp2(-shared.astype(np.float64)), shared - excess[:, None])
    return scaled


def _dcg(grades: npt.NDArray[Any], excess: Ints) -> Floats:
    """Return the discounted gain (q,) of shared labels by rank (q, k), scaled as `_gains`."""
    # A matrix product would round differently with the number of rows.
    total: Floats = (_gains(grades, excess) * _discounts(grades.shape[1])).sum(axis=1)
    return total


def _ratio(dcg: Floats, ideal: Floats) -> Floats:
    ratio: npt.NDArray[np.float64] = np.divide(dcg, ideal, out=np.zeros_like(dcg), where=ideal > 0)
    return np.minimum(ratio, 1.0)
