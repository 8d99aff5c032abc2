"""Calibration curve that separates label errors from model mistakes, fitted to synthetic errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

__all__ = ["DRAWS", "fit_curves", "probability_of_error"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

DRAWS = 200
STEP = 1e-4
LEAST = 0.05
"""Lower bound on the curvature: less than half of that of the priors by themselves."""

SHARE = (-2.0, 1.5)
"""Mean and standard deviation of the logit of the share of errors that are not planted: 12 %, with 0.7 to 73 % within
two deviations."""

SLOPES = 3.0
"""Standard deviation of the slopes, for values of standard deviation 1."""


def fit_curves(values: Floats, planted: Array, rng: np.random.Generator) -> Floats:
    """Fit P(planted | x) = (1 - m) sigmoid(b + w x) by maximum a posteriori.

    Where the evidence x is clear, everything is an error, planted or not, and the curve levels off: m is the share
    of errors there that were in the maps before. A curve that bends below it is of mistakes of the model. It is the
    curve of the audit of scene labels without a lower asymptote: what is planted is known to be an error.

    Args:
        values: (R, F) what is known of each candidate.
        planted: (R,) whether it is of a planted error.
        rng: Draws from the posterior.

    Returns:
        (1 + DRAWS, 2 + F) logit of m, b and w, for values as they are: the likeliest, and draws from the normal
        approximation of the posterior.
    """
    mean, scale = values.mean(0), np.maximum(values.std(0), 1e-9)
    design = np.column_stack([np.ones(len(values)), (values - mean) / scale])
    best = _fit(design, planted)
    fitted = np.vstack([best, rng.multivariate_normal(best, _covariance(best, design, planted), DRAWS)])
    slopes = fitted[:, 2:] / scale
    return np.column_stack([fitted[:, 0], fitted[:, 1] - slopes @ mean, slopes])


def probability_of_error(curve: Floats, values: Floats) -> Floats:
    """Return (R,) the probability that each candidate, which is not a planted one, is an error.

    Args:
        curve: (2 + F,) logit of m, b and w.
        values: (R, F) what is known of each candidate.

    Example:
        >>> probability_of_error(np.array([0.0, 0.0, 1.0]), np.array([[-9.0], [0.0], [9.0]])).round(2).tolist()
        [0.0, 0.33, 1.0]
    """
    share, error = special.expit(curve[0]), special.expit(curve[1] + values @ curve[2:])
    found: Floats = share * error / (1 - (1 - share) * error)
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
