"""Percentages as exact decimals, so that a binary fraction never decides how many samples are meant (a leaf)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from gridbench.errors import InputError

__all__ = ["Percent", "exact_percent", "share_of"]

Percent = int | float | str | Decimal


def exact_percent(value: Percent, name: str = "percent") -> Decimal:
    """Read a percentage.

    Args:
        value: 0 to 100; whole numbers, `Decimal` and text are exact, a float is read to 12 significant digits, so
            that 0.1 + 0.2 is 0.3 and 0.29 * 100 is 29.
        name: What it is, for messages.

    Raises:
        InputError: It is not a number from 0 to 100.

    Example:
        >>> exact_percent(0.29 * 100)
        Decimal('29')
    """
    try:
        inexact = not isinstance(value, (int, str, Decimal))
        number = Decimal(f"{float(str(value)):.12g}" if inexact else str(value))
        allowed = not isinstance(value, bool) and 0 <= number <= 100
    except (InvalidOperation, ValueError):
        allowed = False
    if not allowed:
        raise InputError(f"The {name} is {value!r}; allowed is a percentage from 0 to 100.")
    return Decimal(format(number.normalize(), "f"))


def share_of(count: int, percent: Percent) -> int:
    """Return floor(count * percent / 100), exactly.

    Args:
        count: How many there are.
        percent: 0 to 100, as `exact_percent` reads it; a `Decimal` is taken as it is.

    Example:
        >>> share_of(100, 0.29 * 100), share_of(7, "33.3")
        (29, 2)
    """
    number = percent if isinstance(percent, Decimal) else exact_percent(percent)
    over, under = number.as_integer_ratio()
    return int(count) * over // (100 * under)
