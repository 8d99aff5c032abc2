"""How suspicious each label is, from what a model says that has not seen its image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Suspects", "rank_labels", "suspicion"]

Array = npt.NDArray[Any]

CERTAIN = 1e-6
"""Probabilities are kept this far from 0 and 1, where odds are infinite."""


def suspicion(given: Any, probabilities: Any, rate: float = 0.1) -> npt.NDArray[np.float64]:
    """Return how probable it is that each label is wrong or missing, if the model's probabilities were right.

    Absent labels outnumber present ones, so the plain loss of a label says too little of missing ones and too
    much of wrong ones, or the other way round. Here both kinds are taken to be equally many before the model
    is asked: of n labels of a kind, `rate` x present / n are in error, and the odds of that are multiplied by the
    model's odds against the label (Bayes' rule). The order of labels of one kind is that of their loss. Ours.

    Args:
        given: (N, C) of 0 and 1.
        probabilities: (N, C) in [0, 1], that each class is present, from a model that has not seen the image.
        rate: Expected share of the present labels that are wrong, above 0 and below 1; hardly changes the order.

    Returns:
        (N, C) in (0, 1), higher is more suspicious.

    Raises:
        ValueError: Shapes differ, or the rate is outside its range.
    """
    labels, present = np.asarray(given) != 0, np.asarray(probabilities, dtype=np.float64)
    if labels.shape != present.shape or not 0 < rate < 1:
        raise ValueError(f"Labels {labels.shape}, probabilities {present.shape}, rate {rate!r} do not fit.")
    present = np.clip(present, CERTAIN, 1 - CERTAIN)
    against = np.log(present) - np.log1p(-present)
    against = np.where(labels, -against, against)
    count = int(labels.sum())
    errors = np.where(labels, rate, min(rate * count / max(labels.size - count, 1), 0.5))
    odds = against + np.log(errors) - np.log1p(-errors)
    scores: npt.NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return scores


@dataclass(frozen=True, eq=False)
class Suspects:
    """Labels in the order of their suspicion.

    Attributes:
        samples: (M,) position of the image among the audited ones.
        labels: (M,) class.
        wrong: (M,) bool: the label is given and probably wrong; else it is not given and probably missing.
        scores: (M,) suspicion.
    """

    samples: Array
    labels: Array
    wrong: Array
    scores: Array

    def __len__(self) -> int:
        return len(self.scores)

    def first(self, count: int) -> Suspects:
        """Return the `count` most suspicious ones."""
        return Suspects(self.samples[:count], self.labels[:count], self.wrong[:count], self.scores[:count])


def rank_labels(given: Array, scores: Array, kind: str = "both") -> Suspects:
    """Order all labels by their suspicion; equal ones keep the order of images and classes.

    Args:
        given: (N, C) of 0 and 1.
        scores: (N, C) suspicion.
        kind: `"wrong"` for given labels only, `"missing"` for those not given, `"both"`.
    """
    present = (given != 0).ravel()
    wanted = {"both": np.ones_like(present), "wrong": present, "missing": ~present}[kind]
    candidates = np.flatnonzero(wanted)
    flat = scores.ravel()[candidates]
    order = np.argsort(-flat, kind="stable")
    samples, labels = np.divmod(candidates[order], given.shape[1])
    return Suspects(samples, labels, present[candidates[order]], flat[order])
