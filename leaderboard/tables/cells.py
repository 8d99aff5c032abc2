"""Cells: a cell averages the seeds of one configuration and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple

from gridbench.errors import InputError, nearest
from gridbench.leaderboard.records.runs import Collection, Run, Setting
from gridbench.leaderboard.records.same_noise import check_same_noise

__all__ = ["HEADLINE", "Cell", "cells_of", "differing", "metric_names", "order_of", "setting_text"]

HEADLINE = "ndcg"
"""The metric's name that stands for NDCG at each run's own cut-off k."""

_OWNED = ("parameters.", "versions.method", "versions.loss", "plugin")
"""Settings that belong to a method or loss: they differ between methods by nature."""


@dataclass(frozen=True)
class Cell:
    """One configuration and metric over its seeds.

    Attributes:
        key: Hash of the configuration without the seed.
        metric: Name of the metric.
        settings: The configuration without the seed.
        values: Seed -> recorded value.
        reference: Whether it is a reference row.
        note: What every table must say of the method.
        origin: Name of the bundle it was imported from.
        runs: Seed -> the run.
        place: Whether it is the best or the second best of its column in a table.
        gap_closed: Share (%) of the NDCG lost to noise that the method recovers; None where it is undefined.
    """

    key: str
    metric: str
    settings: Mapping[str, Setting]
    values: Mapping[int, float]
    reference: bool = False
    note: str = ""
    origin: str = ""
    runs: Mapping[int, Run] = field(default_factory=dict, repr=False, compare=False)
    place: Literal["", "best", "second"] = ""
    gap_closed: float | None = None

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
        return self.origin if name == "origin" else setting_text(self.settings.get(name))

    def paired_values(self, *others: Cell) -> dict[int, float]:
        """Return the values of the seeds that other cells have too, computed on the same machine."""
        return {
            seed: self.values[seed]
            for seed, run in self.runs.items()
            if all(seed in other.runs and other.runs[seed].machine == run.machine for other in others)
        }


class _Key(NamedTuple):
    origin: str
    cell: str
    metric: str
    settings: tuple[tuple[str, Setting], ...]


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
    check_same_noise(found.runs)
    grouped: dict[_Key, dict[int, tuple[Run, float]]] = {}
    for run in found.runs:
        name = _resolve(run, metric)
        value = run.metric(name)
        if value is None:
            continue
        key = _Key(run.origin, run.cell, name, tuple(sorted(run.settings.items())))
        seeds = grouped.setdefault(key, {})
        if run.seed in seeds:
            raise InputError(
                f"Two runs claim seed {run.seed} of one cell: {seeds[run.seed][0].stored.folder} and "
                f"{run.stored.folder}. Move one of them away."
            )
        seeds[run.seed] = (run, value)
    if found.runs and not grouped:
        known = [*metric_names(found.runs), *sorted(found.runs[0].costs())]
        raise InputError(
            f"No result has the metric {metric!r}.{nearest(metric or '', known)} "
            f"There are: {', '.join(known)}."
        )
    cells = []
    for key, unsorted in grouped.items():
        runs = {seed: run for seed, (run, _) in sorted(unsorted.items())}
        first = next(iter(runs.values()))
        values = {seed: unsorted[seed][1] for seed in runs}
        cells.append(
            Cell(key.cell, key.metric, first.settings, values, first.reference, first.note, key.origin, runs)
        )
    return cells


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
    training = [cell for cell in cells if not (cell.reference and cell.settings.get("loss") is None)]
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


def setting_text(value: Setting) -> str:
    """Return a setting as people write it: nothing for None, `true`, 0.001, 30."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _resolve(run: Run, metric: str | None) -> str:
    if metric is None or metric == HEADLINE:
        return f"ndcg@{setting_text(run.settings.get('k'))}"
    if metric.endswith(f"/{HEADLINE}"):
        return f"{metric}@{setting_text(run.settings.get('k'))}"
    return metric
