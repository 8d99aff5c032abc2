"""Results of conformance checks: failures of single checks, and the report of a whole suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from gridbench.core.plugins import is_interrupt
from gridbench.core.source import failing_line, module_file
from gridbench.errors import GridbenchError, in_words

__all__ = ["Finding", "Violation", "carry_out", "first_difference", "require"]

S = TypeVar("S")


class Violation(Exception):
    """A component does not do what every component of its kind must."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was checked, in words.
        subject: With which loss or level of labels; empty when it makes no difference.
        reason: What is wrong, or empty when nothing is.
    """

    check: str
    subject: str = ""
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reason


def require(condition: object, reason: str) -> None:
    """Raise a violation unless a condition holds."""
    if not condition:
        raise Violation(reason)


def carry_out(
    checks: Sequence[Callable[[S], None]],
    subject: S,
    name: str,
    owner: Any,
    basic: Sequence[Callable[[S], None]] = (),
) -> Iterator[Finding]:
    """Carry out checks in their order, up to a basic one that fails: all others would fail for the same reason.

    Args:
        checks: Functions that raise when something is wrong; the first line of their docstring names them.
        subject: What they look at.
        name: What the subject is called in findings.
        owner: The component, whose file's line is named when its code raises.
        basic: Those of the checks that the others build on.
    """
    for check in checks:
        title = (check.__doc__ or check.__name__).strip().splitlines()[0].rstrip(".")
        try:
            check(subject)
        except Violation as violation:
            yield Finding(title, name, str(violation))
        except BaseException as error:
            if is_interrupt(error):
                raise
            where = failing_line(error, module_file(owner.__module__))
            kind = f"{type(error).__name__}: " if isinstance(error, GridbenchError) else ""
            yield Finding(title, name, f"it raised {kind}{in_words(error)}{where}")
        else:
            yield Finding(title, name)
            continue
        if check in basic:
            return


def first_difference(one: Any, other: Any, path: str = "") -> str:
    """Name the first place where two nested structures of tensors and plain values are not equal bit for bit.

    Returns:
        A path such as `method/head.weight`, or an empty string when all is equal.
    """
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.shape == other.shape and bool(((one == other) | ((one != one) & (other != other))).all())
        return "" if same else path or "value"
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return f"{path}{min(one.keys() ^ other.keys(), key=str)}"
        found = (first_difference(one[key], other[key], f"{path}{key}") for key in one)
        return next(filter(None, found), "")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(filter(None, (first_difference(a, b, f"{path}[{i}].") for i, (a, b) in pairs)), "")
    same = one == other or (one != one and other != other)
    return "" if same else path or "value"
