"""Detection of wrong labels by nearest neighbours: label disagreement, and largest connected components."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gridbench.metrics.pairwise import DISTANCES, Rows
from gridbench.metrics.relevance import checked_depth, checked_labels, to_numpy

__all__ = ["nearest_others", "neighbour_disagreement", "outside_largest_component"]

Ints = npt.NDArray[np.int64]

MAX_DISTANCES = 1 << 24
"""Distances that are computed together: 64 MB."""

CHECKED_ROWS = 4096
"""Descriptors that are checked together."""


@torch.no_grad()
def nearest_others(descriptors: Any, k: int, device: torch.device | str = "cpu") -> Ints:
    """Find the k nearest other items of each item by the Euclidean distance, nearest first.

    The distances are computed by a float32 matrix product, which is many times faster than `topk` but less precise for
    small distances; ties are broken arbitrarily.

    Args:
        descriptors: (N, D).
        k: 1 to N - 1.
        device: Where to compute.

    Returns:
        (N, k) indices.

    Raises:
        ValueError: k is not a whole number from 1 to N - 1, or the descriptors are not a matrix of finite numbers.

    Example:
        >>> nearest_others([[0.0], [1.0], [3.0]], 1).tolist()
        [[1], [0], [1]]
    """
    given = Rows(descriptors, "descriptors")
    k = checked_depth(k, highest=given.count - 1)
    most = DISTANCES["euclidean"].largest(torch.float32, given.width)
    given.check(torch.float32, torch.device("cpu"), CHECKED_ROWS, -most, most)
    rows = torch.as_tensor(np.asarray(to_numpy(descriptors, "descriptors"), dtype=np.float32), device=device)
    rows = rows - rows.mean(0)
    half = rows.square().sum(1) / 2
    found, step = [], max(MAX_DISTANCES // len(rows), 1)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        # Half of the squared distance, less what is the same for the whole row.
        distances = torch.addmm(half, block, rows.T, alpha=-1)
        distances.diagonal(start).fill_(torch.inf)
        found.append(distances.topk(k, 1, largest=False).indices.cpu())
    indices: Ints = torch.cat(found).numpy()
    return indices


def neighbour_disagreement(labels: Any, neighbours: Any) -> npt.NDArray[np.float64]:
    """Return the (N, C) share of neighbours whose label of a class differs from that of the image.

    Zhu et al. (Detecting corrupted labels without training a model to predict, ICML 2022) let the 10 nearest
    neighbours by the cosine vote.

    Args:
        labels: (N, C) of 0 and 1.
        neighbours: (N, k) indices, from 0 to N - 1.

    Raises:
        ValueError: Labels other than 0 and 1, or neighbours that are no such indices.

    Example:
        >>> neighbour_disagreement([[1], [0], [1]], np.array([[1, 2], [0, 2], [0, 1]])).ravel().tolist()
        [0.5, 1.0, 0.5]
    """
    given = checked_labels(labels, "labels")
    neighbours = _checked(neighbours, len(given))
    differing = np.zeros(given.shape)
    for each in neighbours.T:
        differing += given[each] != given
    differing /= neighbours.shape[1]
    return differing


def outside_largest_component(groups: Any, neighbours: Any) -> npt.NDArray[np.bool_]:
    """Return (N,) bool: items outside the largest connected component of the graph of neighbours within their group.

    Two items of a group are joined if either is among the other's neighbours; TopoFilter trusts the labels inside of
    the largest component (Wu et al., A topological filter for learning with label noise, NeurIPS 2020, Algorithm 1). Of
    components of equal size, the one with the first item counts as the largest.

    Args:
        groups: (N,) integers from 0, such as the class of each item.
        neighbours: (N, k) indices, from 0 to N - 1.

    Raises:
        ValueError: Groups or neighbours that are no such numbers.

    Example:
        >>> neighbours = np.array([[1], [0], [3], [2], [1]])
        >>> outside_largest_component([0, 0, 0, 1, 0], neighbours).tolist()
        [False, False, True, False, False]
    """
    group = to_numpy(groups, "groups")
    if group.ndim != 1 or group.dtype.kind not in "biu" or group.min(initial=0) < 0:
        raise ValueError(
            f"The groups have shape {group.shape} and type {group.dtype}; expected whole numbers from 0, (N,)."
        )
    group, neighbours = group.astype(np.int64), _checked(neighbours, len(group))
    ours = np.arange(len(group)).repeat(neighbours.shape[1])
    theirs = neighbours.ravel()
    joined = group[ours] == group[theirs]
    ends = (ours[joined], theirs[joined])
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(len(group), len(group)))
    _, component = connected_components(graph, directed=False)
    _, first, sizes = np.unique(component, return_index=True, return_counts=True)
    largest = np.full(group.max(initial=0) + 1, -1)
    # In ascending size, so that the largest component, of equal ones the earliest, is written last.
    for each in np.lexsort((-first, sizes)):
        largest[group[first[each]]] = each
    outside: npt.NDArray[np.bool_] = component != largest[group]
    return outside


def _checked(neighbours: Any, count: int) -> Ints:
    array = to_numpy(neighbours, "neighbours")
    if array.ndim != 2 or array.dtype.kind not in "iu" or len(array) != count or not array.shape[1]:
        raise ValueError(
            f"The neighbours have shape {array.shape} and type {array.dtype}; expected whole numbers ({count}, k)."
        )
    if array.size and (array.min() < 0 or array.max() >= count):
        raise ValueError(
            f"The neighbours hold indices {array.min()} to {array.max()}; allowed are 0 to {count - 1}."
        )
    return array.astype(np.int64)
