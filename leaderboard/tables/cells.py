"""Cells: a cell averages the seeds of one configuration and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Literal

from gridbench.errors import InputError
from gridbench.leaderboard.records.command_line import setting_text
from gridbench.leaderboard.records.metric_info import METRICS
from gridbench.leaderboard.records.metric_names import HEADLINE, closest, full_name, why_missing
from gridbench.leaderboard.records.runs import Collection, Run, Setting
from gridbench.leaderboard.tables.text import clean

__all__ = [
    "HEADLINE",
    "PLACES",
    "Cell",
    "Place",
    "cells_of",
    "count_text",
    "differing",
    "metric_names",
    "order_of",
    "setting_text",
]

Place = Literal["", "best", "second"]
PLACES: tuple[Place, ...] = ("best", "second")
"""What tables mark in each column, best first."""

_OWNED = ("parameters.", "versions.method", "versions.loss", "plugin")
"""Settings that belong to a method or loss: they differ between methods by nature."""

# Settings that determine the corrupted labels; method, loss and training settings do not affect them.
_NOISE = (
    "dataset_fingerprint",
    "kind",
    "noise",
    "slnir",
    "train_size",
    "versions.noise",
    "versions.noise_files",
)


@dataclass(frozen=True)
class Cell:
    """One configuration and metric over its seeds.

    Attributes:
        metric: Name of the metric.
        values: Seed -> recorded value.
        runs: Seed -> the run, of which all but the seed is the same.
        place: Whether it is the best or the second best of its column in a table.
        gap_closed: Share (%) of the NDCG lost to noise that the method recovers; None where it is undefined.
    """

    metric: str
    values: Mapping[int, float]
    runs: Mapping[int, Run] = field(default_factory=dict, repr=False, compare=False)
    place: Place = ""
    gap_closed: float | None = None

    @cached_property
    def run(self) -> Run:
        """The run of the first seed, for what all runs of the cell share."""
        return next(iter(self.runs.values()))

    @property
    def settings(self) -> Mapping[str, Setting]:
        """The configuration without the seed."""
        return self.run.settings

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over the seeds, in the recorded unit."""
        return math.fsum(self.values.values()) / self.n

    @property
    def std(self) -> float:
        """Sample standard deviation over the seeds (ddof 1); NaN with one seed."""
        if self.n < 2:
            return math.nan
        mean = self.mean
        return math.sqrt(math.fsum((value - mean) ** 2 for value in self.values.values()) / (self.n - 1))

    @property
    def machines(self) -> dict[str, list[int]]:
        """Machine -> the seeds that it computed."""
        found: dict[str, list[int]] = {}
        for seed, run in self.runs.items():
            found.setdefault(run.machine, []).append(seed)
        return found

    def text(self, name: str) -> str:
        """Return a setting as text; the machines of all seeds, when there are several."""
        if name == "machine":
            return "; ".join(sorted(self.machines))
        return self.run.origin if name == "origin" else setting_text(self.settings.get(name))

    def paired_values(self, *others: Cell) -> dict[int, float]:
        """Return the values of the seeds that other cells have too, computed on the same machine."""
        return {
            seed: self.values[seed]
            for seed, run in self.runs.items()
            if all(seed in other.runs and other.runs[seed].machine == run.machine for other in others)
        }


def cells_of(found: Collection, metric: str | None = None) -> list[Cell]:
    """Gather finished runs into cells.

    Args:
        found: The records.
        metric: Name of the metric; None for each run's headline, `ndcg@k` with its own k.

    Returns:
        One cell per configuration that has the metric, in the order of first appearance.

    Raises:
        InputError: No run has that metric, two runs claim one seed of one cell, or runs that should have seen the same
            label noise did not.
    """
    _check_same_noise(found.runs)
    metric = None if metric is None else full_name(metric)
    grouped: dict[tuple[Any, ...], dict[int, Run]] = {}
    for run in found.runs:
        name = _resolve(run, metric)
        if run.metric(name) is None:
            continue
        seeds = grouped.setdefault((name, run.origin, run.cell, *sorted(run.settings.items())), {})
        if run.seed in seeds:
            raise InputError(
                f"Two runs claim seed {run.seed} of one cell: {seeds[run.seed].stored.folder} and "
                f"{run.stored.folder}. Move one of them away."
            )
        seeds[run.seed] = run
    if found.runs and not grouped:
        raise _no_metric(found, HEADLINE if metric is None else metric)
    return [_cell(str(key[0]), dict(sorted(seeds.items()))) for key, seeds in grouped.items()]


