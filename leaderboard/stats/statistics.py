"""Statistics between methods, each named for what it varies over; scipy does the tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "FEWEST_SEEDS",
    "VERDICTS",
    "Friedman",
    "Interval",
    "area_under",
    "friedman",
    "holm",
    "holm_corrected",
    "mean_ranks",
    "nemenyi_difference",
    "paired_interval",
    "relative_drop",
    "t_interval",
    "win_rate",
]

Array = npt.NDArray[np.float64]
Curve = Mapping[str, Mapping[int, float]]
"""Column (such as a noise rate) -> seed -> value: one row of a table."""

FEWEST_SEEDS = 5
"""With fewer paired seeds nothing is resolved: the t test assumes normally distributed differences, and all n of them
have one sign by chance with probability 2 / 2^n, which is 1/16 for five and 1/4 for three."""

ALPHA = 0.05
CONFIDENCE = 1 - ALPHA

ROUNDING = 1e-12
"""Differences of scores closer than this are equal: it is what sums of them lose to floating point."""

VERDICTS = (
    "A verdict of better or worse is a paired t test at 5 % after Holm's correction over all verdicts of this table; "
    "the 95 % intervals are Student's t, each by itself. Fewer than "
    f"{FEWEST_SEEDS} paired seeds resolve nothing."
)

Verdict = Literal["better", "worse", "not resolved", "not enough seeds"]


@dataclass(frozen=True)
class Interval:
    """A paired difference over seeds.

    Attributes:
        difference: Mean of the paired differences.
        low: Lower end of Student's t interval at 95 %; NaN without enough seeds.
        high: Upper end.
        seeds: Number of paired seeds.
        p_value: p-value of the two-sided paired t test; NaN without enough seeds.
        adjusted: The p-value after Holm's correction within a table; equal to `p_value` for a single interval.
    """

    difference: float
    low: float
    high: float
    seeds: int
    p_value: float
    adjusted: float

    @property
    def verdict(self) -> Verdict:
        """Say whether the difference is resolved at 5 %, after the correction, and on which side."""
        if self.seeds < FEWEST_SEEDS:
            return "not enough seeds"
        # Written so that a p-value of NaN, which values of NaN give, is not resolved either.
        if not self.adjusted <= ALPHA:
            return "not resolved"
        return "better" if self.difference > 0 else "worse"


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

    The differences of one seed are averaged over the columns in which both have it; the interval is Student's t over
    the seeds. Where some columns have enough paired seeds for an interval, those with fewer are left out, so that a
    column with few seeds does not take the verdict from the rest.

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
        return Interval(math.nan, math.nan, math.nan, 0, math.nan, math.nan)
    sign = 1 if higher_is_better else -1
    differences = np.array(
        [[sign * (method[column][seed] - baseline[column][seed]) for column in columns] for seed in seeds]
    ).mean(axis=1)
    ends = t_interval(differences) if len(seeds) >= FEWEST_SEEDS else (math.nan, math.nan, math.nan)
    low, high, p_value = map(float, ends)
    return Interval(float(differences.mean()), low, high, len(seeds), p_value, p_value)


def t_interval(differences: Array) -> tuple[Array, Array, Array]:
    """Return Student's t interval at 95 % of the mean, and the two-sided p-value of a mean of zero.

    Args:
        differences: (..., seeds); of seeds that do not differ, the interval is their one value.

    Returns:
        (...) lower ends, upper ends and p-values.
    """
    # What scipy.stats.t computes with, called hundreds of times for a table, without what it does around that.
    from scipy import special

    n = differences.shape[-1]
    mean = differences.mean(axis=-1)
    error = differences.std(axis=-1, ddof=1) / math.sqrt(n)
    equal = np.ptp(differences, axis=-1) < ROUNDING
    reach = np.where(equal, 0, special.stdtrit(n - 1, 1 - ALPHA / 2) * error)
    p_value = 2 * special.stdtr(n - 1, -np.abs(mean) / np.where(equal, 1, error))
    return mean - reach, mean + reach, np.where(equal, np.abs(mean) < ROUNDING, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number by Holm's step-down procedure (Holm 1979, Scand. J. Statist. 6, 65-70).

    Args:
        p_values: p-values of one family of tests; NaN where nothing was tested, which does not count.

    Returns:
        Adjusted p-values in the same order: those of at most 0.05 are rejected with a probability of at most 5 % that
        any rejection is false.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = sorted((at for at, p in enumerate(p_values) if not math.isnan(p)), key=lambda at: p_values[at])
    adjusted, highest = list(p_values), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[at]))
        adjusted[at] = highest
    return adjusted


def holm_corrected(intervals: Sequence[Interval]) -> list[Interval]:
    """Correct the verdicts of one table, which is all verdicts that are printed together, for their number."""
    adjusted = holm([interval.p_value for interval in intervals])
    return [replace(interval, adjusted=p) for interval, p in zip(intervals, adjusted, strict=True)]


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

    With a value that is not a number a pair is not won.

    Returns:
        0 to 1; NaN when nothing is paired.
    """
    sign = 1 if higher_is_better else -1
    wins = [
        0.5 if method[column][seed] == other else float(sign * (method[column][seed] - other) > 0)
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
