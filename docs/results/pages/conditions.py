"""The methods elsewhere: under other kinds of noise, and the leading ones on other archives and another machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
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
    return [*lines, *other_archives(), *_other_arithmetic(records, baselines)]


def _rows(records: Records, names: list[str], rate: float, noise: str = "swap") -> Rows:
    return {name: {"method": name} for name in names if records.find(rate, noise, method=name)}


def _machine(records: Records, noise: str) -> str:
    (machine,) = {run.machine for run in records.runs if run.settings["noise"] == noise}
    return f"Computed on {machine}."


def _other_arithmetic(here: Records, there: Records) -> list[str]:
    """Return the section on the same runs with sums that are rounded otherwise."""
    gains, cells, moved, over_seeds = [], [], [], []
    for (name, where), rate in product(TWICE.items(), RATES):
        pair = [
            records.seeds(TEST, rate, **each) for records, each in ((there, where), (here, {"method": name}))
        ]
        change = {seed: pair[1][seed] - pair[0][seed] for seed in pair[0].keys() & pair[1].keys()}
        plain = [records.seeds(TEST, rate, **BCE) for records in (there, here)]
        cells.append([name, str(rate), told(change, n=True)])
        gains.append(list(zip(pair, plain, strict=True)))
        moved.append(statistics.variance(change.values()))
        over_seeds += [statistics.variance(each.values()) for each in pair]
    texts = compared(gains)
    rows = [
        [*cell, *(text if cell[0] != "bce" else ["", ""])] for cell, text in zip(cells, texts, strict=True)
    ]
    sds = [math.sqrt(statistics.mean(each)) for each in (moved, over_seeds)]
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
        *table(["", "SLNIR", "moved", "gain there", "gain here"], rows),
        *prose(
            f"The standard deviation of what a run moves by is {sds[0]:.1f} points over all of these cells; that over "
            f"the seeds of a cell is {sds[1]:.1f}."
        ),
    ]
