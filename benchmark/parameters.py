"""Typed parameters with a range and a source, declared once on a dataclass (a leaf)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from gridbench.core.percent import is_plain_number
from gridbench.errors import InputError, nearest

__all__ = ["Specification", "WrongDeclaration", "describe", "parameter", "parse"]

P = TypeVar("P")


class WrongDeclaration(InputError, TypeError):
    """A component declares a parameter that cannot be one."""


@dataclass(frozen=True)
class Specification:
    """Specification of a parameter: bounds, choices, special words, source of the default, and search values."""

    help: str
    source: str
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[Any, ...] = ()
    words: tuple[str, ...] = ()
    low_open: bool = False
    search: tuple[Any, ...] = ()

    def allowed(self, kind: type) -> str:
        """Describe the allowed values in words for a message."""
        if self.choices:
            known = ", ".join(str(choice) for choice in self.choices)
            return f"one of {known}" if len(self.choices) > 1 else known
        noun = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "text")
        if self.low > -math.inf or self.high < math.inf:
            low = f"above {self.low:g}" if self.low_open else f"from {self.low:g}"
            if self.low == -math.inf:
                noun += f" up to {self.high:g}"
            else:
                noun += f" {low}" + (f" to {self.high:g}" if self.high < math.inf else " upwards")
        return noun + (f", or {' or '.join(map(repr, self.words))}" if self.words else "")


def parameter(
    default: Any,
    help: str,
    source: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    low_open: bool = False,
    choices: tuple[Any, ...] = (),
    words: tuple[str, ...] = (),
    search: tuple[Any, ...] = (),
) -> Any:
    """Declare a parameter as the default of a dataclass field.

    Args:
        default: Default value; None if the harness fills it in (see `words`).
        help: One line for `gridbench list`.
        source: Where the default comes from: a paper's section, a repository, or "ours".
        low: Smallest allowed number.
        high: Largest allowed number.
        low_open: Whether `low` itself is excluded.
        choices: The only allowed values, if they are few.
        words: Words that are allowed besides a number, such as `"slnir"`.
        search: Values that a selection on validation tries, the default among them; empty when it is not tuned.

    Returns:
        A dataclass field; a trailing underscore of its name is not shown to the user (`lambda_` is `lambda`).
    """
    spec = Specification(help, source, low, high, choices, words, low_open, search)
    return dataclasses.field(default=default, metadata={"specification": spec})


def public_name(field_name: str) -> str:
    """Return the name that users type for a field: `lambda_` is `lambda`."""
    return field_name.rstrip("_")


def describe(cls: type[Any]) -> list[tuple[str, type, Any, Specification]]:
    """List (public name, type, default, specification) of each declared parameter of a dataclass.

    Raises:
        WrongDeclaration: A field is annotated with something else than int, float, bool, str or one of them | None, its
            default is another object, or two fields have one name.
    """
    rows: list[tuple[str, type, Any, Specification]] = []
    for field in dataclasses.fields(cls):
        spec, name = field.metadata.get("specification"), public_name(field.name)
        if spec is None:
            continue
        what = f"{cls.__qualname__}.{field.name}"
        if not name or name in (row[0] for row in rows):
            raise WrongDeclaration(f"{what} has the name {name!r}, which must be one and of one field alone")
        if type(field.default) not in (int, float, bool, str, type(None)):
            raise WrongDeclaration(
                f"{what} has the default {field.default!r:.80}; it must be a number, text or None"
            )
        if isinstance(field.default, float) and not math.isfinite(field.default):
            raise WrongDeclaration(f"{what} has the default {field.default}; it must be finite")
        rows.append((name, _kind(cls, field), field.default, spec))
    return rows


def _kind(cls: type[Any], field: dataclasses.Field[Any]) -> type:
    # An annotation is text under `from __future__ import annotations`, and a type or a union without it.
    hint = field.type.__name__ if isinstance(field.type, type) else str(field.type)
    for kind in (int, float, bool, str):
        if hint.split("|")[0].strip() == kind.__name__:
            return kind
    raise WrongDeclaration(
        f"{cls.__qualname__}.{field.name} is annotated {hint!r}; a parameter is int, float, bool or str"
    )


def parse(cls: type[P], given: Mapping[str, Any], owner: str) -> P:
    """Build a parameter dataclass from what the user typed, checking name, type and range of each value.

    Args:
        cls: Dataclass whose fields were made with `parameter`.
        given: Public name -> value; text is converted to the field's type.
        owner: Component that has the parameters, for messages, such as `"method grid"`.

    Returns:
        An instance of `cls` with defaults for what was not given.

    Raises:
        InputError: An unknown name (with the nearest one), a wrong type, or a value outside its range.
    """
    rows = {name: (kind, spec) for name, kind, _, spec in describe(cls)}
    values: dict[str, Any] = {}
    fields = {public_name(field.name): field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in rows:
            known = ", ".join(rows) or "none"
            raise InputError(f"The {owner} has no parameter {name!r}.{nearest(name, rows)} It has: {known}.")
        kind, spec = rows[name]
        values[fields[name]] = _convert(name, value, kind, spec, owner)
    return cls(**values)


def _convert(name: str, value: Any, kind: type, spec: Specification, owner: str) -> Any:
    wrong = InputError(
        f"The parameter {name!r} of the {owner} is {value!r}; allowed is {spec.allowed(kind)}."
    )
    if isinstance(value, str) and value in spec.words:
        return value
    converted = _typed(value, kind, wrong)
    if spec.choices:
        if converted not in spec.choices:
            raise InputError(f"{wrong}{nearest(str(value), map(str, spec.choices))}")
        return converted
    if kind in (int, float):
        too_low = converted < spec.low or (spec.low_open and converted == spec.low)
        if not math.isfinite(converted) or too_low or converted > spec.high:
            raise wrong
    return converted


def _typed(value: Any, kind: type, wrong: InputError) -> Any:
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        raise wrong
    if kind is str:
        if isinstance(value, str):
            return value
        raise wrong
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise wrong
    if isinstance(value, str) and not is_plain_number(value):
        raise wrong
    try:
        if kind is float:
            # Removes the sign of a negative zero.
            return float(value) + 0.0
        try:
            return int(value) if isinstance(value, str) else _whole(value)
        except ValueError:
            return _whole(float(value))
    except (ValueError, OverflowError):
        raise wrong from None


def _whole(number: float) -> int:
    if number != int(number):
        raise ValueError(f"{number} is not whole")
    return int(number)
