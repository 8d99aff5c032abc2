"""Statistics between methods, each named for what it varies over; scipy does the tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "FEWEST_SEEDS",
    "Friedman",
    "Interval",
    "area_under",
    "friedman",
    "mean_ranks",
    "nemenyi_difference",
    "paired_interval",
    "relative_drop",
    "win_rate",
]

Array = npt.NDArray[np.float64]
Curve = Mapping[str, Mapping[int, float]]
"""Column (such as a noise rate) -> seed -> value: one row of a table."""

FEWEST_SEEDS = 5
"""With fewer paired seeds nothing is resolved: all n differences have one sign by luck with probability 2 / 2^n,
which is 1/16 for five and 1/4 for three."""

RESAMPLES = 20_000
CONFIDENCE = 0.95

Verdict = Literal["better", "worse", "not resolved", "not enough seeds"]


@dataclass(frozen=True)
class Interval:
    """A paired difference over seeds.

    Attributes:
        difference: Mean of the paired differences.
        low: Lower end of the interval; NaN without enough seeds.
        high: Upper end.
        seeds: Number of paired seeds.
    """

    difference: float
    low: float
    high: float
    seeds: int

    @property
    def verdict(self) -> Verdict:
        """Say whether the interval excludes zero, and on which side."""
        if self.seeds < FEWEST_SEEDS:
            return "not enough seeds"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not resolved"


@dataclass(frozen=True)
class Friedman:
    """A Friedman test over blocks, with the critical difference of Nemenyi's test.

    Attributes:
        statistic: Friedman's chi-square, corrected for ties.
        p_value: Its p-value.
        difference: Mean ranks that differ by more than this differ at 5 %.
        blocks: Number of blocks.
    """

    statistic: float
    p_value: float
    difference: float
    blocks: int


def paired_interval(method: Curve, baseline: Curve, higher_is_better: bool = True) -> Interval:
    """Estimate how much a method is better than a baseline, over seeds, pooled over the columns both have.

    The differences of one seed are averaged over the columns in which both have it; the seeds are then
    resampled. Where some columns have enough paired seeds for an interval, those with fewer are left out: what was
    measured with few seeds must not take the verdict from the rest. The percentile interval is widened to the width
    of Student's t, since percentiles alone are too narrow for few seeds (Hesterberg 2015, "What teachers should know
    about the bootstrap", section 3.3).

    Args:
        method: Values of the method.
        baseline: Values of the baseline.
        higher_is_better: Whether a positive difference is an improvement; otherwise its sign is turned.

    Returns:
        The interval at 95 %; a seed counts when it is there in every column that counts.
    """
    paired = {column: set(method[column]) & set(baseline[column]) for column in method if column in baseline}
    columns = [column for column, seeds in paired.items() if len(seeds) >= FEWEST_SEEDS] or list(paired)
    seeds = sorted(set.intersection(*(paired[column] for column in columns))) if columns else []
    if not seeds:
        return Interval(math.nan, math.nan, math.nan, 0)
    sign = 1 if higher_is_better else -1
    differences = np.array(
        [[sign * (method[column][seed] - baseline[column][seed]) for column in columns] for seed in seeds]
    ).mean(axis=1)
    low, high = _bootstrap(differences) if len(seeds) >= FEWEST_SEEDS else (math.nan, math.nan)
    return Interval(float(differences.mean()), low, high, len(seeds))


def _bootstrap(differences: Array) -> tuple[float, float]:
    from scipy import stats

    n = len(differences)
    tail = float(stats.norm.cdf(math.sqrt(n / (n - 1)) * stats.t.ppf((1 - CONFIDENCE) / 2, n - 1)))
    means = _shares(n) @ differences
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


@cache
def _shares(n: int) -> Array:
    """Return (RESAMPLES, n): the share of each seed in each resample, drawn with replacement, always the same."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n


def mean_ranks(values: Array, higher_is_better: bool = True) -> Array:
    """Rank methods within each block and average over blocks.

    Args:
        values: (blocks, methods).
        higher_is_better: Whether the largest value has rank 1; ties share the mean of their ranks.

    Returns:
        (methods,) mean ranks from 1.
    """
    from scipy import stats

    ranks: Array = stats.rankdata(-values if higher_is_better else values, axis=1)
    means: Array = ranks.mean(axis=0)
    return means


def friedman(values: Array) -> Friedman | None:
    """Test whether methods differ in rank over blocks (Friedman 1937; Nemenyi 1963 as in Demšar 2006).

    Args:
        values: (blocks, methods).

    Returns:
        The test, or None with fewer than three methods or two blocks, or when all methods tie everywhere.
    """
    from scipy import stats

    blocks, methods = values.shape
    if methods < 3 or blocks < 2 or not np.ptp(values, axis=1).any():
        return None
    result = stats.friedmanchisquare(*values.T)
    return Friedman(
        float(result.statistic), float(result.pvalue), nemenyi_difference(methods, blocks), blocks
    )


@cache
def nemenyi_difference(methods: int, blocks: int, alpha: float = 0.05) -> float:
    """Return the critical difference of mean ranks, q * sqrt(k (k + 1) / (6 N)) (Demšar 2006, eq. 2)."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * blocks))


def win_rate(method: Curve, baseline: Curve, higher_is_better: bool = True) -> float:
    """Return the share of paired (column, seed) in which a method beats a baseline; a tie counts half.

    Returns:
        0 to 1; NaN when nothing is paired.
    """
    wins = [
        0.5 if method[column][seed] == other else float((method[column][seed] > other) == higher_is_better)
        for column in method
        for seed, other in baseline.get(column, {}).items()
        if seed in method[column]
    ]
    return math.fsum(wins) / len(wins) if wins else math.nan


def area_under(positions: Sequence[float], means: Sequence[float]) -> float:
    """Return the area under a curve by the trapezoid rule, divided by its range: a mean height.

    Args:
        positions: Increasing positions, such as noise rates.
        means: Values there.

    Returns:
        In the unit of the values; NaN with fewer than two positions.
    """
    if len(positions) < 2:
        return math.nan
    area = float(np.trapezoid(np.asarray(means), np.asarray(positions)))
    return area / (positions[-1] - positions[0])


def relative_drop(clean: float, noisy: float) -> float:
    """Return (clean - noisy) / clean; NaN when the clean value is not positive."""
    return (clean - noisy) / clean if clean > 0 else math.nan
