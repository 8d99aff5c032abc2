"""Reported numbers as sheets: by themselves, or beside what was measured."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby

from gridbench.leaderboard.paper.reported import Reported, own_spread, reported_beside, reported_numbers
from gridbench.leaderboard.records.metric_info import shown
from gridbench.leaderboard.tables.cells import Cell
from gridbench.leaderboard.tables.sheet import Line, Mark, Sheet
from gridbench.leaderboard.tables.table import Table
from gridbench.leaderboard.tables.text import number as written

__all__ = ["against_reported", "reported_sheets"]


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
            Line(row, tuple(Mark(f"{values[rate]:.1f}") for rate in rates)) for row, values in rows.items()
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
        measured = Mark(written(cell.mean, table.unit), written(cell.std, table.unit), f"(n = {cell.n})")
        difference = f"{shown(cell.mean, table.unit) - number.value:+.1f}".replace("-", "−")
        spread = own_spread(number)
        texts = [f"{number.value:.1f}", difference, "" if spread is None else f"{spread:.1f}"]
        lines.append(
            Line(
                (cell.text("method"), cell.text("loss"), cell.text("slnir"), f"Table {number.table}"),
                (measured, *map(Mark, texts)),
            )
        )
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
