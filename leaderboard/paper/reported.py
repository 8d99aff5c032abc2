"""Numbers that papers report, as data with their source; they are never ranked together with measured ones."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from itertools import groupby

from gridbench.leaderboard.records.metric_info import shown
from gridbench.leaderboard.tables.cells import Cell, order_of
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell
from gridbench.leaderboard.tables.table import Table
from gridbench.leaderboard.tables.text import number as written
from gridbench.leaderboard.tables.text import signed

__all__ = [
    "Reported",
    "against_reported",
    "own_spread",
    "reported_beside",
    "reported_datasets",
    "reported_numbers",
    "reported_sheets",
]


@dataclass(frozen=True)
class Reported:
    """One number of a paper's table.

    Attributes:
        source: Short name of the paper.
        citation: Authors, title, year and place.
        table: Number of the table.
        dataset: Name of the data set.
        metric: Name of the metric.
        method: Name of the method.
        loss: Name of the loss.
        slnir: Noise rate in percent.
        value: The number in percent, as printed.
        parameters: Parameters that the paper states for it.
        sensitivity: Whether the table varies a parameter, rather than comparing methods.
    """

    source: str
    citation: str
    table: str
    dataset: str
    metric: str
    method: str
    loss: str
    slnir: str
    value: float
    parameters: Mapping[str, float] = field(default_factory=dict)
    sensitivity: bool = False

    def fits(self, cell: Cell) -> bool:
        """Return whether a measured cell is of the same data set, metric, method, loss, rate and parameters."""
        stated = {f"parameters.{name}": value for name, value in self.parameters.items()}
        return (
            (self.dataset, self.metric) == (cell.text("dataset"), cell.metric)
            and (self.method, self.loss) == (cell.text("method"), cell.text("loss"))
            and order_of(self.slnir) == order_of(cell.text("slnir"))
            and all(order_of(value) == order_of(cell.settings.get(name)) for name, value in stated.items())
        )


@cache
def reported_numbers() -> tuple[Reported, ...]:
    """Return every reported number that ships with gridbench, in the papers' order."""
    numbers: list[Reported] = []
    folder = resources.files("gridbench.leaderboard.paper") / "numbers"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        document = json.loads(file.read_text(encoding="utf-8"))
        source = document["source"]
        citation = "{authors}, {title}, {year}, {where}".format(**source)
        for table in document["tables"]:
            methods = {(column["method"], column["loss"]) for column in table["columns"]}
            for slnir, values in table["rows"].items():
                for column, value in zip(table["columns"], values, strict=True):
                    number = Reported(
                        source["key"],
                        citation,
                        table["table"],
                        table["dataset"],
                        table["metric"],
                        column["method"],
                        column["loss"],
                        slnir,
                        value,
                        column.get("parameters", {}),
                        sensitivity=len(methods) == 1,
                    )
                    numbers.append(number)
    return tuple(numbers)


def reported_beside(cell: Cell) -> Reported | None:
    """Return the number that a paper reports for a cell, preferably from its comparison of methods."""
    fitting = [number for number in reported_numbers() if number.fits(cell)]
    return min(fitting, key=lambda number: number.sensitivity, default=None)


def own_spread(number: Reported) -> float | None:
    """Return how far a paper's two numbers for one setting are apart, in points; None when it gives only one.

    The tables over lambda repeat the comparison's settings: GRID at the chosen lambda, and plain training as
    GRID with lambda 0.
    """
    if number.sensitivity:
        return None
    plain = number.method == number.loss
    wanted = ("grid", {"lambda": 0}) if plain else (number.method, dict(number.parameters))
    for other in reported_numbers():
        same = (other.source, other.dataset, other.metric, other.loss, other.slnir)
        if (
            other.sensitivity
            and same == (number.source, number.dataset, number.metric, number.loss, number.slnir)
            and (other.method, dict(other.parameters)) == wanted
        ):
            return round(abs(other.value - number.value), 4)
    return None


def reported_datasets() -> Collection[str]:
    """Return the names of the data sets for which numbers are reported."""
    return {number.dataset for number in reported_numbers()}


def reported_sheets(datasets: Collection[str] | None = None) -> list[Sheet]:
    """Lay out every reported table, methods by noise rates, in the paper's order and without any ranking.

    Args:
        datasets: Names of the data sets; None for all.
    """
    numbers = [number for number in reported_numbers() if datasets is None or number.dataset in datasets]
    return [
        _reported(list(group))
        for _, group in groupby(numbers, key=lambda number: (number.source, number.table, number.dataset))
    ]


def _reported(numbers: Sequence[Reported]) -> Sheet:
    first = numbers[0]
    rates = list(dict.fromkeys(number.slnir for number in numbers))
    names = list(dict.fromkeys(sorted({name for number in numbers for name in number.parameters})))
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for number in numbers:
        stated = (f"{number.parameters[name]:g}" if name in number.parameters else "" for name in names)
        rows.setdefault((number.method, number.loss, *stated), {})[number.slnir] = number.value
    return Sheet(
        f"Reported, not measured: {first.dataset}, {first.source}, Table {first.table}",
        f"{first.metric} (percent) by SLNIR (%), as printed; no seeds and no spread are given",
        ("method", "loss", *names),
        tuple(rates),
        tuple(
            (row, tuple(SheetCell(f"{values[rate]:.1f}") for rate in rates)) for row, values in rows.items()
        ),
        notes=(first.citation,),
    )


def against_reported(tables: Sequence[Table]) -> list[Sheet]:
    """Lay out measured cells beside the numbers that papers report for them.

    Returns:
        One sheet per table that has such cells: measured, reported, their difference, and how far the paper's own
        two numbers for that setting are apart where it gives two.
    """
    sheets = []
    for table in tables:
        pairs = [(cell, number) for cell in table.cells if (number := reported_beside(cell)) is not None]
        if pairs:
            sheets.append(_beside(table, pairs))
    return sheets


def _beside(table: Table, pairs: Sequence[tuple[Cell, Reported]]) -> Sheet:
    lines = []
    for cell, number in pairs:
        measured = SheetCell(written(cell.mean, table.unit), written(cell.std, table.unit), f"(n = {cell.n})")
        difference = signed(shown(cell.mean, table.unit) - number.value, 1)
        spread = own_spread(number)
        texts = [f"{number.value:.1f}", difference, "" if spread is None else f"{spread:.1f}"]
        names = (cell.text("method"), cell.text("loss"), cell.text("slnir"), f"Table {number.table}")
        lines.append((names, (measured, *map(SheetCell, texts))))
    citations = dict.fromkeys(number.citation for _, number in pairs)
    return Sheet(
        f"{table.title}: measured beside reported",
        f"{table.metric} (percent); measured: mean ± sample standard deviation (ddof 1) over seeds",
        ("method", "loss", "SLNIR (%)", "reported in"),
        ("measured", "reported", "difference", "paper's own spread"),
        tuple(lines),
        notes=(
            "The paper's own spread is the distance of its two numbers for one setting, where its tables over lambda "
            "repeat the comparison; differences of about 2 points and below are within it.",
            *citations,
        ),
    )
