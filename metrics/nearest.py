"""Exact nearest neighbours in the order (distance, index), in memory that does not grow with the archive."""

from __future__ import annotations

import operator
from typing import Any, cast

import torch
from torch import Tensor

from gridbench.metrics.blocks import Array, Comparison

__all__ = ["chi2_topk", "topk"]

QUERY_ROWS = 256
ARCHIVE_COLUMNS = 2048
CANDIDATES = 1 << 19
"""Distances that are looked at together; the running top-k and its keys are of the same order."""

DEVICE_ROWS, DEVICE_COLUMNS, DEVICE_CANDIDATES = 2048, 8192, 1 << 24
"""The same on an accelerator, where small blocks would cost more in launches than in work."""


def chi2_topk(queries: Array, archive: Array, k: int) -> tuple[Array, Array]:
    """Find the k nearest archive items of each query under the chi-square distance; see `topk`."""
    return topk(queries, archive, k, "chi2")


@torch.no_grad()
def topk(queries: Array, archive: Array, k: int, distance: str = "chi2") -> tuple[Array, Array]:
    """Find the k nearest archive items of each query, nearest first, the lower index first among equals.

    The result is that of a stable sort of each whole row, on any device and however the work is split.

    Args:
        queries: (n, d) numpy array or tensor.
        archive: (m, d).
        k: 1 to m.
        distance: `"chi2"`, `"euclidean"`, `"cosine"` or `"manhattan"`; see `distances`.

    Returns:
        Distances (n, k), ascending, and int64 indices (n, k); numpy arrays for numpy input, else tensors.

    Raises:
        ValueError: k is not a whole number from 1 to m, or what `distances` refuses.
    """
    comparison = Comparison(queries, archive, distance)
    count, size = comparison.shape
    k = _checked(k, size)
    values = torch.empty((count, k), dtype=comparison.dtype, device=comparison.device)
    indices = torch.empty((count, k), dtype=torch.int64, device=comparison.device)
    if comparison.keeps(k):
        for start, block in comparison.query_blocks(comparison.rows):
            rows = slice(start, start + len(block))
            comparison.keep_nearest(block, values[rows], indices[rows])
        return cast(Array, comparison.result(values)), cast(Array, comparison.result(indices))
    most, columns, candidates = QUERY_ROWS, ARCHIVE_COLUMNS, CANDIDATES
    if comparison.device.type != "cpu":
        most, columns, candidates = DEVICE_ROWS, DEVICE_COLUMNS, DEVICE_CANDIDATES
    span = min(size, max(columns, 2 * k))
    step = max(1, min(most, candidates // span))
    scratch = torch.empty((step, span), dtype=comparison.dtype, device=comparison.device)
    for start, block in comparison.query_blocks(step):
        best: tuple[Tensor, Tensor] | None = None
        for first in range(0, size, span):
            distances = scratch[: len(block), : min(span, size - first)]
            comparison.fill(block, first, distances)
            nearest, where = _smallest(distances, min(k, distances.shape[1]))
            best = _merged(best, (nearest, where + first), k)
        if best is not None:
            values[start : start + len(block)], indices[start : start + len(block)] = best
    return cast(Array, comparison.result(values)), cast(Array, comparison.result(indices))


def _checked(k: Any, size: int) -> int:
    try:
        number = operator.index(k)
    except TypeError:
        raise ValueError(
            f"k is {k!r}; allowed is a whole number from 1 to {size}, the archive's size."
        ) from None
    if isinstance(k, bool) or not 1 <= number <= size:
        raise ValueError(f"k is {k!r}; allowed is a whole number from 1 to {size}, the archive's size.")
    return number


def _smallest(block: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k smallest of each row in the order (value, index)."""
    values, indices = torch.topk(block, k, dim=1, largest=False, sorted=False)
    border = values.amax(dim=1, keepdim=True)
    # topk picks any of the values that tie at the border, so rows with more of them than fit are picked anew.
    tied = ((block <= border).sum(dim=1) > k).nonzero()[:, 0]
    if len(tied):
        indices[tied] = _lowest_indices(block[tied], border[tied], k)
    indices = indices.sort(dim=1).values
    values, order = block.gather(1, indices).sort(dim=1, stable=True)
    return values, indices.gather(1, order)


def _lowest_indices(block: Tensor, border: Tensor, k: int) -> Tensor:
    """Return, per row, k indices: of all values below the border, and of the first ones equal to it."""
    below, equal = block < border, block == border
    room = k - below.sum(dim=1, keepdim=True)
    chosen = below | (equal & (equal.cumsum(dim=1) <= room))
    return chosen.nonzero()[:, 1].view(len(block), k)


def _merged(best: tuple[Tensor, Tensor] | None, new: tuple[Tensor, Tensor], k: int) -> tuple[Tensor, Tensor]:
    """Join two ordered lists; the first has the lower indices, so a stable sort keeps equals in order."""
    if best is None:
        return new
    values, order = torch.cat((best[0], new[0]), dim=1).sort(dim=1, stable=True)
    indices = torch.cat((best[1], new[1]), dim=1).gather(1, order[:, :k])
    return values[:, :k], indices
