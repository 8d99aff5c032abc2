"""Image retrieval with learnt descriptors: extract descriptors, rank the archive, and score every query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from gridbench.core.streams import numpy_stream
from gridbench.datasets.loading.batches import EvaluationSet
from gridbench.errors import RunFailed, counted
from gridbench.methods.base import Method
from gridbench.metrics.ndcg import ndcg_at_k
from gridbench.metrics.nearest import topk
from gridbench.metrics.ranking import (
    average_precision_at_k,
    average_precision_at_r,
    precision_at_k,
    recall_at_k,
    relevant_counts,
)

__all__ = [
    "IMAGE_BATCH",
    "MAP_BATCH",
    "PAIRS",
    "Retrieval",
    "Splits",
    "describe",
    "of_each_image",
    "predict",
    "score_method",
    "score_retrieval",
]

Array = np.ndarray[Any, Any]

IMAGE_BATCH, MAP_BATCH = 256, 32
"""Images that pass the network at once in evaluation; few where it answers by maps: 256 at 224 px take a gigabyte."""

MAX_PAIRS = 2**22
"""Pairs of a query and a searched image whose whole ranking is in memory at once: 32 MB of indices."""

PAIRS: Mapping[str, tuple[str, str]] = {
    "": ("train", "test"),
    "validation/": ("train", "val"),
    "unseen/": ("val", "test"),
}
"""Prefix of a metric -> (split of the queries, split that is searched); the headline has none (paper, IV-B)."""


@dataclass(frozen=True)
class Splits:
    """Image indices of each split; `train` may be a subset of the archive's train split."""

    train: Array
    val: Array
    test: Array

    def __getitem__(self, split: str) -> Array:
        indices: Array = getattr(self, split)
        return indices


@dataclass(frozen=True)
class Retrieval:
    """Scores of one pair of splits: metric name -> (n,) values per query, and the (n, k) ranking by position."""

    scores: Mapping[str, Array]
    ranking: Array


def describe(method: Method, batches: Iterator[torch.Tensor]) -> Array:
    """Return the (N, D) float32 descriptors of all images, in evaluation mode."""
    return np.concatenate([part.cpu().numpy() for part in _apply(method, method.describe, batches)])


