"""Evaluation of an audit on injected noise: precision at k and recall, compared with prevalence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SHARES", "calibrate", "precision_and_recall"]

Array = npt.NDArray[Any]

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""First shares of a ranking for which precision and recall are reported."""


def precision_and_recall(truth: Array, scores: Array) -> dict[str, Any]:
    """Score a ranking of labels.

    Args:
        truth: (M,) bool, whether the label was corrupted.
        scores: (M,) higher means more suspicious; ties go to the earlier label.

    Returns:
        `labels` M, `corrupted`, `prevalence` (the precision of guessing) and, for each of `SHARES`, a row of
        `share`, `k` = max(1, floor(M share)), `precision` and `recall`; None where they are undefined.
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    found = np.cumsum(np.asarray(truth, dtype=bool)[order])
    total, count = int(found[-1]) if len(found) else 0, len(order)
    rows = []
    for share in SHARES:
        k = min(max(1, int(count * share)), count)
        hits = int(found[k - 1]) if k else 0
        rows.append(
            {
                "share": share,
                "k": k,
                "precision": hits / k if k else None,
                "recall": hits / total if total else None,
            }
        )
    prevalence = total / count if count else None
    return {"labels": count, "corrupted": total, "prevalence": prevalence, "rows": rows}


def calibrate(
    given: Array, before: Array, rankings: Mapping[str, Array], exclusive: bool = False
) -> dict[str, Any]:
    """Score rankings of labels against what was done to the labels on purpose.

    Args:
        given: (N, C) labels as the audit saw them.
        before: (N, C) labels before they were corrupted.
        rankings: Name -> (N, C) scores.
        exclusive: Whether each image has exactly one label, so that only the given ones are ranked.

    Returns:
        Kind (`all`, `wrong` of the given labels, `missing` of the others) -> name -> `precision_and_recall`.
    """
    truth, present = (given != 0) != (before != 0), given != 0
    kinds = {"all": np.ones_like(present), "wrong": present, "missing": ~present}
    return {
        kind: {name: precision_and_recall(truth[where], scores[where]) for name, scores in rankings.items()}
        for kind, where in kinds.items()
        if kind == "wrong" or not exclusive
    }
