"""Scores of one set of weights: retrieval, and predictions of the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridbench.evaluation.predictions import Predictions
from gridbench.evaluation.retrieval import Retrieval

__all__ = ["LAST", "Scores"]

Array = np.ndarray[Any, Any]

LAST = "last/"
"""Prefix of the scores of the last epoch, in a run whose other scores are those of its best epoch."""


@dataclass(frozen=True)
class Scores:
    """Scores of one set of weights.

    Attributes:
        retrieval: Prefix of a pair's metrics, empty for the test split -> its retrieval.
        descriptors: Split -> (n, D) descriptors of its images.
        predictions: Predictions of the head and their scores.
    """

    retrieval: Mapping[str, Retrieval]
    descriptors: dict[str, Array]
    predictions: Predictions

    @property
    def metrics(self) -> dict[str, float]:
        """Metric -> score; those of retrieval are means over queries."""
        retrieved = {
            f"{prefix}{name}": float(values.mean())
            for prefix, pair in self.retrieval.items()
            for name, values in pair.scores.items()
        }
        return {**retrieved, **self.predictions.metrics}

    @property
    def arrays(self) -> dict[str, Array]:
        """What the means were computed from.

        `SPLIT.METRIC` (n,) float32 holds the scores of single queries, `SPLIT.ranking` (n, k) the positions of the
        images that were retrieved for them.
        """
        arrays: dict[str, Array] = {}
        for prefix, pair in self.retrieval.items():
            split = prefix.rstrip("/") or "test"
            arrays |= {f"{split}.{name}": values.astype(np.float32) for name, values in pair.scores.items()}
            arrays[f"{split}.ranking"] = pair.ranking
        return arrays
