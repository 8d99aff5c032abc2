"""A sweep: a declaration in one line, expanded to runs; what is done already is never computed again."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from gridbench.config import RunConfig, make_config
from gridbench.errors import InputError
from gridbench.parameters import describe
from gridbench.plan import Plan, make_plan
from gridbench.record import StoredRun, iter_records, read_record
from gridbench.registry import LOSSES, METHODS

__all__ = ["Item", "Sweep", "estimate_seconds", "expand", "make_sweep", "values_of"]

AXES = ("method", "loss", "slnir", "seed")


@dataclass(frozen=True)
class Item:
    """One run of a sweep: its plan, what is on disk of it, and the parameters that the user gave."""

    plan: Plan
    stored: StoredRun | None
    parameters: Mapping[str, Any]

    @property
    def state(self) -> str:
        """done, failed, incomplete, corrupt, or new."""
        return self.stored.state if self.stored else "new"

    @property
    def label(self) -> str:
        """The run in a few words."""
        c = self.plan.config
        loss = f"+{c.loss}" if c.loss and c.loss != c.method else ""
        given = ",".join(f"{k}={v}" for k, v in sorted(self.parameters.items()))
        return f"{c.method}{loss} slnir {c.slnir} seed {c.seed}" + (f" {given}" if given else "")


@dataclass(frozen=True)
class Sweep:
    """The runs of a sweep, and the combinations that were left out with the reason."""

    items: tuple[Item, ...]
    left_out: tuple[tuple[str, str], ...]

    def todo(self, retry_failed: bool) -> list[Item]:
        """Return the runs to compute; failed ones only when asked for."""
        skip = {"done"} if retry_failed else {"done", "failed"}
        return [item for item in self.items if item.state not in skip]


def values_of(text: str) -> list[str]:
    """Expand `a,b,c` and `start:stop:step` (both ends included, exact decimals) into their values.

    Raises:
        InputError: A range that is not three numbers, or that never ends.
    """
    values: list[str] = []
    for part in text.split(","):
        part = part.strip()
        if not part:
            raise InputError(f"There is an empty value in {text!r}.")
        values.extend(_range(part) if part.count(":") == 2 else [part])
    return list(dict.fromkeys(values))


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


def make_sweep(settings: Iterable[dict[str, Any]], runs: Path, cache: Path, progress: Any = None) -> Sweep:
    """Plan every combination, drop what does not go together or is there twice, and look up what is done.

    A parameter is dropped for the methods that do not have it; it must be known to at least one of them.

    Raises:
        InputError: A name or a value is wrong, or nothing is left to run.
    """
    items: dict[str, Item] = {}
    left_out: list[tuple[str, str]] = []
    used: set[str] = set()
    asked: set[str] = set()
    for values in settings:
        asked |= set(values["parameters"])
        values = {**values, "parameters": _own(values, used)}
        config = make_config(values)
        reason = _refusal(config)
        if reason:
            left_out.append((f"{config.method} with {config.loss}", reason))
            continue
        plan = make_plan(config, cache, progress)
        folder = runs / plan.folder_name
        items.setdefault(
            plan.id, Item(plan, read_record(folder) if folder.exists() else None, config.parameters)
        )
    if asked - used:
        raise InputError(f"No method of this sweep has the parameter {sorted(asked - used)[0]!r}.")
    if not items:
        reasons = "; ".join(f"{what}: {why}" for what, why in dict(left_out).items())
        raise InputError(f"Nothing is left to run. {reasons}")
    return Sweep(tuple(items.values()), tuple(dict.fromkeys(left_out)))


def estimate_seconds(items: Iterable[Item], runs: Path) -> float | None:
    """Estimate the computing time of runs from finished ones of the same data set, method and backbone.

    Returns:
        Seconds if one run at a time were computed; None when a method was never measured here.
    """
    measured: dict[tuple[Any, ...], list[float]] = {}
    for stored in iter_records(runs):
        if stored.state == "done":
            seconds = sum(stored.environment()["seconds"].values())
            config = stored.config["config"]
            measured.setdefault(_kind(config), []).append(seconds / max(config["epochs"], 1))
    total = 0.0
    for item in items:
        known = measured.get(_kind(item.plan.config.canonical()))
        if known is None:
            return None
        total += statistics.median(known) * (item.plan.config.epochs or 0)
    return total


def _kind(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(
        config[name] for name in ("dataset", "method", "loss", "backbone", "train_size", "batch_size")
    )


def _own(values: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    """Keep the parameters that the method or its loss has, and note them as used."""
    method = METHODS.get(values.get("method") or RunConfig().method)
    names = {row[0] for row in describe(method.Parameters)}
    if values.get("loss"):
        names |= {row[0] for row in describe(LOSSES.get(values["loss"]).Parameters)}
    own = {name: value for name, value in values["parameters"].items() if name in names}
    used |= set(own)
    return own


def _refusal(config: RunConfig) -> str:
    """Say why a method and a loss do not go together; empty when they do."""
    method = METHODS.get(config.method)
    if config.loss is None or method.losses == ("*",) or config.loss in method.losses:
        return ""
    return f"it goes with {', '.join(method.losses) or 'no loss'}"


def _range(text: str) -> list[str]:
    try:
        start, stop, step = (Decimal(part) for part in text.split(":"))
    except InvalidOperation:
        raise InputError(f"A range is start:stop:step, such as 0:60:10; got {text!r}.") from None
    if not all(number.is_finite() for number in (start, stop, step)) or step <= 0 or stop < start:
        raise InputError(f"The range {text!r} has no values; it must rise from start to stop.")
    count = int((stop - start) // step) + 1
    if count > 10_000:
        raise InputError(f"The range {text!r} has {count} values.")
    return [format((start + index * step).normalize(), "f") for index in range(count)]
