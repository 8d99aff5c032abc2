"""Ranking of labels by the probability that they are wrong, with training margins as additional evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Suspects", "evidence_of_margins", "rank_labels", "shifted"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

WEIGHT = 1.0
"""What a margin one standard deviation below the mean adds to the log-odds of an error. Half and twice as much ranked
the labels of `bluemarble` (SLNIR 10 and 30) and of one archive of Dubai about as well."""

SMALLEST, HALVINGS, FARTHEST = 1e-12, 60, 40.0
"""Distance of probabilities from 0 and 1, and the bisection of the log-odds by which their sum is restored: its steps,
and the largest shift."""


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


def evidence_of_margins(scores: Floats, margins: Array | None) -> Floats:
    """Return what margins in training (AUM) add to the log-odds that each label is wrong, (N, C).

    Networks learn labels that agree with those of similar images early and by a wide margin, and wrong ones late if at
    all (Pleiss et al., Identifying mislabeled data using the area under the margin ranking, NeurIPS 2020). The margins
    are standardised over all labels, and a constant keeps the expected number of errors as it is.

    Args:
        scores: (N, C) probability that each label is wrong, from held-out predictions only.
        margins: (N, C) or (N, 1) mean margins of the given labels; None adds nothing.
    """
    if margins is None or not float(np.std(margins)):
        return np.zeros(scores.shape)
    margins = np.asarray(margins, dtype=np.float64)
    added = np.broadcast_to(WEIGHT * (margins.mean() - margins) / margins.std(), scores.shape)
    low, high = -FARTHEST, FARTHEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if shifted(scores, added + middle).sum() > scores.sum() else (middle, high)
    return added + low


def shifted(scores: Floats, evidence: Floats) -> Floats:
    """Return probabilities whose log-odds are moved by some evidence.

    Example:
        >>> shifted(np.array([0.5, 0.2]), np.array([0.0, np.log(4)])).tolist()
        [0.5, 0.5]
    """
    bounded = np.clip(scores, SMALLEST, 1 - SMALLEST)
    moved: Floats = bounded / (bounded + (1 - bounded) * np.exp(-evidence))
    return np.where(evidence == 0, scores, moved)


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
