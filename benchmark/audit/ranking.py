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

RATES = (0.01, 0.5)
"""Between these, estimated shares of errors are believed."""


def suspicion(
    given: Any, probabilities: Any, missing: float = 0.1, wrong: float = 0.1
) -> npt.NDArray[np.float64]:
    """Return how probable it is that each label is wrong or missing, if the model's probabilities were right.

    By Bayes' rule: the odds of the model against the label, times how often such an error is made. Of the classes that
    are there `missing` are not given; of the labels given `wrong` are not there, which is spread over the many
    classes that are not. The plain loss of a label counts both errors as equally frequent. The order of labels of
    one kind is that of their loss either way. Ours.

    Args:
        given: (N, C) of 0 and 1.
        probabilities: (N, C) in [0, 1], that each class is present, from a model that has not seen the image.
        missing: Share of the true labels that are not given; kept between 0.01 and 0.5.
        wrong: Share of the given labels that are not true; kept between 0.01 and 0.5.

    Returns:
        (N, C) in (0, 1), higher is more suspicious.

    Raises:
        ValueError: Shapes differ.
    """
    labels, present = np.asarray(given) != 0, np.asarray(probabilities, dtype=np.float64)
    if labels.shape != present.shape:
        raise ValueError(f"Labels have shape {labels.shape} and probabilities {present.shape}.")
    present = np.clip(present, CERTAIN, 1 - CERTAIN)
    log_odds = np.log(present) - np.log1p(-present)
    count = int(labels.sum())
    forgotten, wrongly = (float(np.clip(share, *RATES)) for share in (missing, wrong))
    given_wrongly = float(np.clip(wrongly * count / max(labels.size - count, 1), CERTAIN, RATES[1]))
    against = np.where(
        labels,
        -log_odds + np.log(given_wrongly) - np.log1p(-forgotten),
        log_odds + np.log(forgotten) - np.log1p(-given_wrongly),
    )
    scores: npt.NDArray[np.float64] = 1 / (1 + np.exp(-against))
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
