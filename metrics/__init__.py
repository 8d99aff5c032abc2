"""Distances and exact top-k, NDCG@k and its relatives, and scores for the detection of mislabelled images.

The metrics are independent of networks and runs. Names are imported lazily, so that reading a table of results does
not import torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "DISTANCES": "gridbench.metrics.pairwise",
    "average_precision_at_k": "gridbench.metrics.ranking",
    "average_precision_at_r": "gridbench.metrics.ranking",
    "backend": "gridbench.metrics.nearest",
    "chance_ndcg_at_k": "gridbench.metrics.ndcg",
    "chi2_distances": "gridbench.metrics.nearest",
    "chi2_topk": "gridbench.metrics.nearest",
    "confident_learning": "gridbench.metrics.confident",
    "detection_scores": "gridbench.metrics.detection",
    "distances": "gridbench.metrics.nearest",
    "kept_scores": "gridbench.metrics.detection",
    "ndcg_at_k": "gridbench.metrics.ndcg",
    "nearest_others": "gridbench.metrics.neighbours",
    "neighbour_disagreement": "gridbench.metrics.neighbours",
    "outside_largest_component": "gridbench.metrics.neighbours",
    "precision_at_k": "gridbench.metrics.ranking",
    "recall_at_k": "gridbench.metrics.ranking",
    "relevant_counts": "gridbench.metrics.ranking",
    "retrieval_ndcg": "gridbench.metrics.ndcg",
    "top_count": "gridbench.metrics.detection",
    "top_share": "gridbench.metrics.detection",
    "topk": "gridbench.metrics.nearest",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'gridbench.metrics' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
