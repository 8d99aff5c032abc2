"""Estimation of label error rates and of the error probability of each label, by a calibration curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "Interval", "estimate_errors"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

BINS = 60
STEPS = 40
RESAMPLES = 200
ENDS = (2.5, 97.5)
CERTAIN = 1e-6
RATES_AND_SLOPE = [0, 1, 3]

RESOLUTION, RELATIVE, OWN_MISTAKES = 0.01, 0.3, 0.3
"""By how much intervals are widened: at both ends in absolute terms, and at the upper one by a share of its rate and by
a share of what the curve takes for the model's own mistakes, part of which may be noise. The smallest for 95 % over the
archives `warped` and `scene_types` of tests/benchmark/audit/simulation.py; `trained` there tests the coverage."""

PRIOR = (-2.0, 2.2)
"""Mean and standard deviation of the logit of twice each error rate: 6 %, with 0.1 to 46 % within two deviations."""

ALIKE = 1.5
"""Standard deviation of the log of how many more labels are wrong than missing, or the other way round."""

SLOPE = (0.0, 0.7)
"""Mean and standard deviation of the log of the slope: a model's log-odds are off by a factor of 4 at most."""


OF_A_CLASS = (1.2, 1.2, 1.2, 0.4)
"""Standard deviation of a class's parameters about those of all classes together: noise that depends on the class
keeps the curves of classes at different distances from 0 and 1, and the pooled one shows the least of them. The rates
are sums over classes; the ranking is by the pooled curve, since those of classes ranked worse on 230 tiles of Dubai
(average precision 37 against 49, and 45 against 55)."""

