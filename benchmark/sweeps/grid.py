"""Grid sweeps: expand a one-line declaration to runs, skipping those that are already done."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from gridbench.config import FIELDS, RunConfig, is_switch, make_config
from gridbench.core.percent import is_plain_number
from gridbench.errors import InputError, nearest
from gridbench.methods.base import Loss, Method
from gridbench.methods.pairing import losses_of, usual_loss
from gridbench.noise.core.model import UnsuitableNoise
from gridbench.parameters import describe
from gridbench.plan import Plan, make_plan
from gridbench.records.record import StoredRun, read_record
from gridbench.registry import LOSSES, METHODS

__all__ = [
    "AXES",
    "RECIPE",
    "Item",
    "Sweep",
    "expand",
    "make_sweep",
    "pair_of",
    "refusal",
    "seeds_of",
    "several",
    "values_of",
]

RECIPE = tuple(
    name
    for name, shown in FIELDS.items()
    if shown.group == "recipe" and name != "seed" and not is_switch(name)
)
"""Settings of the recipe that may be given as lists, and that a selection may choose."""

AXES = ("dataset", "method", "loss", "noise", "slnir", "distance", *RECIPE, "seed")
"""Settings that may be given as lists, in the order in which they vary, the last one fastest."""

NAMED = ("dataset", "noise", "distance", *RECIPE)
"""Settings that tell runs apart only where a sweep has several of them."""

MOST_VALUES = 10_000
"""A longer range or number of seeds is a slip."""


@dataclass(frozen=True)
class Item:
    """One run of a sweep: its plan, its stored record if any, the given parameters, and the settings that vary."""

    plan: Plan
    stored: StoredRun | None
    parameters: Mapping[str, Any]
    varied: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """done, failed, incomplete, corrupt, or new."""
        return self.stored.state if self.stored else "new"

    @property
    def label(self) -> str:
        """Short description of the run."""
        c = self.plan.config
        loss = f"+{c.loss}" if c.loss and c.loss != c.method else ""
        given = ",".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in sorted(self.parameters.items())
        )
        words = [f"{c.method}{loss} slnir {c.slnir} seed {c.seed}", *self.varied, given]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep, and the excluded combinations with the reason for each."""

    items: tuple[Item, ...]
    left_out: tuple[tuple[str, str], ...]

    def todo(self, retry_failed: bool) -> list[Item]:
        """Return the runs to compute; failed runs are included only if `retry_failed` is set."""
        skip = {"done"} if retry_failed else {"done", "failed"}
        return [item for item in self.items if item.state not in skip]


def values_of(text: str) -> list[str]:
    """Expand `a,b,c` and `start:stop:step` (both ends included, exact decimals) into their values.

    A value that lies in two ranges, or in a range and in the list, counts once.

    Raises:
        InputError: A value is empty or written twice, or a range is not three numbers or never ends.
    """
    return _expanded([text])


def several(name: str, given: Any) -> list[str]:
    """Return the values of one setting, given as one value, a text with commas and ranges, or a list of such.

    Args:
        name: Name of the setting, for messages.
        given: What the user wrote on the command line or in a YAML file.

    Raises:
        InputError: It is something else, empty, or has a value twice.
    """
    parts = given if isinstance(given, list) else [given]
    if not parts or any(not isinstance(part, str | int | float) for part in parts):
        raise InputError(
            f"The setting {name!r} is {given!r}; it must be a value, a list of values, or a range such as 0:60:10."
        )
    return _expanded(parts)


def seeds_of(given: Any) -> list[str]:
    """Return the seeds that are meant: 0 to N-1 for a number N, or those of a list or range.

    Raises:
        InputError: It is neither a number from 1 nor a list.
    """
    text = str(given)
    number = text.isascii() and text.isdecimal()
    if isinstance(given, bool | float) or (number and not 1 <= int(text) <= MOST_VALUES):
        raise InputError(
            f"--seeds is {given}; it must be a number from 1 to {MOST_VALUES}, or a list such as 0,3,7."
        )
    return [str(seed) for seed in range(int(text))] if number else several("seeds", given)


