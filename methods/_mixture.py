"""One-dimensional Gaussian mixture with two components, used to separate small from large losses."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["lower_component", "min_max"]

STEPS, TOLERANCE, ADDED_VARIANCE = 10, 1e-2, 5e-4
"""Of expectation maximisation, as in LiJunnan1992/DivideMix and tmllab/2022_NeurIPS_Multi-Label-T."""


def min_max(values: Tensor) -> Tensor:
    """Return (n,) values moved and scaled to 0 to 1; zeros where all are equal."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else torch.zeros_like(values)


def lower_component(values: Tensor) -> Tensor:
    """Fit two normal distributions, and return each value's probability under the one with the lower mean.

    Expectation maximisation from the best division of the values in two (k-means, which on a line has a closed form),
    so that nothing is drawn at random.

    Args:
        values: (n,).

    Returns:
        (n,) probabilities in float64; ones where the values do not differ.
    """
    x = values.double()
    if len(x) < 2 or x.min() == x.max():
        return torch.ones_like(x)
    ordered = x.sort().values
    sums, counts = ordered.cumsum(0), torch.arange(1, len(x) + 1, device=x.device)
    between = sums[:-1].square() / counts[:-1] + (sums[-1] - sums[:-1]).square() / (len(x) - counts[:-1])
    low = (x <= ordered[between.argmax()]).double()
    parts = _fitted(x, torch.stack([low, 1 - low]))
    previous = -math.inf
    for _ in range(STEPS):
        evidence, posterior = _expected(x, *parts)
        parts = _fitted(x, posterior)
        if abs(evidence - previous) < TOLERANCE:
            break
        previous = evidence
    return _expected(x, *parts)[1][int(parts[0].argmin())]


def _fitted(x: Tensor, posterior: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the (2, 1) means, variances and weights of both parts."""
    size = posterior.sum(1, keepdim=True) + 10 * torch.finfo(x.dtype).eps
    mean = (posterior * x).sum(1, keepdim=True) / size
    variance = (posterior * (x - mean).square()).sum(1, keepdim=True) / size + ADDED_VARIANCE
    return mean, variance, size / size.sum()


def _expected(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor) -> tuple[float, Tensor]:
    """Return the mean log-likelihood, and the (2, n) probabilities of the components."""
    joint = weight.log() - 0.5 * ((x - mean).square() / variance + (2 * math.pi * variance).log())
    evidence = joint.logsumexp(0)
    return float(evidence.mean()), (joint - evidence).exp()
