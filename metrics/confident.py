"""Confident learning for multi-label and single-label images: find labels that contradict a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.metrics.relevance import labels_and_probabilities

__all__ = ["ConfidentLearning", "confident_learning"]

TOLERANCE = 1e-6
"""By how much a probability may miss its threshold, which is a mean and may be rounded above all it is a mean of."""

UNSEEN = 2.0
"""Threshold of a side that no image is labelled with: above any probability, so nothing is counted there."""


@dataclass(frozen=True, eq=False)
class ConfidentLearning:
    """Result of confident learning for each entry of a label matrix.

    Attributes:
        found: (N, C) bool, the entries flagged as wrong.
        score: (N, C) higher means more probably wrong.
        thresholds: (2, C) mean self-confidence of the entries labelled absent, and of those labelled present; (1, C)
            with exactly one label per image.
    """

    found: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float64]
    thresholds: npt.NDArray[np.float64]


def confident_learning(labels: Any, probabilities: Any, exclusive: bool = False) -> ConfidentLearning:
    """Compare labels with predicted probabilities, each class a problem of two sides: absent and present.

    The threshold of a side is the mean probability that the model gives it where the label says so. An entry is
    found when the other side's probability reaches that side's threshold and exceeds the labelled side's: off
    the diagonal of the confident joint, with a prediction that differs. The score is 1 - the self-confidence after
    both probabilities were shifted by their thresholds and scaled to sum to 1 (Northcutt, Jiang and Chuang, Confident
    learning, JAIR 2021, eqs. 1 and 2; one-vs-rest as in Thyagarajan et al., Identifying incorrect annotations
    in multi-label classification data, 2022).

    With exactly one label per image it is the original form: the thresholds are those of the given classes, and a label
    is found when another class is the most probable one of those that reach their thresholds, and the given class is
    not the most probable one of all. Only the entries of the given classes are found and have a score above 0.

    Args:
        labels: (N, C) of 0 and 1, as given.
        probabilities: (N, C) in [0, 1], that each class is present.
        exclusive: Whether each image has exactly one label, the first that is 1.

    Returns:
        Which entries are flagged, their scores and the thresholds.

    Raises:
        ValueError: Shapes that differ, labels other than 0 and 1, or probabilities outside 0 to 1.

    Example:
        >>> labels, probabilities = [[1], [1], [0], [0]], [[0.9], [0.2], [0.1], [0.3]]
        >>> confident_learning(labels, probabilities).found.ravel().tolist()
        [False, True, False, False]
    """
    says, present = labels_and_probabilities(labels, probabilities)
    if exclusive:
        return _of_one_label(says, present)
    absent = 1 - present
    thresholds = np.stack([_mean_where(absent, ~says), _mean_where(present, says)])
    of_given, of_other = np.where(says, present, absent), np.where(says, absent, present)
    bar_other = np.where(says, thresholds[0], thresholds[1])
    found = (of_other >= bar_other - TOLERANCE) & (of_other > of_given)
    highest = thresholds.max(0)
    score = (of_other - bar_other + highest) / (1 - thresholds.sum(0) + 2 * highest)
    return ConfidentLearning(found, score, thresholds)


def _of_one_label(says: npt.NDArray[np.bool_], p: npt.NDArray[np.float64]) -> ConfidentLearning:
    """Compare the one label of each image, marked in (N, C), with probabilities (N, C) of its classes."""
    at = np.arange(len(says)), says.argmax(1)
    given = np.zeros_like(says)
    given[at] = True
    thresholds = _mean_where(p, given)
    reached = np.where(p >= thresholds - TOLERANCE, p, -1.0)
    confident = reached.max(1, initial=-1.0) >= 0
    wrong = confident & (reached.argmax(1) != at[1]) & (p.max(1, initial=0.0) > p[at])
    shifted = p - thresholds + thresholds.max(initial=0.0)
    score = 1 - shifted[at] / shifted.sum(1)
    return ConfidentLearning(given & wrong[:, None], np.where(given, score[:, None], 0.0), thresholds[None])


def _mean_where(values: npt.NDArray[np.float64], where: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the (C,) means of the marked entries of each column; `UNSEEN` where none is marked."""
    counts = where.sum(0)
    sums = np.where(where, values, 0.0).sum(0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), UNSEEN)
