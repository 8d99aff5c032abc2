"""Estimation of label error rates and of the error probability of each label, by a calibration curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "Interval", "estimate_errors", "evidence_of", "scores_of"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

BINS, GROUPS = 40, 3
"""Quantiles of the log-odds, and of those of other classes of the image, by which labels are pooled before the fit."""

STEPS = 40
"""Most steps of Fisher scoring."""

RESAMPLES = 200
ENDS = (2.5, 97.5)
"""Ends of the 95 % intervals in percent, taken over the resamples."""

CERTAIN = 1e-6
"""Probabilities are kept this far from 0 and 1, so that their log-odds are finite."""

REDRAWN = [0, 1, 3, 4]
"""Parameters whose prior mean is drawn anew with each resample: all but the intercept."""

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

GROWTH = (0.5, 0.5)
"""Mean and standard deviation of how the odds of an added label grow with the log-odds of another class of the image:
0 where labels are added at random, 1 where they are exchanged, so that images with many labels get many wrong ones.
With one rate for all images, the surest absences, in images with few labels, hid most wrong labels of `bluemarble`."""

OF_A_CLASS = (1.2, 1.2, 1.2, 0.4, 0.3)
"""Standard deviation of a class's parameters about those of all classes together: noise that depends on the class
keeps the curves of classes at different distances from 0 and 1, and the pooled one shows the least of them. The rates
are sums over classes; the ranking is by the pooled curve, since those of classes ranked worse on 230 tiles of Dubai
(average precision 37 against 49, and 45 against 55)."""

CLOSE, MOST_DAMPING = 1e-6, 1e4
"""A fit has converged when a step gains less than this, and is given up when its damping exceeds that."""


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
        parameters: (5,) of the curve of all classes together: logit of twice the lower asymptote and of twice the
            distance of the upper one from 1, intercept, log slope, growth of the lower asymptote.
        drawn: (R, C, 5) the same for each class and resampled images.
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
    given: Any,
    probabilities: Any,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    exclusive: bool = False,
) -> Estimate:
    """Fit P(given = 1 | s) = a + (1 - a - m) sigmoid(b + k s) to held-out log-odds s by maximum a posteriori.

    A label that is noisy at random keeps the calibration curve of a model away from 0 and 1, however sure the model is:
    `a` is the probability that an absent class is given and `m` that a present one is not; the odds of 2 a are a power
    of those of another class of the image. Between the asymptotes the curve bends where the model is unsure or
    mistaken, so its own mistakes do not count as noise. Resampling images and drawing the prior's mean anew (a Bayesian
    bootstrap of the penalised fit) gives the intervals; a model that is never sure gets wide ones. The logistic curve
    with asymptotes is that of Barton and Lord (1981).

    Args:
        given: (N, C) of 0 and 1.
        probabilities: (N, C) in [0, 1], from models that have not seen the image.
        rng: Decides the resampled images.
        resamples: How many times.
        exclusive: Whether each image has exactly one label: then only given labels have scores above 0.

    Returns:
        Rates with 95 % intervals, and the probability that each entry is wrong.
    """
    labels = np.asarray(given) != 0
    odds, others = evidence_of(probabilities, exclusive)
    place, cells = _cells(odds, others)
    weights = np.ones((1 + resamples, len(labels)))
    weights[1:] = rng.exponential(size=(resamples, len(labels)))
    ones, zeros = (_by_class(weights, place, labels == side, cells.shape[1]) for side in (True, False))
    mean, precision = _prior(float(labels.mean()))
    means = np.tile(mean, (1 + resamples, 1))
    means[1:, REDRAWN] += rng.multivariate_normal(
        np.zeros(len(REDRAWN)), np.linalg.inv(precision[np.ix_(REDRAWN, REDRAWN)]), resamples
    )
    start = np.tile([PRIOR[0], PRIOR[0], 0.0, 0.0, GROWTH[0]], (1 + resamples, 1))
    shared = _fit(start, cells, ones.sum(1), zeros.sum(1), means, precision)
    around = np.repeat(shared[:, None], labels.shape[1], 1)
    around[1:] += rng.standard_normal(around[1:].shape) * OF_A_CLASS
    found = _fit(
        np.repeat(shared, labels.shape[1], 0),
        cells,
        ones.reshape(-1, cells.shape[1]),
        zeros.reshape(-1, cells.shape[1]),
        around.reshape(-1, len(OF_A_CLASS)),
        np.diag(np.power(OF_A_CLASS, -2.0)),
    ).reshape(around.shape)
    rates = _rates(found, cells, ones, zeros)
    low, high = np.percentile(rates[1:] if resamples else rates, ENDS, axis=0)
    low = low - RESOLUTION
    high = (1 + RELATIVE) * high + RESOLUTION + OWN_MISTAKES * _mistakes(found[0], cells, ones[0], zeros[0])
    missing, wrong, errors = (
        Interval(float(v), float(np.clip(a, 0, v)), float(np.clip(b, v, 1)))
        for v, a, b in zip(rates[0], low, high, strict=True)
    )
    scores = np.where(labels | (not exclusive), scores_of(shared[0], odds, others, labels), 0.0)
    return Estimate(missing, wrong, errors, scores, shared[0], found[1:])


def evidence_of(probabilities: Any, exclusive: bool = False) -> tuple[Floats, Floats]:
    """Return held-out log-odds (N, C), and for each label how much else is predicted in its image.

    Args:
        probabilities: (N, C) in [0, 1].
        exclusive: Whether each image has exactly one label, so that its other classes say nothing more.

    Returns:
        Log-odds, and the log-odds of another class: of the mean probability of the image's other classes, drawn a
        little to one half, less its mean over all labels; 0 where there is one class alone.
    """
    present = np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1 - CERTAIN)
    there = present.sum(1, keepdims=True) - present
    others = np.log(there + 0.5) - np.log(present.shape[1] - 1 - there + 0.5)
    odds = np.log(present) - np.log1p(-present)
    return odds, np.zeros(odds.shape) if exclusive else others - others.mean()


def _cells(odds: Floats, others: Floats) -> tuple[Array, Floats]:
    """Group labels (N, C) by quantiles of both; return the cell of each, and (2, cells) the means of both in each."""
    place = np.zeros(odds.shape, dtype=np.int64)
    for values, count in ((odds, BINS), (others, GROUPS)):
        edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))
        place = place * (len(edges) + 1) + np.searchsorted(edges, values)
    kept, place = np.unique(place, return_inverse=True)
    place = place.reshape(odds.shape)
    sums = [np.bincount(place.ravel(), values.ravel(), len(kept)) for values in (odds, others)]
    return place, np.stack(sums) / np.bincount(place.ravel(), minlength=len(kept))


def scores_of(parameters: Floats, odds: Floats, others: Floats, given: Array) -> Floats:
    """Return the probability that each label is wrong, by Bayes' rule.

    Args:
        parameters: (..., 5) of the curves, that broadcast against the odds.
        odds: Held-out log-odds.
        others: Log-odds of another class of the image, of the same shape; see `evidence_of`.
        given: Whether each label is given, of the same shape.
    """
    added, missing, eta = _curve(parameters, (odds, others))
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
    """Return mean (5,) and precision (5, 5) of the parameters, where `share` of all labels is given."""
    share = min(max(share, CERTAIN), 1 - CERTAIN)
    own = np.diag([PRIOR[1] ** -2, PRIOR[1] ** -2, 1e-3, SLOPE[1] ** -2, GROWTH[1] ** -2])
    ratio = np.array([1.0, -1.0, 0.0, 0.0, 0.0])
    precision = own + np.outer(ratio, ratio) / ALIKE**2
    pull = own @ [PRIOR[0], PRIOR[0], 0.0, SLOPE[0], GROWTH[0]] + ratio * (
        np.log(share / (1 - share)) / ALIKE**2
    )
    return np.linalg.solve(precision, pull), precision


def _curve(parameters: Floats, evidence: tuple[Floats, Floats] | Floats) -> tuple[Floats, Floats, Floats]:
    """Return the two error rates, each below one half, and the probability that the class is present."""
    odds, others = evidence
    added = 0.5 / (1 + np.exp(-parameters[..., 0] - parameters[..., 4] * others))
    missing = 0.5 / (1 + np.exp(-parameters[..., 1]))
    z = np.clip(parameters[..., 2] + np.exp(parameters[..., 3]) * odds, -40, 40)
    return added, missing, 1 / (1 + np.exp(-z))


def _fit(
    start: Floats, cells: Floats, ones: Floats, zeros: Floats, mean: Floats, precision: Floats
) -> Floats:
    """Maximise the penalised likelihood of each row of counts by damped Fisher scoring; return (R, 5)."""
    at, total, rows = start.copy(), ones + zeros, np.arange(len(ones))
    damping = np.full(len(ones), 1e-2)
    height = _height(at, cells, ones, zeros, mean, precision)
    for _ in range(STEPS):
        now, up, down = at[rows], ones[rows], zeros[rows]
        added, missing, eta = _curve(now[:, None], cells)
        says = np.clip(added + (1 - added - missing) * eta, 1e-9, 1 - 1e-9)
        bend = (1 - added - missing) * eta * (1 - eta)
        of_added = added * (1 - 2 * added) * (1 - eta)
        slopes = np.stack(
            [
                of_added,
                -missing * (1 - 2 * missing) * eta,
                bend,
                bend * np.exp(now[:, 3])[:, None] * cells[0],
                of_added * cells[1],
            ],
            -1,
        )
        pull = up / says - down / (1 - says)
        gradient = (pull[:, None] @ slopes)[:, 0] - (now - mean[rows]) @ precision
        weighted = (total[rows] / (says * (1 - says)))[:, :, None] * slopes
        information = weighted.swapaxes(1, 2) @ slopes + precision
        diagonal = np.einsum("rpp->rp", information)
        step = np.linalg.solve(
            information + (damping[rows, None] * diagonal)[:, :, None] * np.eye(at.shape[1]),
            gradient[:, :, None],
        )[:, :, 0]
        tried = now + np.clip(step, -2, 2)
        reached = _height(tried, cells, up, down, mean[rows], precision)
        gained = reached - height[rows]
        better = gained > 0
        at[rows[better]], height[rows[better]] = tried[better], reached[better]
        damping[rows] = np.where(better, damping[rows] / 5, np.minimum(damping[rows] * 5, 1e8))
        # A row whose step was refused tries a shorter one; one that hardly improved has converged.
        rows = rows[(gained > CLOSE) | (~better & (damping[rows] < MOST_DAMPING))]
        if not len(rows):
            break
    return at


def _height(
    at: Floats, cells: Floats, ones: Floats, zeros: Floats, mean: Floats, precision: Floats
) -> Floats:
    added, missing, eta = _curve(at[:, None], cells)
    says = np.clip(added + (1 - added - missing) * eta, 1e-9, 1 - 1e-9)
    likelihood = (ones * np.log(says) + zeros * np.log1p(-says)).sum(1)
    off = at - mean
    height: Floats = likelihood - 0.5 * ((off @ precision) * off).sum(1)
    return height


def _rates(found: Floats, cells: Floats, ones: Floats, zeros: Floats) -> Floats:
    """Return (R, 3): shares of true labels missing, of given labels wrong, of all entries in error."""
    added, missing, eta = _curve(found[:, :, None], cells)
    total = ones + zeros
    there = (total * eta).sum(2)
    wrong, gone = (total * (1 - eta) * added).sum((1, 2)), (missing[..., 0] * there).sum(1)
    given = np.maximum(ones.sum((1, 2)), 1e-9)
    return np.column_stack(
        [
            gone / np.maximum(there.sum(1), 1e-9),
            np.minimum(wrong / given, 1),
            (gone + wrong) / total.sum((1, 2)),
        ]
    )


def _mistakes(found: Floats, cells: Floats, ones: Floats, zeros: Floats) -> Floats:
    """Return (3,) the rates if all mistakes of the model, half of either kind, were counted as noise."""
    _, _, eta = _curve(found[:, None], cells)
    total = ones + zeros
    unsure = (total * np.minimum(eta, 1 - eta)).sum()
    there, given = max((total * eta).sum(), 1e-9), max(ones.sum(), 1e-9)
    mistakes: Floats = unsure * np.array([0.5 / there, 0.5 / given, 1 / total.sum()])
    return mistakes
