"""NDCG@30 of rankings of all queries against scikit-learn, on the same rankings and the same exponentiated gains.

scikit-learn is given, for each query, the gain of every archive image and a score by which it ranks them; its time is
linear in the queries and is taken of an eighth of them. Neither side finds the ranking itself. That both give the same
numbers is a test (`tests/metrics/test_ndcg.py`); here it is measured once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from helpers.fair import QUICK, compare, figure, growth
from sklearn.metrics import ndcg_score

from gridbench.metrics import ndcg_at_k

Array = np.ndarray[Any, Any]

QUERIES, ARCHIVE, CLASSES, K = (400, 300, 19, 30) if QUICK else (7712, 3560, 19, 30)
GROWTH = (200, 400, 800) if QUICK else (2500, 7000, 20_000)
PEER_SHARE = 1 / 8


def labels(images: int, seed: int) -> Array:
    """Return labels with about three classes an image, common ones and rare ones."""
    rng = np.random.default_rng(seed)
    present = (rng.random((images, CLASSES)) < np.geomspace(0.5, 0.02, CLASSES)).astype(np.uint8)
    present[np.arange(images), rng.integers(0, CLASSES, images)] = 1
    return present


def rankings(queries: int, size: int) -> Array:
    """Return (queries, K) different archive images for each query, in random order."""
    rng = np.random.default_rng(2)
    starts, steps = rng.integers(0, size, (queries, 1)), rng.integers(1, size // K, (queries, 1))
    return (starts + steps * np.arange(K)) % size


def main() -> None:
    """Run the comparisons."""
    query_labels, archive_labels = labels(QUERIES, 0), labels(ARCHIVE, 1)
    ranking = rankings(QUERIES, ARCHIVE)
    some = slice(0, round(QUERIES * PEER_SHARE))
    shared = query_labels[some].astype(np.float64) @ archive_labels.T.astype(np.float64)
    gains, scores = np.exp2(shared) - 1, np.zeros_like(shared)
    np.put_along_axis(scores, ranking[some], np.arange(K, 0, -1.0), axis=1)

    what = f"NDCG@{K}, {QUERIES:,} x {ARCHIVE:,}, all queries"
    compare(
        f"{what}, against scikit-learn on an eighth, times 8",
        lambda: ndcg_at_k(ranking, query_labels, archive_labels, K),
        lambda: ndcg_score(gains, scores, k=K, ignore_ties=True),
        rounds=9,
        measure="speed",
        at_least=30,
        peer_share=(some.stop - some.start) / QUERIES,
    )
    ours = ndcg_at_k(ranking[some], query_labels[some], archive_labels, K)
    theirs = [
        ndcg_score(gain[None], score[None], k=K, ignore_ties=True)
        for gain, score in zip(gains, scores, strict=True)
    ]
    figure(
        f"{what}, largest difference from scikit-learn", [float(np.abs(ours - theirs).max())], at_most=1e-9
    )

    def work(size: int) -> Callable[[], object]:
        queries, archive = labels(size, 3), labels(size, 4)
        order = rankings(size, size)
        return lambda: ndcg_at_k(order, queries, archive, K)

    growth("NDCG@30, growth with queries x archive", work, GROWTH, lambda n: n * n, (9, 5, 3), at_most=1.05)


if __name__ == "__main__":
    main()
