"""Average precision, precision and recall at k; an image is relevant if it shares at least one label."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbench.metrics.relevance import Floats, Ints, Pool, checked_depth, checked_ranking

__all__ = [
    "average_precision_at_k",
    "average_precision_at_r",
    "precision_at_k",
    "recall_at_k",
    "relevant_counts",
]


def average_precision_at_k(ranking: Any, query_labels: Any, archive_labels: Any, k: int) -> Floats:
    """Average the precision at the ranks of the relevant images among the first k.

    The sum is divided by min(k, relevant images in the archive), so that a perfect ranking scores 1 for every
    query that has a relevant image; the mean over queries is mAP@k.

    Args:
        ranking: (n, at least k) indices into the archive, best first.
        query_labels: (n, C) of 0 and 1.
        archive_labels: (m, C) of 0 and 1.
        k: Ranks that count.

    Returns:
        (n,) from 0 to 1; 0 for a query without a relevant image.

    Raises:
        ValueError: Labels that are not 0 or 1, too few ranks, an index outside the archive, or one that is there twice.

    Example:
        >>> average_precision_at_k([[1, 2, 0]], [[1, 0]], [[1, 0], [0, 1], [1, 1]], k=3).round(6).tolist()
        [0.583333]
    """
    hits, relevant, k = _hits(ranking, query_labels, archive_labels, k)
    precision = hits.cumsum(axis=1) / np.arange(1, k + 1)
    scores: Floats = (precision * hits).sum(axis=1) / np.maximum(np.minimum(relevant, k), 1)
    return scores


def average_precision_at_r(ranking: Any, query_labels: Any, archive_labels: Any) -> Floats:
    """Average the precision at the ranks of the relevant images among the first R, R being how many there are.

    The mean over queries is MAP@R (Musgrave et al., A Metric Learning Reality Check, 2020).

    Args:
        ranking: (n, at least the largest R) indices into the archive, best first.
        query_labels: (n, C) of 0 and 1.
        archive_labels: (m, C) of 0 and 1.

    Returns:
        (n,) from 0 to 1; 0 for a query without a relevant image.

    Raises:
        ValueError: As for `average_precision_at_k`.

    Example:
        >>> average_precision_at_r([[1, 2, 0]], [[1, 0]], [[1, 0], [0, 1], [1, 1]]).tolist()
        [0.25]
    """
    deepest = int(relevant_counts(query_labels, archive_labels).max(initial=1))
    hits, relevant, depth = _hits(ranking, query_labels, archive_labels, deepest)
    hits *= np.arange(depth) < relevant[:, None]
    precision = hits.cumsum(axis=1) / np.arange(1, depth + 1)
    scores: Floats = (precision * hits).sum(axis=1) / np.maximum(relevant, 1)
    return scores


def precision_at_k(ranking: Any, query_labels: Any, archive_labels: Any, k: int) -> Floats:
    """Return the share of relevant images among the first k; the mean over queries is P@k.

    Args:
        ranking: (n, at least k) indices into the archive, best first.
        query_labels: (n, C) of 0 and 1.
        archive_labels: (m, C) of 0 and 1.
        k: Ranks that count.

    Returns:
        (n,) from 0 to 1.

    Raises:
        ValueError: As for `average_precision_at_k`.

    Example:
        >>> precision_at_k([[1, 2, 0]], [[1, 0]], [[1, 0], [0, 1], [1, 1]], k=2).tolist()
        [0.5]
    """
    hits, _, k = _hits(ranking, query_labels, archive_labels, k)
    shares: Floats = hits.sum(axis=1) / k
    return shares


def recall_at_k(ranking: Any, query_labels: Any, archive_labels: Any, k: int) -> Floats:
    """Return the share of the archive's relevant images that is among the first k; the mean over queries is R@k.

    Args:
        ranking: (n, at least k) indices into the archive, best first.
        query_labels: (n, C) of 0 and 1.
        archive_labels: (m, C) of 0 and 1.
        k: Ranks that count.

    Returns:
        (n,) from 0 to 1; 0 for a query without a relevant image.

    Raises:
        ValueError: As for `average_precision_at_k`.

    Example:
        >>> recall_at_k([[1, 2, 0]], [[1, 0]], [[1, 0], [0, 1], [1, 1]], k=2).tolist()
        [0.5]
    """
    hits, relevant, _ = _hits(ranking, query_labels, archive_labels, k)
    shares: Floats = hits.sum(axis=1) / np.maximum(relevant, 1)
    return shares


def relevant_counts(query_labels: Any, archive_labels: Any) -> Ints:
    """Count the archive images that share at least one label with each query.

    Args:
        query_labels: (n, C) of 0 and 1.
        archive_labels: (m, C) of 0 and 1.

    Returns:
        (n,); a query with 0 scores 0 whatever is retrieved.

    Example:
        >>> relevant_counts([[1, 0], [0, 0]], [[1, 0], [0, 1], [1, 1]]).tolist()
        [2, 0]
    """
    return Pool(query_labels, archive_labels).relevant()


def _hits(ranking: Any, query_labels: Any, archive_labels: Any, k: Any) -> tuple[Floats, Ints, int]:
    pool, k = Pool(query_labels, archive_labels), checked_depth(k)
    ranks = checked_ranking(ranking, pool.queries, pool.size, k)
    hits = np.zeros((pool.queries, k))
    for rows in pool.blocks(k):
        hits[rows] = pool.grades(rows, ranks) > 0
    return hits, pool.relevant(), k
