"""One finished run in the leaderboard: settings, metrics and costs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

from gridbench.leaderboard.records.metric_info import unit_of
from gridbench.records.record import StoredRun

__all__ = ["COSTS", "REFERENCES", "Run", "Setting", "is_hash"]

Setting = str | int | float | bool | None

COSTS = ("seconds/", "memory/")
"""What the names of costs begin with: they are read only when they are asked for, and rank nothing."""

REFERENCES = frozenset({"oracle", "random", "untrained"})
"""The built-in methods that do not learn from corrupted labels; tests compare this with their classes."""

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        id: Hash of everything that can change the run's numbers.
        cell: The same without the seed.
        seed: The seed.
        settings: Every resolved field of the configuration but the seed, nested names joined by dots, with
            the versions, the fingerprint of the data and the hash of a plug-in.
        metrics: Name -> recorded value; rates are fractions.
        reference: Whether it is a row that only gives the others a scale (oracle, untrained, random).
        note: Footnote of the method in every table.
        origin: Name of the bundle from which it was imported; empty for the user's own runs.
        stored: The record, for its history and the like.
    """

    id: str
    cell: str
    seed: int
    settings: Mapping[str, Setting]
    metrics: Mapping[str, float]
    reference: bool
    note: str
    origin: str
    stored: StoredRun

    @property
    def machine(self) -> str:
        """The machine that computed it, by the label under which runs pair; `not recorded` where none is."""
        return self.stored.machine

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """Versions, device and times of the run; empty if they cannot be read."""
        try:
            environment: Any = self.stored.environment()
        except (OSError, ValueError):
            return {}
        return environment if isinstance(environment, Mapping) else {}

    def metric(self, name: str) -> float | None:
        """Return a metric, or a cost such as `seconds/training`, for which the environment is read; None without."""
        if name in self.metrics or not name.startswith(COSTS):
            return self.metrics.get(name)
        return self.costs().get(name)

    def costs(self) -> dict[str, float]:
        """Return `seconds/<phase>`, `seconds/total` and `memory/peak` (bytes), as far as the environment has them.

        The parts of training (data, forward, backward, ...) are included; the total counts them once, as training.
        """
        spent, held, profile = (self.environment.get(n) for n in ("seconds", "peak_memory", "profile"))
        parts = profile.get("seconds") if isinstance(profile, Mapping) else None
        found = _seconds(spent)
        if found:
            found = {**_seconds(parts), **found, "seconds/total": math.fsum(found.values())}
        return {**found, "memory/peak": float(held)} if _is_amount(held) else found

    def value(self, name: str) -> Setting:
        """Return a setting, the seed, the origin or the machine by name."""
        if name in ("seed", "origin", "machine"):
            own: Setting = getattr(self, name)
            return own
        return self.settings.get(name)

    def implausible(self) -> Iterator[str]:
        """Yield what cannot be of a record whose files are whole."""
        if not is_hash(self.id) or not is_hash(self.cell):
            yield "its id is not a hash"
        rate = float(str(self.settings["slnir"]))
        if not 0 <= rate <= 100:
            yield f"its slnir is {rate:g}; allowed is 0 to 100"
        method = self.settings["method"]
        of_plugin = self.settings.get("plugin") is not None and "versions.reference" in self.settings
        if self.reference != (method in REFERENCES or of_plugin):
            yield f"it says that {method} is {'a' if self.reference else 'no'} reference row"
        for metric, value in self.metrics.items():
            # Means of rates are rounded.
            if unit_of(metric).recorded == "fraction" and value > 1 + 1e-6:
                yield f"its {metric} is {value:g}, but a share is at most 1"
            if unit_of(metric).recorded == "percent" and value > 100:
                yield f"its {metric} is {value:g} %"


def is_hash(value: object) -> bool:
    """Return whether a value is a sha256 in hexadecimal."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _seconds(phases: object) -> dict[str, float]:
    """Return `seconds/<phase>` of an environment, without values that are not an amount of time."""
    seconds = phases if isinstance(phases, Mapping) else {}
    return {f"seconds/{phase}": float(value) for phase, value in seconds.items() if _is_amount(value)}


def _is_amount(value: object) -> TypeGuard[float]:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    )
