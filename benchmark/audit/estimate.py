"""How many labels are wrong or missing, and how probably each one is: a calibration curve with two asymptotes."""

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

RESOLUTION, RELATIVE = 0.005, 0.05
"""By how much intervals are widened, in absolute terms and as a share of the rate: classes that differ in noise and
difficulty bend the curve, too. Chosen for 95 % over simulated archives (`simulate` in the tests of this file)."""

PRIOR = (-2.2, 1.5)
"""Mean and standard deviation of the logit of twice each error rate: 5 %, with 0.3 to 34 % within two deviations."""

ALIKE = 1.0
"""Standard deviation of the log of how many more labels are wrong than missing, or the other way round."""

SLOPE = (0.0, 0.7)
"""Mean and standard deviation of the log of the slope: a model's log-odds are off by a factor of 4 at most."""


@dataclass(frozen=True)
class Interval:
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def document(self) -> list[float]:
        """Return value, low and high as plain JSON values."""
        return [self.value, self.low, self.high]


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the calibration curve says of the labels.

    Attributes:
        missing: Share of the true labels that are not given.
        wrong: Share of the given labels that are not true.
        errors: Share of all N x C entries that are wrong or missing.
        scores: (N, C) probability that each entry is wrong.
        parameters: (4,) logit of the lower asymptote and of the distance of the upper one from 1, intercept, log slope.
        drawn: (R, 4) the same for resampled images.
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
    ones, zeros = (weights @ _counts(place, labels == side, bins) for side in (True, False))
    both = np.bincount(place.ravel(), minlength=bins)
    centres = np.bincount(place.ravel(), odds.ravel(), bins) / np.maximum(both, 1)
    mean, precision = _prior(float(labels.mean()))
    means = np.tile(mean, (1 + resamples, 1))
    means[1:, RATES_AND_SLOPE] += rng.multivariate_normal(
        np.zeros(3), np.linalg.inv(precision[np.ix_(RATES_AND_SLOPE, RATES_AND_SLOPE)]), resamples
    )
    found = _fit(centres, ones, zeros, means, precision)
    rates = _rates(found, centres, ones, zeros)
    low, high = np.percentile(rates[1:] if resamples else rates, ENDS, axis=0)
    margin = RESOLUTION + RELATIVE * rates[0]
    low, high = low - margin, high + margin
    missing, wrong, errors = (
        Interval(float(v), float(np.clip(a, 0, v)), float(np.clip(b, v, 1)))
        for v, a, b in zip(rates[0], low, high, strict=True)
    )
    return Estimate(missing, wrong, errors, scores_of(found[0], odds, labels), found[0], found[1:])


def scores_of(parameters: Floats, odds: Floats, given: Array) -> Floats:
    """Return the probability that each label is wrong, by Bayes' rule.

    Args:
        parameters: (4,) of the curve.
        odds: Held-out log-odds, of any shape.
        given: Whether each label is given, of the same shape.
    """
    added, missing, eta = _curve(parameters[:, None], odds.ravel())
    says = added + (1 - added - missing) * eta
    scores = np.where(given.ravel(), added * (1 - eta) / says, missing * eta / (1 - says))
    reshaped: Floats = scores.reshape(odds.shape)
    return reshaped


def _counts(place: Array, where: Array, bins: int) -> Floats:
    """Return (N, bins): how many of the marked entries of each image are in each bin."""
    flat = place + bins * np.arange(len(place))[:, None]
    return np.bincount(flat[where], minlength=bins * len(place)).reshape(len(place), bins).astype(np.float64)


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
    added, missing = (0.5 / (1 + np.exp(-parameters[at])) for at in (0, 1))
    z = np.clip(parameters[2] + np.exp(parameters[3]) * odds, -40, 40)
    return added, missing, 1 / (1 + np.exp(-z))


def _fit(centres: Floats, ones: Floats, zeros: Floats, mean: Floats, precision: Floats) -> Floats:
    """Maximise the penalised likelihood of each row of counts by damped Fisher scoring; return (R, 4)."""
    rows = len(ones)
    total = ones + zeros
    at = np.tile([PRIOR[0], PRIOR[0], 0.0, 0.0], (rows, 1))
    damping = np.full(rows, 1e-2)
    height = _height(at, centres, ones, zeros, mean, precision)
    for _ in range(STEPS):
        added, missing, eta = (each for each in _curve(at.T[:, :, None], centres[None]))
        says = np.clip(added + (1 - added - missing) * eta, 1e-9, 1 - 1e-9)
        bend = (1 - added - missing) * eta * (1 - eta)
        slopes = np.stack(
            [
                added * (1 - 2 * added) * (1 - eta),
                -missing * (1 - 2 * missing) * eta,
                bend,
                bend * np.exp(at[:, 3])[:, None] * centres,
            ],
            -1,
        )
        pull = ones / says - zeros / (1 - says)
        gradient = np.einsum("rk,rkp->rp", pull, slopes) - (at - mean) @ precision
        information = np.einsum("rk,rkp,rkq->rpq", total / (says * (1 - says)), slopes, slopes)
        information = information + precision
        diagonal = np.einsum("rpp->rp", information)
        step = np.linalg.solve(
            information + (damping[:, None] * diagonal)[:, :, None] * np.eye(4), gradient[:, :, None]
        )[:, :, 0]
        tried = at + np.clip(step, -2, 2)
        reached = _height(tried, centres, ones, zeros, mean, precision)
        better = reached > height
        at = np.where(better[:, None], tried, at)
        gained = np.where(better, reached - height, 0)
        height = np.where(better, reached, height)
        damping = np.where(better, damping / 5, np.minimum(damping * 5, 1e8))
        if not (gained > 1e-7).any() and better.any():
            break
    return at


def _height(
    at: Floats, centres: Floats, ones: Floats, zeros: Floats, mean: Floats, precision: Floats
) -> Floats:
    added, missing, eta = _curve(at.T[:, :, None], centres[None])
    says = np.clip(added + (1 - added - missing) * eta, 1e-9, 1 - 1e-9)
    likelihood = (ones * np.log(says) + zeros * np.log1p(-says)).sum(1)
    off = at - mean
    height: Floats = likelihood - 0.5 * np.einsum("rp,pq,rq->r", off, precision, off)
    return height


def _rates(found: Floats, centres: Floats, ones: Floats, zeros: Floats) -> Floats:
    """Return (R, 3): shares of true labels missing, of given labels wrong, of all entries in error."""
    added, missing, eta = _curve(found.T[:, :, None], centres[None])
    total = ones + zeros
    there = (total * eta).sum(1)
    absent = (total * (1 - eta)).sum(1)
    a, m = added[:, 0], missing[:, 0]
    given = np.maximum(ones.sum(1), 1e-9)
    return np.column_stack([m, np.minimum(a * absent / given, 1), (m * there + a * absent) / total.sum(1)])
