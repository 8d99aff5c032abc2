"""The methods elsewhere: under other kinds of noise, on other archives and on other machines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from pages.archives import other_archives
from pages.comparison import MAP, RATES, REFERENCES, SCENE
from pages.evidence import (
    ASL,
    AUTO,
    BCE,
    DEFAULT,
    ELR,
    FL,
    JOCOR,
    OTHER_INSTRUCTIONS,
    RESOLVED,
    TEST,
    Records,
    Where,
    compared,
    prose,
    table,
    told,
)
from pages.gains import OTHER_NOISE, OTHER_RATE
from pages.scored import Rows, minus_plain, orders, scores

TWICE: Mapping[str, Where] = {
    "bce": BCE,
    "fl": FL,
    "asl": ASL,
    "elr": ELR,
    "jocor": JOCOR,
    "grid": DEFAULT,
    "grid_auto": AUTO,
}
"""Method -> its cell among the records of the leaderboard and of the studies."""


def other_conditions(baselines: Records) -> list[str]:
    """Return the page; its records are those of several labels, of other archives, and of the leaderboard."""
    records, names = SCENE.records, SCENE.names
    lines = prose(
        "# Other conditions: other noise, another archive, another machine",
        "The methods for several labels per image ([under the paper's noise](several-labels.md)) where something else "
        "is different: the kind of noise, the archive, or the machine; in places the leading ones alone. Percent, mean "
        "± sample standard deviation over n seeds; every method at its documented defaults, ordered as on that page, "
        "which also explains the columns.",
        RESOLVED,
    )
    for noise, (title, what) in OTHER_NOISE.items():
        rows = _rows(records, names, OTHER_RATE, noise)
        lines += [f"## {title}, {OTHER_RATE} %", ""]
        lines += prose(
            f"`--noise {noise} --slnir {OTHER_RATE}`: {what[0].lower()}{what[1:]} {_machine(records, noise)}"
        )
        references = _rows(records, list(REFERENCES), OTHER_RATE, noise)
        lines += scores(records, {**rows, **references}, SCENE.scores, OTHER_RATE, noise)
        lines += [f"### Minus `bce` of the same seed, {title.lower()}", ""]
        lines += minus_plain(records, rows, "bce", SCENE.paired, OTHER_RATE, noise)
        lines += orders(records, rows, (TEST, MAP), OTHER_RATE, noise)
    return [*lines, *other_archives(), *_other_kernels(records, baselines), *_other_instructions(records)]


def _rows(records: Records, names: list[str], rate: float, noise: str = "swap") -> Rows:
    return {name: {"method": name} for name in names if records.find(rate, noise, method=name)}


def _machine(records: Records, noise: str) -> str:
    (machine,) = {run.machine for run in records.runs if run.settings["noise"] == noise}
    return f"Computed on {machine}."


def _other_kernels(here: Records, there: Records) -> list[str]:
    """Return the section on the same runs with other kernels."""
    cells = []
    for (name, where), rate in product(TWICE.items(), RATES):
        cells.append(
            Twice(
                (name, str(rate)),
                (there.seeds(TEST, rate, **where), here.seeds(TEST, rate, method=name)),
                (there.seeds(TEST, rate, **BCE), here.seeds(TEST, rate, method=SCENE.plain)),
            )
        )
    return [
        *prose(
            "## Another machine, other kernels",
            "The records of the [leaderboard](paper/leaderboard.md) were made on a machine that was not recorded "
            "then, with images that lie contiguously and Adam unfused; those of [several labels](several-labels.md) "
            "as that page says. Images, labels, initial weights and mini-batches of one seed are the same, sums are "
            "rounded "
            "otherwise, and training carries that on. What that alone does to test NDCG@20 (here minus there, by run), "
            "and the gain over `bce` in both:",
        ),
        *_twice(cells, "SLNIR"),
    ]


def _other_instructions(here: Records) -> list[str]:
    """Return the section on the same runs on a CPU with other instructions, under the noises that both have."""
    there, plain = Records(OTHER_INSTRUCTIONS), SCENE.plain
    (machine,) = there.machines()

    def both(method: str, metric: str, noise: str) -> tuple[dict[int, float], dict[int, float]]:
        one, other = (each.seeds(metric, OTHER_RATE, noise, method=method) for each in (there, here))
        return one, other

    lines = prose(
        "## Another machine, other instructions",
        "The leading methods were run under some kinds of noise on a CPU of the same maker with AVX-512, too "
        f"({machine}), by the same commands. What that alone does (here minus there, by run), and the gain over "
        f"`{plain}` in both:",
    )
    noises = {str(run.settings["noise"]) for run in there.runs}
    for noise, (title, _) in OTHER_NOISE.items():
        if noise in noises:
            names = _rows(there, SCENE.names, OTHER_RATE, noise)
            cells = [
                Twice((name, heading), both(name, metric, noise), both(plain, metric, noise))
                for name, (heading, metric) in product(names, SCENE.paired.items())
            ]
            lines += [f"### {title} on both machines", "", *_twice(cells, "score")]
    return lines


@dataclass(frozen=True)
class Twice:
    """One cell that two machines computed.

    Attributes:
        names: The method, and what else names the cell.
        values: Seed -> value, there and here.
        plain: The same of plain training.
    """

    names: tuple[str, str]
    values: tuple[dict[int, float], dict[int, float]]
    plain: tuple[dict[int, float], dict[int, float]]

    @property
    def moved(self) -> dict[int, float]:
        """Seed -> value here minus value there."""
        there, here = self.values
        return {seed: here[seed] - there[seed] for seed in there.keys() & here.keys()}


def _twice(cells: Sequence[Twice], heading: str) -> list[str]:
    """Return the table of what a machine moves and of the gains on both, and how that compares with seeds."""
    texts = compared([list(zip(cell.values, cell.plain, strict=True)) for cell in cells])
    rows = [
        [*cell.names, told(cell.moved, n=True), *(text if cell.names[0] != SCENE.plain else ["", ""])]
        for cell, text in zip(cells, texts, strict=True)
    ]
    variances = (
        [statistics.variance(cell.moved.values()) for cell in cells],
        [statistics.variance(values.values()) for cell in cells for values in cell.values],
    )
    moved, over_seeds = (math.sqrt(statistics.mean(each)) for each in variances)
    return [
        *table(["", heading, "moved", "gain there", "gain here"], rows),
        *prose(
            f"The standard deviation of what a run moves by is {moved:.1f} points over all of these cells; that over "
            f"the seeds of a cell is {over_seeds:.1f}."
        ),
    ]
