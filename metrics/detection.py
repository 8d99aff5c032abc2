"""Metrics for the detection of mislabelled images, from scores, from a selection, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.percent import Percent, share_of
from gridbench.metrics.relevance import checked_depth, to_numpy

__all__ = ["detection_scores", "kept_scores", "top_count", "top_share"]


def detection_scores(truth: Any, score: Any = None, selected: Any = None) -> dict[str, float | None]:
    """Score the detection of mislabelled images; what is undefined or was not given is None, never NaN.

    Args:
        truth: (N,) bool, whether any label of the image was changed.
        score: (N,) higher means more probably mislabelled, or None.
        selected: (N,) bool, the images W flagged as mislabelled, or None.

    Returns:
        From `selected`: `precision` |W and noisy| / |W| (the paper's "detection accuracy", Figs. 2-5),
        `recall`, `f1`, `accuracy` over all images, `selected_share` |W| / N. From `score`: `auroc` (ties
        count half) and `average_precision` (tied scores form one threshold). Always: `prevalence`, the share
        of noisy images, which is the precision and the average precision of a random guess.

    Raises:
        ValueError: Lengths that differ, flags other than 0 and 1, or a score that is not a number.

    Example:
        >>> scores = detection_scores([1, 0, 1, 0], score=[0.9, 0.8, 0.7, 0.1], selected=[1, 1, 0, 0])
        >>> scores["precision"], scores["recall"], scores["auroc"], scores["prevalence"]
        (0.5, 0.5, 0.75, 0.5)
    """
    noisy = _flags(truth, "truth", None)
    count = len(noisy)
    result: dict[str, float | None] = dict.fromkeys(
        ("precision", "recall", "f1", "accuracy", "selected_share", "auroc", "average_precision")
    )
    result["prevalence"] = _share(noisy.sum(), count)
    if selected is not None:
        chosen = _flags(selected, "selection", count)
        found = (chosen & noisy).sum()
        result["precision"] = _share(found, chosen.sum())
        result["recall"] = _share(found, noisy.sum())
        result["f1"] = _share(2 * found, chosen.sum() + noisy.sum())
        result["accuracy"] = _share((chosen == noisy).sum(), count)
        result["selected_share"] = _share(chosen.sum(), count)
    if score is not None:
        result["auroc"], result["average_precision"] = _ranking_scores(noisy, _scores(score, count))
    return result


def kept_scores(scores: Mapping[str, float | None]) -> dict[str, float | None]:
    """Turn the scores of the images flagged as mislabelled into those of the images kept as clean.

    Args:
        scores: As `detection_scores` returns them.

    Returns:
        `label_precision`, the share of the kept images whose labels are clean, and `label_recall`, the share of the
        images with clean labels that is kept; None where no selection was scored, nothing is kept or nothing is clean.
        Co-teaching (Han et al., NeurIPS 2018) and its successors report the first of them.

    Example:
        Of ten images four are mislabelled; three are flagged, two of them rightly:

        >>> flagged = {"precision": 2 / 3, "recall": 2 / 4, "selected_share": 0.3, "prevalence": 0.4}
        >>> {name: round(value, 3) for name, value in kept_scores(flagged).items()}
        {'label_precision': 0.714, 'label_recall': 0.833}
    """
    flagged, noisy = scores.get("selected_share"), scores.get("prevalence")
    if flagged is None or noisy is None:
        return {"label_precision": None, "label_recall": None}
    # An undefined precision or recall is of no flagged or no noisy image: then none was found.
    found = flagged * (scores.get("precision") or 0.0)
    kept, clean = 1.0 - flagged, 1.0 - noisy
    # Differences of rounded shares: keep what is none or all from leaving 0 to 1 by a rounding error.
    kept_and_clean = min(max(clean - flagged + found, 0.0), kept, clean)
    return {
        "label_precision": _share(kept_and_clean, kept),
        "label_recall": _share(kept_and_clean, clean),
    }


def top_share(score: Any, percent: Percent) -> npt.NDArray[np.bool_]:
    """Select exactly floor(N * percent / 100) images with the highest scores; ties go to the lower index.

    Args:
        score: (N,).
        percent: 0 to 100, exact when a whole number, a `Decimal` or text; see `gridbench.core.percent`.

    Returns:
        (N,) bool.

    Raises:
        ValueError: A percentage outside 0 to 100, or a score that is not a number.

    Example:
        >>> top_share([0.3, 0.9, 0.5, 0.9], percent=50).tolist()
        [False, True, False, True]
    """
    values = _scores(score, None)
    return top_count(values, share_of(len(values), percent))


def top_count(score: Any, count: int) -> npt.NDArray[np.bool_]:
    """Select the `count` items with the highest scores; ties go to the lower index.

    Args:
        score: (N,).
        count: 0 to N.

    Returns:
        (N,) bool.

    Raises:
        ValueError: No such number of items, or a score that is not a number.

    Example:
        >>> top_count([0.3, 0.9, 0.5, 0.9], count=1).tolist()
        [False, True, False, False]
    """
    values = _scores(score, None)
    count = checked_depth(count, "count", 0, len(values))
    mask = np.zeros(len(values), dtype=np.bool_)
    mask[np.argsort(-values, kind="stable")[:count]] = True
    return mask


def _ranking_scores(
    noisy: npt.NDArray[np.bool_], score: npt.NDArray[np.float64]
) -> tuple[float | None, float | None]:
    positives = int(noisy.sum())
    negatives = len(noisy) - positives
    if positives == 0:
        return None, None
    values, place = np.unique(-score, return_inverse=True)
    hits = np.bincount(place, noisy, minlength=len(values))
    misses = np.bincount(place, ~noisy, minlength=len(values))
    found, falsely = hits.cumsum(), misses.cumsum()
    average_precision = float((hits * found / (found + falsely)).sum() / positives)
    if negatives == 0:
        return None, average_precision
    # Of each noisy image: the clean ones ranked below it, and half of those that tie with it.
    auroc = float((hits * (negatives - falsely + misses / 2)).sum() / positives / negatives)
    return auroc, average_precision


def _share(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None


def _flags(values: Any, name: str, count: int | None) -> npt.NDArray[np.bool_]:
    array = to_numpy(values, name)
    if array.ndim != 1 or (count is not None and len(array) != count):
        raise ValueError(
            f"The {name} has shape {array.shape}; expected ({'N' if count is None else count},)."
        )
    flags = array.astype(np.bool_)
    if array.dtype.kind not in "biuf" or not np.array_equal(flags, array):
        raise ValueError(f"The {name} holds values other than 0 and 1.")
    return flags


def _scores(values: Any, count: int | None) -> npt.NDArray[np.float64]:
    array = to_numpy(values, "score")
    if array.ndim != 1 or array.dtype.kind not in "biuf" or (count is not None and len(array) != count):
        expected = "N" if count is None else count
        raise ValueError(
            f"The score has shape {array.shape} and type {array.dtype}; expected numbers ({expected},)."
        )
    scores = array.astype(np.float64)
    if np.isnan(scores).any():
        raise ValueError(f"The score of image {int(np.isnan(scores).argmax())} is not a number.")
    return scores
