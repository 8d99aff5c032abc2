"""Noise rates as exact decimals, so that a binary fraction never decides how many labels change."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction

import numpy as np

from gridbench.errors import InputError

__all__ = ["Rate", "exact_rate", "largest_percent", "realisable", "share_of"]

Rate = int | float | str | Decimal


def exact_rate(rate: Rate, name: str = "slnir") -> Decimal:
    """Read a rate in percent.

    Args:
        rate: 0 to 100; whole numbers, `Decimal` and text are exact, a float is read to 12 significant digits,
            so that 0.1 + 0.2 is 0.3 and 0.29 * 100 is 29.
        name: What it is, for messages.

    Raises:
        InputError: It is not a number from 0 to 100.
    """
    try:
        text = f"{float(str(rate)):.12g}" if isinstance(rate, (float, np.floating)) else str(rate)
        number = Decimal(text)
        allowed = not isinstance(rate, bool) and 0 <= number <= 100
    except (InvalidOperation, ValueError):
        allowed = False
    if not allowed:
        raise InputError(f"The {name} is {rate!r}; allowed is a percentage from 0 to 100.")
    return Decimal(format(number.normalize(), "f"))


def share_of(count: int, rate: Decimal) -> int:
    """Return floor(count * rate / 100)."""
    return int(Fraction(rate) * count / 100)


def largest_percent(reachable: int, count: int) -> Decimal:
    """Return the largest rate, in hundredths of a percent, of which `share_of` is at most `reachable`.

    Args:
        reachable: How many of the units can change.
        count: How many units there are.
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
    """
    count = share_of(total, rate)
    if count > reachable:
        largest = largest_percent(reachable, total)
        raise InputError(
            f"A rate of {rate} % would change {count} of {total} {units}, but only {reachable} can change: {why}. "
            f"The largest rate here is {largest} (--slnir {largest})."
        )
    return count