def predict(method: Method, batches: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Yield the trained head's output for each batch, in evaluation mode; nothing for a method without a head."""
    yield from _apply(method, method.predict, batches)


@torch.no_grad()
def _apply(method: Method, function: Any, batches: Iterator[torch.Tensor]) -> Iterator[Any]:
    training = method.training
    nothing: bool | None = None
    method.eval()
    try:
        for images in batches:
            output = of_each_image(method, function, images)
            if nothing not in (None, output is None):
                raise RunFailed(
                    f"{_name(function)} of the method {method.name!r} returned None for some images and not for "
                    "others; return None for all of them, or for none."
                )
            nothing = output is None
            if output is not None:
                yield output.float()
    finally:
        method.train(training)


def of_each_image(method: Method, function: Any, images: torch.Tensor) -> torch.Tensor | None:
    """Return what a method's `describe` or `predict` says of a batch of images.

    Raises:
        RunFailed: It is not a tensor with as many rows as there are images.
    """
    output = function(images)
    if output is None:
        return None
    if isinstance(output, torch.Tensor) and output.shape[:1] == images.shape[:1] and not output.is_complex():
        return output
    what = (
        f"of the shape {tuple(output.shape)} and the type {output.dtype}"
        if hasattr(output, "shape")
        else "of no shape"
    )
    raise RunFailed(
        f"{_name(function)} of the method {method.name!r} returned a {type(output).__name__} {what} for "
        f"{counted(len(images), 'image')}; it must return a tensor of real numbers with a row for each."
    )


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", "a function"))


def score_retrieval(
    queries: Array,
    searched: Array,
    query_labels: Array,
    searched_labels: Array,
    *,
    k: int,
    distance: str,
    ideal: Literal["archive"] | int = "archive",
    chance: int | None = None,
    whole: bool = True,
) -> Retrieval:
    """Rank one split for the queries of another and score each query.

    Args:
        queries: (n, D) descriptors.
        searched: (m, D) descriptors.
        query_labels: (n, C) clean scene labels.
        searched_labels: (m, C) clean scene labels.
        k: Length of the scored ranking, at most m.
        distance: Name of a distance.
        ideal: What the ideal ranking of NDCG is taken over: the archive, or as many retrieved images, k or more; all m
            where there are fewer.
        chance: A seed to rank at random with instead of by descriptors.
        whole: Whether to look deeper than k, for MAP@R: to the last rank that a relevant image could have.

    Returns:
        NDCG, mAP, precision and recall at k, precision at 1 and MAP@R per query, and the ranking.
    """
    if ideal != "archive":
        ideal = min(ideal, len(searched_labels))
    depth = k if ideal == "archive" else ideal
    if chance is None:
        ranking = topk(queries, searched, depth, distance)[1]
    else:
        ranking = _random_rankings(len(query_labels), len(searched_labels), depth, _draws(chance))
    scores = {
        f"ndcg@{k}": ndcg_at_k(ranking, query_labels, searched_labels, k, ideal),
        f"map@{k}": average_precision_at_k(ranking, query_labels, searched_labels, k),
        f"precision@{k}": precision_at_k(ranking, query_labels, searched_labels, k),
        f"recall@{k}": recall_at_k(ranking, query_labels, searched_labels, k),
        "precision@1": precision_at_k(ranking, query_labels, searched_labels, 1),
    }
    if whole:
        scores["map@r"] = _map_at_r(queries, searched, query_labels, searched_labels, distance, chance)
    return Retrieval(scores, ranking[:, :k].astype(np.int32))


def _map_at_r(
    queries: Array,
    searched: Array,
    query_labels: Array,
    searched_labels: Array,
    distance: str,
    chance: int | None,
) -> Array:
    """Return MAP@R of each query; some queries are ranked at a time, since R may be the size of the archive."""
    scores = np.empty(len(query_labels))
    step = max(1, MAX_PAIRS // max(1, len(searched_labels)))
    rng = None if chance is None else _draws(chance)
    for rows in (slice(start, start + step) for start in range(0, len(scores), step)):
        labels = query_labels[rows]
        depth = int(relevant_counts(labels, searched_labels).max(initial=1))
        if rng is None:
            ranking = topk(queries[rows], searched, depth, distance)[1]
        else:
            ranking = _random_rankings(len(labels), len(searched_labels), depth, rng)
        scores[rows] = average_precision_at_r(ranking, labels, searched_labels)
    return scores


def score_method(
    method: Method,
    shown: Callable[[str], EvaluationSet],
    splits: Splits,
    relevance: Array,
    settings: Mapping[str, Any],
    *,
    pairs: tuple[str, ...] = tuple(PAIRS),
    known: Mapping[str, Array] | None = None,
    whole: bool = True,
) -> tuple[dict[str, Retrieval], dict[str, Array]]:
    """Extract the descriptors that the given pairs need, each split once, and score them.

    Args:
        method: The trained method.
        shown: Returns the images of a split.
        splits: Which images play which part.
        relevance: (N, C) clean scene labels of the whole archive.
        settings: k, distance, ideal, seed.
        pairs: Prefixes out of `PAIRS`.
        known: Split -> descriptors that need not be extracted.
        whole: Whether to look deeper than k, for MAP@R.

    Returns:
        Prefix -> scores, for pairs whose splits hold images, and split -> descriptors.
    """
    by_chance = method.ranking == "chance"
    descriptors: dict[str, Array] = dict(known or {})
    results: dict[str, Retrieval] = {}
    for prefix in pairs:
        query_split, searched_split = PAIRS[prefix]
        if not len(splits[query_split]) or not len(splits[searched_split]):
            continue
        for split in (query_split, searched_split):
            if split not in descriptors and not by_chance:
                descriptors[split] = describe(method, shown(split).batches(IMAGE_BATCH))
        results[prefix] = score_retrieval(
            descriptors.get(query_split, np.empty((0, 0))),
            descriptors.get(searched_split, np.empty((0, 0))),
            relevance[splits[query_split]],
            relevance[splits[searched_split]],
            k=min(settings["k"], len(splits[searched_split])),
            distance=settings["distance"],
            ideal=settings["ideal"],
            chance=settings["seed"] if by_chance else None,
            whole=whole,
        )
    return results, descriptors


def _draws(seed: int) -> np.random.Generator:
    return numpy_stream(seed, "method/ranking")


def _random_rankings(n: int, m: int, depth: int, rng: np.random.Generator) -> Array:
    """Return (n, depth) distinct positions below m per row, uniformly at random."""
    return np.stack([rng.permutation(m)[:depth] for _ in range(n)]) if n else np.empty((0, depth), np.int64)
