"""Calibration curve that separates label errors from model mistakes, fitted to synthetic errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

__all__ = ["DRAWS", "SHARES", "fit_curves", "likeness", "share_of_errors"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

DRAWS = 200
SHARES = special.expit(np.linspace(-8, 8, 161))
"""Shares of errors that are compared, equally far apart in their logit."""

STEP = 1e-4
LEAST = 0.05
"""Lower bound on the curvature: less than half of that of the priors by themselves."""

SHARE = (-2.0, 1.5)
"""Mean and standard deviation of the logit of the share of errors that are not planted: 12 %, with 0.7 to 73 % within
two deviations."""

MISTAKES = (-1.0, 2.0)
"""The same of the logit of the share of mistakes of the model that look like planted errors. Wider, since networks
differ more than maps do: in audits of trained networks there were from a tenth to six times as many as were planted."""

SLOPES = 3.0
"""Standard deviation of the slopes, for values of standard deviation 1."""


def fit_curves(values: Floats, planted: Array, rng: np.random.Generator) -> Floats:
    """Fit P(planted | x) = (1 - m) sigmoid(b + w x) by maximum a posteriori.

    Where the evidence x is clear, the curve levels off: m is the share, of all that looks like a planted error, that
    was in the maps before. A curve that bends below it is of mistakes of the model that look otherwise. It is the
    curve of the audit of scene labels without a lower asymptote: what is planted is known to be an error.

    What was in the maps before need not be an error either: a network may be as sure of a mistake as of an error.
    Nothing in one audit tells the two apart but how many there are, see `share_of_errors`.

    Args:
        values: (R, F) what is known of each candidate.
        planted: (R,) whether it is of a planted error.
        rng: Draws from the posterior.

    Returns:
        (1 + DRAWS, 3 + F) share of errors in what looks like one, logit of m, b and w, for values as they are: the
        likeliest with the mean share, and draws from the normal approximation of the posterior with drawn shares.
    """
    mean, scale = values.mean(0), np.maximum(values.std(0), 1e-9)
    design = np.column_stack([np.ones(len(values)), (values - mean) / scale])
    best = _fit(design, planted)
    fitted = np.vstack([best, rng.multivariate_normal(best, _covariance(best, design, planted), DRAWS)])
    slopes = fitted[:, 2:] / scale
    shares = [share_of_errors(each) for each in fitted[:, 0]]
    drawn = [np.interp(rng.random(), np.cumsum(weight), SHARES) for weight in shares[1:]]
    return np.column_stack([[shares[0] @ SHARES, *drawn], fitted[:, 0], fitted[:, 1] - slopes @ mean, slopes])


def share_of_errors(level: float) -> Floats:
    """Return how probable each of `SHARES` is as the share of errors in what looks like one in the maps as given.

    Errors and mistakes of the model together are as many as the curve says, exp(level) times those planted. Each has a
    prior that is normal in the logarithm of its number: where there are more than maps have errors, most are mistakes.

    Args:
        level: Logit of m.

    Example:
        >>> [float(round(share_of_errors(level) @ SHARES, 2)) for level in (-4.0, -1.0, 2.0)]
        [0.55, 0.45, 0.15]
    """
    shares, left = np.log(SHARES), np.log1p(-SHARES)
    usual = ((level + shares - SHARE[0]) / SHARE[1]) ** 2 + ((level + left - MISTAKES[0]) / MISTAKES[1]) ** 2
    weight = np.exp(
        -(usual - usual.min()) / 2
    )  # per logit of the share, in which SHARES are equally far apart
    return np.asarray(weight / weight.sum(), dtype=np.float64)


def likeness(curve: Floats, values: Floats) -> Floats:
    """Return (R,) the probability that each candidate, itself not planted, looks like a planted error for some reason.

    Times the share of errors in what does, this is the probability that it is an error.

    Args:
        curve: (3 + F,) share of errors, logit of m, b and w.
        values: (R, F) what is known of each candidate.

    Example:
        >>> likeness(np.array([0.9, 0.0, 0.0, 1.0]), np.array([[-9.0], [0.0], [9.0]])).round(2).tolist()
        [0.0, 0.33, 1.0]
    """
    before, like = special.expit(curve[1]), special.expit(curve[2] + values @ curve[3:])
    found: Floats = before * like / (1 - (1 - before) * like)
    return found


def _fit(design: Floats, planted: Array) -> Floats:
    """Return logit of m, b and w that maximise the penalised likelihood, from two starts."""
    starts = (np.array([share, 0.0, 1.0, *np.zeros(design.shape[1] - 2)]) for share in (SHARE[0], 0.0))
    tried = [
        optimize.minimize(_loss, start, (design, planted), jac=True, method="L-BFGS-B") for start in starts
    ]
    best: Floats = min(tried, key=lambda one: float(one.fun)).x
    return best


def _loss(at: Floats, design: Floats, planted: Array) -> tuple[float, Floats]:
    """Return the negative log posterior of logit of m, b and w, and its gradient."""
    keep, error = special.expit(-at[0]), special.expit(design @ at[1:])
    says = np.clip(keep * error, 1e-12, 1 - 1e-12)
    value = -np.where(planted, np.log(says), np.log1p(-says)).sum()
    pull = np.where(planted, -1.0, says / (1 - says))
    off = np.concatenate([[at[0] - SHARE[0]], [0.0], at[2:]])
    spread = np.concatenate([[SHARE[1]], [1.0], np.full(len(at) - 2, SLOPES)]) ** 2
    slopes = np.concatenate([[-(pull * (1 - keep)).sum()], design.T @ (pull * (1 - error))])
    return float(value + (off**2 / spread).sum() / 2), slopes + off / spread


def _covariance(best: Floats, design: Floats, planted: Array) -> Floats:
    """Return the covariance of the posterior's normal approximation, by differences of the gradient."""
    steps = STEP * np.eye(len(best))
    rows = [
        (_loss(best + each, design, planted)[1] - _loss(best - each, design, planted)[1]) / (2 * STEP)
        for each in steps
    ]
    values, vectors = np.linalg.eigh((np.array(rows) + np.array(rows).T) / 2)
    inverse: Floats = (vectors / np.maximum(values, LEAST)) @ vectors.T
    return inverse