def expand(axes: Mapping[str, Sequence[str]], base: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings of every combination: the product of the axes over the base.

    Args:
        axes: Name of a setting, or `parameters.NAME`, -> its values.
        base: Settings that all runs share.
    """
    names = list(axes)
    for combination in itertools.product(*axes.values()):
        values = dict(base)
        values["parameters"] = dict(base.get("parameters") or {})
        for name, value in zip(names, combination, strict=True):
            if name.startswith("parameters."):
                values["parameters"][name.removeprefix("parameters.")] = value
            else:
                values[name] = value
        yield values


def make_sweep(
    settings: Iterable[dict[str, Any]],
    runs: Path,
    cache: Path,
    progress: Any = None,
    settle: Callable[[RunConfig], RunConfig] | None = None,
) -> Sweep:
    """Plan every combination, drop incompatible ones and duplicates, and look up existing records.

    A parameter is dropped for the methods that do not have it; it must be known to at least one of them. A noise model
    that does not corrupt the labels which a loss learns from is left out with that loss.

    Args:
        settings: Settings of each run, as `expand` gives them.
        runs: Folder of records.
        cache: Folder of packed archives.
        progress: Progress callback for building an archive.
        settle: Puts a value in place of every `auto`; None where there is none.

    Raises:
        InputError: A name or a value is wrong, or nothing is left to run.
    """
    items: dict[str, Item] = {}
    left_out: list[tuple[str, str]] = []
    known: set[str] = set()
    asked: set[str] = set()
    settings = list(settings)
    several_of = [name for name in NAMED if len({str(values.get(name)) for values in settings}) > 1]
    for values in settings:
        asked |= set(values["parameters"])
        values = {**values, "parameters": _own(values, known)}
        config = make_config(values)
        reason = refusal(config.method, config.loss)
        if reason:
            left_out.append((f"{config.method} with {config.loss}", reason))
            continue
        try:
            plan = make_plan(settle(config) if settle else config, cache, progress)
        except UnsuitableNoise as error:
            left_out.append((f"{config.noise} with {config.loss or config.method}", str(error)))
            continue
        folder = runs / plan.folder_name
        stored = read_record(folder) if folder.exists() else None
        varied = tuple(_said(name, getattr(plan.config, name)) for name in several_of)
        items.setdefault(plan.id, Item(plan, stored, config.parameters, varied))
    if asked - known:
        name = min(asked - known)
        raise InputError(
            f"No method of this sweep has the parameter {name!r}.{nearest(name, sorted(known))} "
            f"There are: {', '.join(sorted(known)) or 'none'}."
        )
    if not items:
        reasons = "; ".join(f"{what}: {why}" for what, why in dict(left_out).items())
        raise InputError(f"Nothing is left to run. {reasons}")
    return Sweep(tuple(items.values()), tuple(dict.fromkeys(left_out)))


def _said(name: str, value: Any) -> str:
    """Return a value as it distinguishes runs in a list; numbers and words of the recipe with their name."""
    if name in ("dataset", "noise", "backbone", "distance"):
        return str(value)
    return f"{name.replace('_', ' ')} {FIELDS[name].unset if value is None else value}"


def pair_of(
    method: str | None, loss: str | None, level: str | None = None
) -> tuple[type[Method], type[Loss] | None]:
    """Look up a method and the loss that it trains with, its own at the level of labels where none is named."""
    found: type[Method] = METHODS.get(method or RunConfig().method)
    loss = loss or usual_loss(found, level)
    return found, LOSSES.get(loss) if loss else None


def refusal(method: str, loss: str | None) -> str:
    """Return why a method and a loss are incompatible; empty if they are compatible."""
    losses = losses_of(METHODS.get(method))
    if loss is None or loss in losses:
        return ""
    return f"it supports {', '.join(losses) or 'no loss'}"


def _own(values: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Keep the parameters that the method or its loss has, and note which these are."""
    names = {
        row[0]
        for part in pair_of(values.get("method"), values.get("loss"), values.get("level"))
        if part is not None
        for row in describe(part.Parameters)
    }
    known |= names
    return {name: value for name, value in values["parameters"].items() if name in names}


def _expanded(given: Sequence[Any]) -> list[str]:
    written: set[Any] = set()
    values: list[str] = []
    text = ",".join(map(str, given))
    for part in text.split(","):
        part = part.strip()
        if not part:
            raise InputError(
                f"The list {text!r} has an empty value; give every value once, separated by one comma."
            )
        if part.count(":") == 2:
            values.extend(_range(part))
            continue
        # 30 and 30.0 are the same value. A repeated value is most likely a typo for another one.
        number = Decimal(part) if is_plain_number(part) else part
        if number in written:
            raise InputError(f"The list {text} has {part} twice; give each value once.")
        written.add(number)
        values.append(part)
    return list(dict.fromkeys(values))


def _range(text: str) -> list[str]:
    try:
        parts = text.split(":")
        if not all(map(is_plain_number, parts)):
            raise ValueError(text)
        start, stop, step = map(Decimal, parts)
    except ValueError:
        raise InputError(f"A range is start:stop:step, such as 0:60:10; got {text!r}.") from None
    if step <= 0 or stop < start:
        raise InputError(f"The range {text!r} has no values; it must rise from start to stop.")
    count = int((stop - start) // step) + 1
    if count > MOST_VALUES:
        raise InputError(f"The range {text!r} has {count:,} values; at most {MOST_VALUES:,} are allowed.")
    return [format((start + index * step).normalize(), "f") for index in range(count)]