def _no_metric(found: Collection, metric: str) -> InputError:
    """Return the error for a metric that no run has: why, or the nearest names."""
    there = [*metric_names(found.runs), *sorted(found.runs[0].costs())]
    reasons = sorted({reason for run in found.runs if (reason := why_missing(run, metric))})
    listed = " `gridbench list metrics` says what each is."
    if reasons:
        said = "; ".join(clean(reason, 200) for reason in reasons[:3])
        return InputError(f"No result has the metric {metric!r}: {said}.{listed}")
    near = closest(metric, there) or closest(metric, [each.name for each in METRICS])
    return InputError(f"No result has the metric {metric!r}.{near}{listed}")


def _cell(metric: str, runs: Mapping[int, Run]) -> Cell:
    values = {seed: value for seed, run in runs.items() if (value := run.metric(metric)) is not None}
    return Cell(metric, values, runs)


def count_text(cells: Iterable[Cell]) -> str:
    """Say over how many seeds cells average: `n = 5`, or `n = 3 to 5`."""
    counts = sorted({cell.n for cell in cells})
    return " to ".join(["n = " + str(counts[0]), *map(str, counts[1:][-1:])])


def metric_names(runs: Iterable[Run]) -> list[str]:
    """List every metric that some run has, in alphabetical order."""
    return sorted({name for run in runs for name in run.metrics})


def differing(cells: Sequence[Cell], besides: Iterable[str] = ("method", "loss")) -> list[str]:
    """Name the settings in which cells differ and that a table must therefore show.

    What belongs to a method or a loss (its parameters, its version, its plug-in) counts only where it differs
    within one method and loss; everything else counts where it differs at all. Reference rows that train
    nothing are compared among themselves, since their training settings mean nothing.

    Args:
        cells: The cells of one table.
        besides: Settings that the table shows anyway.

    Returns:
        Setting names, `"origin"` among them, in the order of the configuration.
    """
    shown = set(besides)
    names = dict.fromkeys(name for cell in cells for name in cell.settings)
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.text("method"), cell.text("loss")), []).append(cell)
    training = [cell for cell in cells if not (cell.run.reference and cell.settings.get("loss") is None)]
    found = []
    for name in (*names, "origin"):
        if name in shown:
            continue
        everywhere = [] if name.startswith(_OWNED) else [cells if name in ("method", "loss") else training]
        pools = [*groups.values(), *everywhere]
        if any(len({cell.text(name) for cell in pool}) > 1 for pool in pools):
            found.append(name)
    return found


def order_of(value: Setting) -> tuple[int, Decimal, str]:
    """Return a sorting key that puts numbers in numerical order before text, and missing values first."""
    if value is None or value == "":
        return (0, Decimal(0), "")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return (2, Decimal(0), str(value))
    return (1, number, "") if number.is_finite() else (2, Decimal(0), str(value))


def _resolve(run: Run, metric: str | None) -> str:
    if metric is None or metric == HEADLINE:
        return f"ndcg@{setting_text(run.settings.get('k'))}"
    if metric.endswith(f"/{HEADLINE}"):
        return f"{metric}@{setting_text(run.settings.get('k'))}"
    return metric


def _check_same_noise(runs: Iterable[Run]) -> None:
    """Refuse results of which some were made with other label noise than their settings say.

    That happens when the code of a noise model changed and its version did not: old and new results would then stand
    in one table as if nothing had happened.

    Raises:
        InputError: Two runs have the same noise settings and different noise; it names both.
    """
    seen: dict[tuple[str, ...], tuple[str, Run]] = {}
    for run in runs:
        found = run.stored.result.get("noise")
        sha256 = found.get("sha256") if isinstance(found, dict) else None
        if not isinstance(sha256, str):
            continue
        first, other = seen.setdefault(_noise_settings(run), (sha256, run))
        if first != sha256:
            raise InputError(
                f"{other.stored.folder} and {run.stored.folder} say that they saw the same label noise "
                f"({run.settings.get('noise')}, SLNIR {run.settings.get('slnir')}), and did not: their manifests have "
                f"the hashes {first[:10]} and {sha256[:10]}. One of them is from an older gridbench; move it away."
            )


def _noise_settings(run: Run) -> tuple[str, ...]:
    parameters = sorted(name for name in run.settings if name.startswith("noise_parameters."))
    seed = run.settings.get("noise_seed")
    values = [run.settings.get(name) for name in (*_NOISE, *parameters)]
    return (*map(str, values), *parameters, str(run.seed if seed is None else seed))
