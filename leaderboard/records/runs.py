"""Run records for the leaderboard: settings, metrics, and the reasons why records are excluded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import Any

from gridbench.errors import InputError
from gridbench.leaderboard.bundles.checks import refuse
from gridbench.leaderboard.bundles.compact import read_compact
from gridbench.leaderboard.records.metric_info import metrics_of
from gridbench.leaderboard.records.run import COSTS, Run, Setting
from gridbench.records.record import StoredRun, imported_folders, iter_records

__all__ = [
    "COSTS", "Collection", "LeftOut", "Run", "Setting", "as_run", "collect", "flatten", "shipped_records"
]  # fmt: skip

LONGEST_NAME = 200
"""A component's name or a setting longer than this is not one that gridbench wrote."""


@dataclass(frozen=True)
class LeftOut:
    """A folder without a result, with the reason, and its settings and seed if they could be read."""

    folder: Path
    state: str
    reason: str
    settings: Mapping[str, Setting] | None = None
    seed: int | None = None


@dataclass
class Collection:
    """Everything found in a folder of records."""

    runs: list[Run] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(*places: Path) -> Collection:
    """Read every record below a folder, or in a file of compact records.

    Args:
        places: The folder that runs are written to, or a file that `gridbench leaderboard export --compact` wrote; of
            several, all are read.

    Returns:
        The finished runs in the order of their folders' names, and what was left out with the reason. A
        record that is there twice with the same numbers counts once.

    Raises:
        InputError: There is no such place, a file is refused, or one run is there twice with different numbers.
    """
    found = Collection()
    known: dict[tuple[str, str], Run] = {}
    for run in (run for place in places for run in _runs(place)):
        if isinstance(run, LeftOut):
            found.left_out.append(run)
            continue
        earlier = known.setdefault((run.origin, run.id), run)
        if earlier is run:
            found.runs.append(run)
        else:
            _same_numbers(earlier, run)
            again, first = run.stored.folder.name, earlier.stored.folder.name
            found.notes.append(f"{again} repeats {first}, number for number; counted once.")
    return found


def shipped_records(dataset: str = "bluemarble") -> Path:
    """Return the file of compact records of a data set.

    Raises:
        InputError: None ships with this version.
    """
    folder = resources.files("gridbench.leaderboard.records") / "baselines"
    file = Path(str(folder / f"{dataset}.zip"))
    if file.is_file():
        return file
    there = sorted(path.stem for path in Path(str(folder)).glob("*.zip"))
    raise InputError(
        f"No baseline records of {dataset!r} ship with this gridbench (there are: {', '.join(there) or 'none'}). "
        "Make some: gridbench sweep --method bce,grid --slnir 0,30 --seeds 5, then gridbench leaderboard export "
        "--compact --out FILE, and name that FILE with --baselines."
    )


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Setting]]:
    """Yield nested settings as (dotted name, plain value); lists become their JSON text."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, str | int | float | bool):
            yield f"{prefix}{name}", value
        else:
            yield f"{prefix}{name}", json.dumps(value)


def _runs(place: Path) -> Iterator[Run | LeftOut]:
    """Yield the records in a folder or a compact file: the user's own, without origin, then imported ones."""
    if place.is_file():
        yield from _compact(place)
        return
    if not place.is_dir():
        raise InputError(
            f"There is no folder {str(place)!r} to read results from. Name the one that holds them with "
            "--runs, or make a first result: gridbench run --method grid --loss bce --slnir 30"
        )
    for stored in iter_records(place):
        yield as_run(stored, "")
    for home in imported_folders(place):
        for stored in iter_records(home):
            yield as_run(stored, home.name)


def _compact(file: Path) -> list[Run]:
    """Return the records of a compact file, all of them or none."""
    runs, reasons = [], []
    for stored in read_compact(file):
        run = as_run(stored, stored.origin)
        if isinstance(run, LeftOut):
            reasons.append(f"{stored.folder.name}: {run.reason}")
        else:
            runs.append(run)
    if reasons:
        refuse(file, reasons)
    return runs


def as_run(stored: StoredRun, origin: str) -> Run | LeftOut:
    """Read a record as a run, or say why it is not a result: unfinished, damaged, or with values that cannot be."""
    settings: dict[str, Setting] | None = None
    seed: int | None = None
    try:
        if stored.config:
            settings, seed = _settings(stored.config)
        if stored.state != "done":
            return LeftOut(stored.folder, stored.state, stored.reason, settings, seed)
        if settings is None or seed is None:
            raise ValueError("it has no configuration")
        run = Run(
            id=_text(stored.config, "id"),
            cell=_text(stored.config, "cell"),
            seed=seed,
            settings=settings,
            metrics=metrics_of(stored.result),
            reference=bool(stored.config.get("reference", False)),
            note="; ".join(
                filter(None, (str(stored.config.get("note") or ""), _note_on_noise_rate(settings)))
            ),
            origin=origin,
            stored=stored,
        )
        wrong = next(run.implausible(), None)
        if wrong:
            raise ValueError(wrong)
        return run
    except (ValueError, KeyError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        return LeftOut(stored.folder, "corrupt", reason, settings, seed)


def _note_on_noise_rate(settings: Mapping[str, Setting]) -> str:
    """Return the footnote of a run that was given the noise rate; empty for other runs."""
    tied = [name for name, value in settings.items() if name.startswith("parameters.") and value == "slnir"]
    names = ", ".join(f"{name.removeprefix('parameters.')}=slnir" for name in tied)
    return f"given the noise rate ({names})" if tied else ""


def _settings(config: Mapping[str, Any]) -> tuple[dict[str, Setting], int]:
    for part in (config["config"], config["versions"]):
        if not isinstance(part, dict):
            raise ValueError(f"its settings or versions are of the type {type(part).__name__}")
    settings = dict(flatten(config["config"]))
    settings |= {f"versions.{name}": version for name, version in config["versions"].items()}
    settings |= {name: config.get(name) for name in ("kind", "dataset_fingerprint", "plugin")}
    seed = settings.pop("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(f"its seed is {seed!r}, not a whole number")
    if settings.get("noise_seed") == seed:
        settings["noise_seed"] = None
    for name in ("dataset", "method", "slnir"):
        if not isinstance(settings[name], str | int | float):
            raise ValueError(f"its {name} is {settings[name]!r}")
    if not _is_number(settings["slnir"]):
        raise ValueError(f"its slnir is {settings['slnir']!r}, not a number")
    for name, value in settings.items():
        if (isinstance(value, str) and len(value) > LONGEST_NAME) or len(name) > LONGEST_NAME:
            raise ValueError(f"its {name[:40]} has {len(str(value))} characters, more than {LONGEST_NAME}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"its {name} is {value}")
        if value is not None and not isinstance(value, str | int | float):
            raise ValueError(f"its {name} is of the type {type(value).__name__}")
    return settings, seed


def _is_number(value: Setting) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _text(config: Mapping[str, Any], name: str) -> str:
    value = config[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"its {name} is {value!r}")
    return value


def _same_numbers(first: Run, second: Run) -> None:
    for name in sorted({*first.metrics, *second.metrics}):
        if name.startswith(COSTS):
            continue
        one, other = first.metrics.get(name), second.metrics.get(name)
        if one != other:
            where = ""
            if first.machine != second.machine:
                where = f" One was computed on {first.machine}, the other on {second.machine}."
            raise InputError(
                f"One run is there twice with different numbers: {first.stored.folder} has {name} {one}, "
                f"{second.stored.folder} has {other}. Both claim the id {first.id[:12]}.{where} "
                "Move one of them away."
            )
