"""Estimation of the shares of wrong and missing labels of an archive from held-out predictions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.metrics.relevance import labels_and_probabilities

__all__ = ["NoiseRate", "estimate_noise_rate"]

Array = npt.NDArray[Any]

SUREST_PRESENT = 0.04
"""Predictions that are compared with the labels to find missing ones, as a share of the given labels. Ours, not tuned:
in the cases of tests/metrics/test_noise_rate.py (five seeds) the estimated rate is 1.6 points off on average, 2.3 with
half as many predictions and 1.3 with twice as many."""

SUREST_ABSENT = 0.3
"""Predictions that are compared with the labels to find wrong ones, as a share of all of them. Ours, not tuned: in the
same cases the rate is 1.7 points off with half as many and 1.5 with twice as many."""

RESAMPLES = 200
INTERVAL = (2.5, 97.5)
"""Ends of the 95 % intervals in percent, over so many resamples of the images."""


@dataclass(frozen=True)
class NoiseRate:
    """Estimated noise rates between 0 and 1, each with a 95 % interval.

    Attributes:
        rate: Changed labels as a share of the true ones, which is what SLNIR is; a label that was replaced by another
            counts once.
        missing: Share of the true labels that are not given.
        wrong: Share of the given labels that are not true.
        rate_interval: (low, high) of `rate`, by resampling images.
        missing_interval: (low, high) of `missing`.
        wrong_interval: (low, high) of `wrong`.
        images: Number of images used for the estimate.
    """

    rate: float
    missing: float
    wrong: float
    rate_interval: tuple[float, float]
    missing_interval: tuple[float, float]
    wrong_interval: tuple[float, float]
    images: int

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def estimate_noise_rate(
    labels: Any, probabilities: Any, rng: np.random.Generator | None = None, resamples: int = RESAMPLES
) -> NoiseRate:
    """Estimate the shares of wrong and missing labels from the most confident predictions of a model.

    Classes with the most confident positive held-out predictions are assumed to be present, so the share of them that
    is not given estimates the rate of missing labels. Likewise, among classes with the most confident negative
    predictions, the share that is given estimates how often an absent class is given; every image has the same weight
    there, since images of few classes, for which a model is most confident, attract fewer wrong labels. The estimator
    is ours; it follows the idea of anchor points (Patrini et al., Making deep neural networks robust to label noise,
    CVPR 2017). Confident mistakes of the model count as noise, so the estimate for clean labels is small but not zero.
    Noise that depends on the image or the class is estimated from the easy classes.

    Args:
        labels: (N, C) of 0 and 1, as given.
        probabilities: (N, C) in [0, 1], that each class is present, best from held-out images.
        rng: Random number generator for resampling images; None for no resampling, with intervals of zero width.
        resamples: Number of resamples for the intervals.

    Returns:
        The estimates; all zero when there is no label.

    Raises:
        ValueError: Shapes that differ, labels other than 0 and 1, or probabilities outside 0 to 1.

    Example:
        >>> labels = [[1, 0], [1, 0], [0, 1], [0, 1]] * 25
        >>> probabilities = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]] * 25
        >>> estimate_noise_rate(labels, probabilities).rate
        0.0
    """
    says, present = labels_and_probabilities(labels, probabilities)
    best = _shares(says, present)
    drawn = [best]
    if rng is not None and len(says):
        picks = (rng.integers(0, len(says), len(says)) for _ in range(resamples))
        drawn = [_shares(says[pick], present[pick]) for pick in picks] or drawn
    low, high = np.percentile(np.array(drawn), INTERVAL, axis=0)
    ends = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return NoiseRate(*best, ends[0], ends[1], ends[2], len(says))


def _shares(given: npt.NDArray[np.bool_], present: Array) -> tuple[float, float, float]:
    """Return the rate, the share missing of the true labels, and the share wrong of the given ones."""
    count = int(given.sum())
    if not count:
        return 0.0, 0.0, 0.0
    surest = min(max(1, round(SUREST_PRESENT * count)), given.size)
    sure = present >= np.partition(present, given.size - surest, axis=None)[given.size - surest]
    missing = float(1 - given[sure].mean())

    lowest = min(max(1, round(SUREST_ABSENT * given.size)), given.size)
    unlikely = present <= np.partition(present, lowest - 1, axis=None)[lowest - 1]
    of_image = unlikely.sum(1)
    some = of_image > 0
    given_anyway = float(((given & unlikely).sum(1)[some] / of_image[some]).mean())

    share = count / given.size
    wrong = min(given_anyway * (1 - min(_true_share(share, missing, given_anyway), 1.0)) / share, 1.0)
    if wrong >= 1 or missing >= 1:
        return 1.0, missing, wrong
    return min(max(missing, wrong * (1 - missing) / (1 - wrong)), 1.0), missing, wrong


def _true_share(share: float, missing: float, given_anyway: float) -> float:
    """Return the share of all labels that is true, where `share` is given: share = t (1 - m) + (1 - t) a."""
    spread = 1 - missing - given_anyway
    return max((share - given_anyway) / spread, 0.0) if spread > 0 else share
