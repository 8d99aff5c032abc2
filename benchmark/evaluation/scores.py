"""Scores of one set of weights: retrieval, and predictions of the head."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridbench.evaluation.predictions import Predictions
from gridbench.evaluation.retrieval import Retrieval

__all__ = ["LAST", "LAST_EPOCHS", "Scores", "mean_over_epochs"]

Array = np.ndarray[Any, Any]

LAST = "last/"
"""Prefix of the scores of the last epoch, in a run whose other scores are those of its best epoch."""

LAST_EPOCHS = "last_epochs/"
"""Prefix of the means over the last epochs, in a run that scores several of them."""


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


def mean_over_epochs(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean of every score over the epochs that were scored.

    Args:
        history: Rows of epochs; those that were scored have their metrics by name as `scores`.

    Returns:
        The names with `LAST_EPOCHS` before them -> the means; of no scored epoch, nothing.

    >>> mean_over_epochs([{"loss": 2.0}, {"scores": {"accuracy": 0.5}}, {"scores": {"accuracy": 0.7}}])
    {'last_epochs/accuracy': 0.6}
    """
    scored = [row["scores"] for row in history if "scores" in row]
    # A score that is not defined for the predictions of some epoch has no mean over them.
    names = [name for name in (scored[0] if scored else ()) if all(name in scores for scores in scored)]
    return {LAST_EPOCHS + name: math.fsum(scores[name] for scores in scored) / len(scored) for name in names}
