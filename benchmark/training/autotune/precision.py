"""Measured choice of precision and memory format for settings that are `auto`.

The fastest choice for the backbone and the device replaces `auto` before the identity of the run is computed. A run
that has already started keeps its choice when it is resumed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from gridbench.config import RunConfig
from gridbench.core.environment import describe_environment
from gridbench.core.machine import machine_label
from gridbench.datasets.dataset import Progress
from gridbench.errors import counted
from gridbench.plan import Plan, make_plan
from gridbench.records.record import read_record
from gridbench.training.autotune import machine_cache
from gridbench.training.autotune.step_time import step_times
from gridbench.training.building import spec_of

__all__ = ["Chooser", "plainest_fast"]

FILE = "speed.json"
WORTH = 1.03
"""A choice at most this many times as slow as the fastest is as good: the plainest of these is taken."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "precision": ("float32", "bfloat16"),
    "memory_format": ("contiguous", "channels_last"),
}
"""Candidates of each `auto` setting, the default first."""


@dataclass
class Chooser:
    """Resolves the `auto` settings of runs.

    Attributes:
        runs: Folder of records, searched for runs that have already started.
        cache: Folder of packed archives, which also stores the measurements of this machine.
        device: Device on which the runs will be computed.
        say: Called with the table of measurements and the choice.
        building: Progress callback for building an archive.
        documents: Identity of a run -> how its settings were chosen, for its environment.json.
    """

    runs: Path
    cache: Path
    device: torch.device
    say: Callable[[str], None]
    building: Progress | None = None
    documents: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    _announced: set[str] = field(default_factory=set, init=False)

    def settle(self, config: RunConfig) -> RunConfig:
        """Return the settings with every `auto` replaced by the chosen value.

        Raises:
            InputError: The run cannot be planned, or its backbone cannot be built.
        """
        asked = config.undecided
        if not asked:
            return config
        configs = [
            RunConfig(**{**config.model_dump(), **dict(zip(asked, values, strict=True))})
            for values in itertools.product(*(VALUES[name] for name in asked))
        ]
        known = {_name(each): each for each in configs}
        plans = {name: make_plan(each, self.cache, self.building) for name, each in known.items()}
        chosen, how, times = (
            self._begun(plans),
            "kept: the run was begun with it",
            self._measured_before(plans),
        )
        if chosen is None:
            how = "measured before" if times else "measured now"
            times = times or self._measured(plans)
            chosen = plainest_fast(times)
        self._tell(plans[chosen], chosen, how, times)
        self.documents[plans[chosen].id] = {
            "asked": list(asked),
            "chosen": chosen,
            "how": how,
            "ms_per_step": {name: round(1000 * seconds, 3) for name, seconds in times.items()},
        }
        return known[chosen]

    def _begun(self, plans: Mapping[str, Plan]) -> str | None:
        """Return the choice for which a run folder exists, preferring a finished run."""
        there = {}
        for name, plan in plans.items():
            folder = self.runs / plan.folder_name
            stored = read_record(folder) if folder.exists() else None
            if stored is not None and stored.id == plan.id:
                there[name] = stored.state
        return min(there, key=lambda name: there[name] != "done", default=None)

    def _measured_before(self, plans: Mapping[str, Plan]) -> dict[str, float]:
        """Return cached step times of these choices; empty if the cache entry is missing or invalid."""
        known = machine_cache.get(self.cache / FILE, self._key(plans))
        if not isinstance(known, dict) or not known.keys() <= plans.keys():
            return {}
        times = {name: known[name] for name in plans if name in known}
        return times if all(isinstance(seconds, float) and seconds > 0 for seconds in times.values()) else {}

    def _measured(self, plans: Mapping[str, Plan]) -> dict[str, float]:
        """Measure the step time of every choice and cache the results."""
        plan = next(iter(plans.values()))
        batch = min(plan.config.batch_size or 2, len(plan.archive.indices("train")))
        specs = {name: spec_of(plan) for name, plan in plans.items()}
        rounds = step_times(specs, batch, self.device)
        times = {name: statistics.median(seconds) for name, seconds in rounds.items()}
        machine_cache.put(self.cache / FILE, self._key(plans), times)
        return times

    def _key(self, plans: Mapping[str, Plan]) -> str:
        """Return the cache key: a hash of the machine, torch, the backbone and the size of a mini-batch."""
        plan = next(iter(plans.values()))
        spec = replace(spec_of(plan), weights=None, pretrained=False)
        machine = describe_environment(self.device)
        facts = [
            *(machine_label(machine["machine"]), machine["cores"], machine["packages"]["timm"]),
            *(repr(spec), plan.config.batch_size, sorted(plans)),
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]

    def _tell(self, plan: Plan, chosen: str, how: str, times: Mapping[str, float]) -> None:
        """Report the measurements and the choice, omitting repeated messages."""
        config = plan.config
        threads = f", {counted(torch.get_num_threads(), 'thread')}" if self.device.type == "cpu" else ""
        lines = [f"{config.backbone}, batch {config.batch_size}, {self.device}{threads} ({how}):"]
        plainest = next(iter(times.values()), 0.0)
        lines += [
            f"  {name:26} {1000 * seconds:9.1f} ms per step  {plainest / seconds:5.2f}x"
            for name, seconds in times.items()
        ]
        text = "\n".join([*lines, f"Chosen: {chosen}."])
        if text not in self._announced:
            self._announced.add(text)
            self.say(text)


def plainest_fast(times: Mapping[str, float]) -> str:
    """Return the first choice that is within 3 % of the fastest; the default choice comes first.

    Args:
        times: Choice -> seconds per step; must not be empty.
    """
    fastest = min(times.values())
    return next(name for name, seconds in times.items() if seconds <= WORTH * fastest)


def _name(config: RunConfig) -> str:
    return f"{config.precision} {config.memory_format or 'contiguous'}"
