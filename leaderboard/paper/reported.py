"""Numbers that papers report, as data with their source; they are never ranked together with measured ones."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from gridbench.leaderboard.tables.cells import Cell, order_of

__all__ = ["Reported", "own_spread", "reported_beside", "reported_numbers"]


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
        """Tell whether a measured cell is of the same data set, metric, method, loss, rate and parameters."""
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
    """Return the number that a paper reports for a cell, from its comparison of methods where it is there."""
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
