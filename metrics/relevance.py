"""Graded relevance: the number of labels that two images share, for rankings and for whole archives."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import on_host

__all__ = [
    "Pool",
    "checked_depth",
    "checked_labels",
    "checked_ranking",
    "labels_and_probabilities",
    "to_numpy",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PAIRS = 1 << 16
"""Query-archive pairs that are compared together, so that they stay in the second-level cache."""

ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""The number of ones in each byte."""


class Pool:
    """Labels of queries and archive.

    Attributes:
        queries: Number of queries n.
        size: Number of archive images m.
        levels: Largest number of labels that a query can share.

    Args:
        query_labels: (n, C) of 0 and 1.
        archive_labels: (m, C) of 0 and 1.

    Raises:
        ValueError: Labels that are not 0 or 1, or numbers of classes that differ.
    """

    def __init__(self, query_labels: Any, archive_labels: Any) -> None:
        self._queries = checked_labels(query_labels, "query labels")
        archive = checked_labels(archive_labels, "archive labels")
        if self._queries.shape[1] != archive.shape[1]:
            raise ValueError(
                f"The queries have {self._queries.shape[1]} classes and the archive {archive.shape[1]}; "
                "both must use one list of classes."
            )
        self.size = len(archive)
        self.queries = len(self._queries)
        self.levels = int(self._queries.sum(axis=1, dtype=np.int64).max(initial=0))
        self._archive = archive
        self._packed_queries, self._packed_archive = (
            np.ascontiguousarray(np.packbits(side, axis=1).T) for side in (self._queries, archive)
        )

    def blocks(self, depth: int) -> Iterator[slice]:
        """Yield the queries in blocks of bounded size when `depth` ranks of each are graded."""
        step = max(1, PAIRS // max(1, depth))
        for first in range(0, self.queries, step):
            yield slice(first, min(first + step, self.queries))

    def grades(self, rows: slice, ranking: Ints) -> npt.NDArray[np.int64]:
        """Return the shared labels (q, k) of the archive items that some of the queries retrieved.

        Args:
            rows: Which queries.
            ranking: (n, k) of all queries.
        """
        retrieved = ranking[rows]
        shared = np.zeros(retrieved.shape, dtype=np.int64)
        for ours, theirs in zip(self._packed_queries, self._packed_archive, strict=True):
            shared += ONES[ours[rows, None] & theirs[retrieved]]
        return shared

    def histogram(self) -> Ints:
        """Count, for each query, the archive items that share 0, 1, ... labels with it: (n, levels + 1)."""
        queries, set_of, _ = _distinct_rows(self._queries)
        archive, _, copies = _distinct_rows(self._archive)
        # Queries with few labels together, since none shares more labels than it has; the same for the archive.
        queries_first, archive_first = (
            np.argsort(side.sum(axis=1), kind="stable") for side in (queries, archive)
        )
        queries, archive, copies = queries[queries_first], archive[archive_first], copies[archive_first]
        levels = np.arange(self.levels + 1)
        larger = np.searchsorted(archive.sum(axis=1), levels, side="right")
        # The sum over the archive of min(shared, s) grows from s - 1 to s by the items that share s labels or more; all
        # of it is whole numbers, which float32 holds exactly below 2^24.
        exact = self.size * max(1, self.levels) < 1 << 24
        dtype: type[np.floating[Any]] = np.float32 if exact else np.float64
        sets, weights = np.ascontiguousarray(archive.T, dtype=dtype), copies.astype(dtype)
        # With rows in place of numbers numpy computes minima in vectors.
        limits = levels.astype(dtype)[:, None].repeat(len(archive), axis=1)
        sums = np.zeros((self.levels + 1, len(queries)), dtype=dtype)
        step = max(1, 2 * PAIRS // max(1, len(archive)))
        space = np.empty((step, len(archive)), dtype=dtype)
        for rows in (slice(first, min(first + step, len(queries))) for first in range(0, len(queries), step)):
            block = queries[rows].astype(dtype)
            shared, most = np.matmul(block, sets, out=space[: len(block)]), int(block[-1].sum())
            sums[most:, rows] = shared @ weights
            for level in range(most - 1, 0, -1):
                more = shared[:, larger[level] :]
                np.minimum(more, limits[level, larger[level] :], out=more)
                sums[level, rows] = shared @ weights
        at_least = np.zeros((self.levels + 2, len(queries)), dtype=np.int64)
        at_least[0], at_least[1:-1] = self.size, np.diff(sums, axis=0)
        counts: Ints = (at_least[:-1] - at_least[1:]).T[np.argsort(queries_first)[set_of]]
        return counts

    def relevant(self) -> Ints:
        """Count, for each query, the archive items that share a label with it: (n,)."""
        return self.size - self.histogram()[:, 0]


def level_counts(shared: npt.NDArray[Any], levels: int) -> Ints:
    """Count the entries of each row by value.

    Args:
        shared: (q, k) whole numbers from 0 to `levels`.
        levels: Largest value.

    Returns:
        (q, levels + 1).
    """
    keys = shared + np.arange(len(shared), dtype=np.int64)[:, None] * (levels + 1)
    return np.bincount(keys.ravel(), minlength=len(shared) * (levels + 1)).reshape(len(shared), levels + 1)


def to_numpy(values: Any, name: str) -> npt.NDArray[Any]:
    """Return an array of an array, a tensor on any device, a table, or nested sequences.

    Raises:
        ValueError: Rows of different lengths, or masked values.
    """
    if np.ma.is_masked(values):
        raise ValueError(f"The {name} have masked values; fill them in, or leave out what has none.")
    try:
        return np.asarray(on_host(values))
    except ValueError:
        raise ValueError(f"The {name} have rows of different lengths; expected an array.") from None


def labels_and_probabilities(
    labels: Any, probabilities: Any
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return multi-hot labels as booleans and probabilities as float64, both (N, C).

    Raises:
        ValueError: Shapes that differ, labels other than 0 and 1, or probabilities outside 0 to 1.
    """
    given, present = checked_labels(labels, "labels", fewest=0), to_numpy(probabilities, "probabilities")
    if given.shape != present.shape or present.dtype.kind not in "biuf":
        raise ValueError(
            f"The labels have shape {given.shape}, and the probabilities shape {present.shape} and type "
            f"{present.dtype}; expected numbers of the same shape."
        )
    inside = (present >= 0) & (present <= 1)
    if not inside.all():
        row, column = np.argwhere(~inside)[0]
        raise ValueError(f"The probabilities hold {present[row, column]} in row {row}, outside 0 to 1.")
    return given, present.astype(np.float64)


def checked_labels(labels: Any, name: str, fewest: int = 1) -> npt.NDArray[np.bool_]:
    """Return multi-hot labels as booleans (n, C).

    Raises:
        ValueError: Not a matrix with at least the `fewest` classes, or values other than 0 and 1.
    """
    array = to_numpy(labels, name)
    if array.ndim != 2 or array.shape[1] < fewest or array.dtype.kind not in "biuf":
        raise ValueError(
            f"The {name} have shape {array.shape} and type {array.dtype}; expected (images, classes)."
        )
    present = array.astype(np.bool_)
    if not np.array_equal(present, array):
        row, column = np.argwhere(present != array)[0]
        raise ValueError(f"The {name} hold {array[row, column]} in row {row}; allowed are 0 and 1.")
    return present


def checked_ranking(ranking: Any, queries: int, size: int, depth: int) -> Ints:
    """Return a ranking (n, >= depth) as int64, cut to its first `depth` ranks.

    Raises:
        ValueError: Another shape, fewer ranks, indices outside the archive, or one index twice in a row.
    """
    array = to_numpy(ranking, "ranking")
    if array.ndim != 2 or array.dtype.kind not in "iu" or len(array) != queries:
        raise ValueError(
            f"The ranking has shape {array.shape} and type {array.dtype}; expected ({queries}, ranks)."
        )
    if array.shape[1] < depth:
        raise ValueError(f"The ranking holds {array.shape[1]} ranks per query; {depth} are needed.")
    array = array[:, :depth].astype(np.int64)
    if array.size and (array.min() < 0 or array.max() >= size):
        raise ValueError(
            f"The ranking holds indices {array.min()} to {array.max()}; the archive has 0 to {size - 1}."
        )
    for first in range(0, queries, max(1, PAIRS // depth)):
        ordered = np.sort(array[first : first + max(1, PAIRS // depth)], axis=1)
        twice = np.argwhere(ordered[:, 1:] == ordered[:, :-1])
        if len(twice):
            query, place = twice[0]
            raise ValueError(
                f"The ranking of query {first + query} names the image {ordered[query, place]} more than once; each "
                "image of the archive has one rank."
            )
    return array


def checked_depth(k: Any, name: str = "k", lowest: int = 1, highest: int | None = None) -> int:
    """Return a number of ranks or items.

    Raises:
        ValueError: It is not a whole number from `lowest` to `highest`.
    """
    allowed = f"a whole number from {lowest}{'' if highest is None else f' to {highest}'}"
    try:
        number = operator.index(k)
    except TypeError:
        raise ValueError(f"{name} is {k!r}; allowed is {allowed}.") from None
    if isinstance(k, bool) or number < lowest or (highest is not None and number > highest):
        raise ValueError(f"{name} is {k!r}; allowed is {allowed}.")
    return number


def _distinct_rows(labels: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], Ints, Ints]:
    """Return the distinct label sets (u, C), which of them each image has (n,), and how many have each (u,)."""
    packed = np.ascontiguousarray(np.packbits(labels, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, set_of, copies = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return labels[first], set_of.reshape(-1).astype(np.int64), copies.astype(np.int64)
