"""Numbers as people write them, and percentages as exact decimals, so that no binary fraction decides (a leaf)."""

from __future__ import annotations

import re
from collections.abc import Set
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from gridbench.errors import InputError

__all__ = ["Percent", "exact_percent", "is_plain_number", "plain_number", "share_of"]

Percent = int | float | str | Decimal

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def is_plain_number(text: str) -> bool:
    """Return whether a text is a number in plain digits that is not too small to differ from 0.

    Python itself also reads 1_0, blanks around a number, the digits of other scripts, inf and nan.

    Example:
        >>> [is_plain_number(text) for text in ("30", "-1e-3", "1_0", "\u0665", " 5", "1e-400")]
        [True, True, False, False, False, False]
    """
    if not _NUMBER.fullmatch(text):
        return False
    return float(text) != 0 or not re.search("[1-9]", text.lower().partition("e")[0])


def plain_number(value: Any, kinds: Set[Any]) -> Any:
    """Return a value for a field of these types as it is, 0 without a sign; of numbers in text only plain ones.

    Raises:
        ValueError: It is such a text.
    """
    if isinstance(value, str) and kinds & {int, float, Decimal} and str not in kinds:
        if is_plain_number(value):
            return value if float(value) else value.lstrip("+-")
        with suppress(InvalidOperation):
            if Decimal(value).is_finite():
                raise ValueError("a number in plain digits")
    return abs(value) if isinstance(value, float | Decimal) and value == 0 else value


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
        if isinstance(value, str) and not is_plain_number(value):
            raise ValueError(value)
        inexact = not isinstance(value, (int, str, Decimal))
        number = Decimal(f"{float(str(value)):.12g}" if inexact else str(value))
        allowed = not isinstance(value, bool) and 0 <= number <= 100
    except (InvalidOperation, ValueError):
        allowed = False
    if not allowed:
        raise InputError(f"The {name} is {value!r}; allowed is a percentage from 0 to 100.")
    # Removes the sign of a negative zero.
    return abs(Decimal(format(number.normalize(), "f")))


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
