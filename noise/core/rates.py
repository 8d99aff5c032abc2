"""Noise rates as exact decimals, so that a binary fraction never decides how many labels change."""

from __future__ import annotations

from decimal import Decimal

from gridbench.core.percent import Percent, exact_percent, share_of
from gridbench.errors import InputError

__all__ = ["Rate", "exact_rate", "largest_percent", "realisable", "share_of"]

Rate = Percent


def exact_rate(rate: Rate, name: str = "slnir") -> Decimal:
    """Read a rate in percent; see `exact_percent`.

    Example:
        >>> exact_rate(0.1 + 0.2), exact_rate("30.0")
        (Decimal('0.3'), Decimal('30'))
    """
    return exact_percent(rate, name)


def largest_percent(reachable: int, count: int) -> Decimal:
    """Return the largest rate, in hundredths of a percent, of which `share_of` is at most `reachable`.

    Args:
        reachable: How many of the units can change.
        count: How many units there are.

    Example:
        >>> largest_percent(2, 7)
        Decimal('42.85')
    """
    if reachable >= count:
        return Decimal(100)
    # The largest whole number of hundredths below 100 (reachable + 1) / count percent.
    return Decimal(-(-10_000 * (reachable + 1) // count) - 1).scaleb(-2)


def realisable(total: int, reachable: int, rate: Decimal, units: str, why: str) -> int:
    """Return how many units a rate changes.

    Args:
        total: How many units there are.
        reachable: How many of them can change.
        rate: Percent.
        units: What they are, for messages.
        why: Why the others cannot change, for messages.

    Raises:
        InputError: More than can change; the message names the largest rate.

    Example:
        >>> realisable(total=10, reachable=6, rate=Decimal(30), units="labels", why="the others are full")
        3
    """
    count = share_of(total, rate)
    if count > reachable:
        largest = largest_percent(reachable, total)
        if share_of(total, largest) == 0:
            largest = Decimal(0)
        raise InputError(
            f"A rate of {rate} % would change {count} of {total} {units}, but only {reachable} can change: {why}. "
            f"The largest rate here is {largest} (--slnir {largest})."
        )
    return count
