"""Filtering of results by conditions on settings, as typed on the command line."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gridbench.errors import InputError, nearest
from gridbench.leaderboard.records.runs import Collection, Run, Setting
from gridbench.leaderboard.tables.cells import order_of, setting_text

__all__ = ["HEADINGS", "Condition", "keep", "parse_condition", "setting_name"]

HEADINGS: Mapping[str, str] = {
    "slnir": "SLNIR (%)",
    "kind": "labels",
    "dataset_fingerprint": "data fingerprint",
    "versions.protocol": "protocol version",
    "versions.method": "method version",
    "versions.loss": "loss version",
    "versions.noise": "noise version",
}
"""Setting -> what tables call it, where that is not its name. Readers type what they see, so both are understood."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Condition:
    """A setting, a comparison (`=`, `!=`, `<`, `<=`, `>`, `>=`) and the values to compare with."""

    name: str
    sign: str
    values: tuple[str, ...]

    def holds(self, value: Setting) -> bool:
        """Return whether a setting's value meets the condition.

        Numbers compare as numbers, 30 equals 30.0; of a machine, whose name is long and has commas, a part is enough.
        """
        if self.name == "machine":
            return any(part in setting_text(value) for part in self.values) == (self.sign == "=")
        keys = [order_of(other) for other in self.values]
        own = order_of(setting_text(value))
        if self.sign in ("=", "!="):
            return (own in keys) == (self.sign == "=")
        return own[0] == keys[0][0] and _COMPARE[self.sign](own, keys[0])


def parse_condition(text: str) -> Condition:
    """Read a condition such as `method=grid,elr`, `slnir>=30` or `epochs!=5`.

    Raises:
        InputError: It is none.
    """
    found = re.fullmatch(r"\s*([^\s<>=!]+)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*", text)
    values = tuple(value.strip() for value in found[3].split(",")) if found else ()
    numbers = [value for value in values if order_of(value)[0] == 1]
    if (
        found is None
        # Decimal reads 1_0 and the digits of other scripts, too.
        or not all(number.isascii() and "_" not in number for number in numbers)
        or (found[2] in _COMPARE and (len(values) != 1 or not numbers))
    ):
        raise InputError(
            f"The filter {text!r} cannot be read. Write a setting, a comparison and values: method=grid,elr or "
            "slnir>=30 or epochs!=5."
        )
    return Condition(found[1], found[2], values)


def keep(found: Collection, conditions: Iterable[Condition]) -> Collection:
    """Return the records that meet every condition; unfinished ones too, so that missing seeds are counted.

    Raises:
        InputError: No record has such a setting, or none is left; the message lists the values there are.
    """
    for condition in conditions:
        name = setting_name(condition.name, found)
        runs = [run for run in found.runs if condition.holds(run.value(name))]
        if found.runs and not runs:
            there = sorted({setting_text(run.value(name)) for run in found.runs}, key=order_of)
            wanted = f"{condition.name}{condition.sign}{','.join(condition.values)}"
            near = nearest(condition.values[0], there) if condition.sign == "=" else ""
            raise InputError(
                f"No result meets {wanted!r}.{near} "
                f"There are: {', '.join(text or 'none' for text in there[:20])}."
            )
        left_out = [
            item
            for item in found.left_out
            if item.settings is None
            or condition.holds(item.seed if name == "seed" else item.settings.get(name))
        ]
        found = replace(
            found, runs=runs, left_out=left_out, notes=[*found.notes, *_unmet(condition, name, runs)]
        )
    return found


def _unmet(condition: Condition, name: str, runs: Sequence[Run]) -> list[str]:
    """Return a note on the values of a condition that no result has, of which some may be misspelt."""
    if condition.sign != "=" or name == "machine" or not runs:
        return []
    there = {order_of(setting_text(run.value(name))) for run in runs}
    missing = [value for value in condition.values if order_of(value) not in there]
    return [f"No result meets {condition.name}={','.join(missing)}."] if missing else []


def setting_name(typed: str, found: Collection) -> str:
    """Return the full name of a setting that may be typed as tables head it, or without its `parameters.` in front.

    Raises:
        InputError: No record has it.
    """
    known = {"seed", "origin", "machine"} | {name for run in found.runs for name in run.settings}
    headed = {heading: name for name, heading in HEADINGS.items()}
    prefixes = ("parameters.", "noise_parameters.", "versions.")
    for name in (typed, *(prefix + typed for prefix in prefixes), headed.get(typed)):
        if name in known:
            return name
    if not found.runs:
        return typed
    raise InputError(
        f"No result has the setting {typed!r}.{nearest(typed, known)} There are: {', '.join(sorted(known))}."
    )
