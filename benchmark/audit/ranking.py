"""Ranking of labels by the probability that they are wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Suspects", "rank_labels"]

Array = npt.NDArray[Any]


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