CLOSE, MOST_DAMPING = 1e-6, 1e4


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def document(self) -> list[float]:
        """Return value, low and high as plain JSON values."""
        return [self.value, self.low, self.high]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Estimates of the calibration curve.

    Attributes:
        missing: Share of the true labels that are not given.
        wrong: Share of the given labels that are not true.
        errors: Share of all N x C entries that are wrong or missing.
        scores: (N, C) probability that each entry is wrong.
        parameters: (4,) of the curve of all classes together: logit of twice the lower asymptote and of twice the
            distance of the upper one from 1, intercept, log slope.
        drawn: (R, C, 4) the same for each class and resampled images.
    """

    missing: Interval
    wrong: Interval
    errors: Interval
    scores: Floats
    parameters: Floats
    drawn: Floats

    def document(self) -> dict[str, list[float]]:
        """Return the rates as plain JSON values, each as value, low, high."""
        return {name: getattr(self, name).document() for name in ("missing", "wrong", "errors")}


def estimate_errors(
    given: Any, probabilities: Any, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Estimate:
    """Fit P(given = 1 | s) = a + (1 - a - m) sigmoid(b + k s) to held-out log-odds s by maximum a posteriori.

    A label that is noisy at random keeps the calibration curve of a model away from 0 and 1, however sure the model is:
    `a` is the probability that an absent class is given and `m` that a present one is not. Between the asymptotes the
    curve bends where the model is unsure or mistaken, so its own mistakes do not count as noise. Resampling
    images and drawing the prior's mean anew (a Bayesian bootstrap of the penalised fit) gives the intervals; a model
    that is never sure gets wide ones. The logistic curve with asymptotes is that of Barton and Lord (1981).

    Args:
        given: (N, C) of 0 and 1.
        probabilities: (N, C) in [0, 1], from models that have not seen the image.
        rng: Decides the resampled images.
        resamples: How many times.

    Returns:
        Rates with 95 % intervals, and the probability that each entry is wrong.
    """
    labels = np.asarray(given) != 0
    present = np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1 - CERTAIN)
    odds = np.log(present) - np.log1p(-present)
    edges = np.unique(np.quantile(odds, np.linspace(0, 1, BINS + 1)[1:-1]))
    place, bins = np.searchsorted(edges, odds), len(edges) + 1
    weights = np.ones((1 + resamples, len(labels)))
    weights[1:] = rng.exponential(size=(resamples, len(labels)))
    ones, zeros = (_by_class(weights, place, labels == side, bins) for side in (True, False))
    both = np.bincount(place.ravel(), minlength=bins)
    centres = np.bincount(place.ravel(), odds.ravel(), bins) / np.maximum(both, 1)
    mean, precision = _prior(float(labels.mean()))
    means = np.tile(mean, (1 + resamples, 1))
    means[1:, RATES_AND_SLOPE] += rng.multivariate_normal(
        np.zeros(3), np.linalg.inv(precision[np.ix_(RATES_AND_SLOPE, RATES_AND_SLOPE)]), resamples
    )
    start = np.tile([PRIOR[0], PRIOR[0], 0.0, 0.0], (1 + resamples, 1))
    shared = _fit(start, centres, ones.sum(1), zeros.sum(1), means, precision)
    around = np.repeat(shared[:, None], labels.shape[1], 1)
    around[1:] += rng.standard_normal(around[1:].shape) * OF_A_CLASS
    found = _fit(
        np.repeat(shared, labels.shape[1], 0),
        centres,
        ones.reshape(-1, bins),
        zeros.reshape(-1, bins),
        around.reshape(-1, 4),
        np.diag(np.power(OF_A_CLASS, -2.0)),
    ).reshape(around.shape)
    rates = _rates(found, centres, ones, zeros)
    low, high = np.percentile(rates[1:] if resamples else rates, ENDS, axis=0)
    low = low - RESOLUTION
    high = (1 + RELATIVE) * high + RESOLUTION + OWN_MISTAKES * _mistakes(found[0], centres, ones[0], zeros[0])
    missing, wrong, errors = (
        Interval(float(v), float(np.clip(a, 0, v)), float(np.clip(b, v, 1)))
        for v, a, b in zip(rates[0], low, high, strict=True)
    )
    return Estimate(missing, wrong, errors, scores_of(shared[0], odds, labels), shared[0], found[1:])


def scores_of(parameters: Floats, odds: Floats, given: Array) -> Floats:
    """Return the probability that each label is wrong, by Bayes' rule.

    Args:
        parameters: (..., 4) of the curves, that broadcast against the odds.
        odds: Held-out log-odds.
        given: Whether each label is given, of the same shape.
    """
    added, missing, eta = _curve(parameters, odds)
    says = added + (1 - added - missing) * eta
    scores: Floats = np.where(given, added * (1 - eta) / says, missing * eta / (1 - says))
    return scores


def _by_class(weights: Floats, place: Array, where: Array, bins: int) -> Floats:
    """Return (R, C, bins): the weight of the marked entries of each class in each bin, by rows of weights (R, N)."""
    found = np.zeros((len(weights), place.shape[1], bins))
    for c in range(place.shape[1]):
        rows = np.flatnonzero(where[:, c])
        there = np.zeros((len(rows), bins))
        there[np.arange(len(rows)), place[rows, c]] = 1
        found[:, c] = weights[:, rows] @ there
    return found


def _prior(share: float) -> tuple[Floats, Floats]:
    """Return mean (4,) and precision (4, 4) of the parameters, where `share` of all labels is given."""
    share = min(max(share, CERTAIN), 1 - CERTAIN)
    own = np.diag([PRIOR[1] ** -2, PRIOR[1] ** -2, 1e-3, SLOPE[1] ** -2])
    ratio = np.array([1.0, -1.0, 0.0, 0.0])
    precision = own + np.outer(ratio, ratio) / ALIKE**2
    pull = own @ [PRIOR[0], PRIOR[0], 0.0, SLOPE[0]] + ratio * (np.log(share / (1 - share)) / ALIKE**2)
    return np.linalg.solve(precision, pull), precision


def _curve(parameters: Floats, odds: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the two error rates, each below one half, and the probability that the class is there."""
    added, missing = (0.5 / (1 + np.exp(-parameters[..., at])) for at in (0, 1))
    z = np.clip(parameters[..., 2] + np.exp(parameters[..., 3]) * odds, -40, 40)
    return added, missing, 1 / (1 + np.exp(-z))


def _fit(
    start: Floats, centres: Floats, ones: Floats, zeros: Floats, mean: Floats, precision: Floats
) -> Floats:
    """Maximise the penalised likelihood of each row of counts by damped Fisher scoring; return (R, 4)."""
    at, total, rows = start.copy(), ones + zeros, np.arange(len(ones))
    damping = np.full(len(ones), 1e-2)
    height = _height(at, centres, ones, zeros, mean, precision)
    for _ in range(STEPS):
        now, up, down = at[rows], ones[rows], zeros[rows]
        added, missing, eta = _curve(now[:, None], centres[None])
        says = np.clip(added + (1 - added - missing) * eta, 1e-9, 1 - 1e-9)
        bend = (1 - added - missing) * eta * (1 - eta)
        slopes = np.stack(
            [
                added * (1 - 2 * added) * (1 - eta),
                -missing * (1 - 2 * missing) * eta,
                bend,
                bend * np.exp(now[:, 3])[:, None] * centres,
            ],
            -1,
        )
        pull = up / says - down / (1 - says)
        gradient = (pull[:, None] @ slopes)[:, 0] - (now - mean[rows]) @ precision
        weighted = (total[rows] / (says * (1 - says)))[:, :, None] * slopes
        information = weighted.swapaxes(1, 2) @ slopes + precision
        diagonal = np.einsum("rpp->rp", information)
        step = np.linalg.solve(
            information + (damping[rows, None] * diagonal)[:, :, None] * np.eye(4), gradient[:, :, None]
        )[:, :, 0]
        tried = now + np.clip(step, -2, 2)
        reached = _height(tried, centres, up, down, mean[rows], precision)
        gained = reached - height[rows]
        better = gained > 0
        at[rows[better]], height[rows[better]] = tried[better], reached[better]
        damping[rows] = np.where(better, damping[rows] / 5, np.minimum(damping[rows] * 5, 1e8))
        # A row whose step was refused tries a shorter one; one that gained next to nothing is done.
        rows = rows[(gained > CLOSE) | (~better & (damping[rows] < MOST_DAMPING))]
        if not len(rows):
            break
    return at


def _height(
    at: Floats, centres: Floats, ones: Floats, zeros: Floats, mean: Floats, precision: Floats
) -> Floats:
    added, missing, eta = _curve(at[:, None], centres[None])
    says = np.clip(added + (1 - added - missing) * eta, 1e-9, 1 - 1e-9)
    likelihood = (ones * np.log(says) + zeros * np.log1p(-says)).sum(1)
    off = at - mean
    height: Floats = likelihood - 0.5 * ((off @ precision) * off).sum(1)
    return height


def _rates(found: Floats, centres: Floats, ones: Floats, zeros: Floats) -> Floats:
    """Return (R, 3): shares of true labels missing, of given labels wrong, of all entries in error."""
    added, missing, eta = _curve(found[:, :, None], centres)
    total = ones + zeros
    there, absent = (total * eta).sum(2), (total * (1 - eta)).sum(2)
    wrong, gone = (added[..., 0] * absent).sum(1), (missing[..., 0] * there).sum(1)
    given = np.maximum(ones.sum((1, 2)), 1e-9)
    return np.column_stack(
        [
            gone / np.maximum(there.sum(1), 1e-9),
            np.minimum(wrong / given, 1),
            (gone + wrong) / total.sum((1, 2)),
        ]
    )


def _mistakes(found: Floats, centres: Floats, ones: Floats, zeros: Floats) -> Floats:
    """Return (3,) the rates if all mistakes of the model, half of either kind, were counted as noise."""
    _, _, eta = _curve(found[:, None], centres)
    total = ones + zeros
    unsure = (total * np.minimum(eta, 1 - eta)).sum()
    there, given = max((total * eta).sum(), 1e-9), max(ones.sum(), 1e-9)
    mistakes: Floats = unsure * np.array([0.5 / there, 0.5 / given, 1 / total.sum()])
    return mistakes
