"""A paper's table laid out as it is printed, three times: measured here, reported there, and the difference."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gridbench.leaderboard.figures.histories import Band, band_of
from gridbench.leaderboard.paper.reported import Reported, own_spread, reported_numbers
from gridbench.leaderboard.records.metric_info import shown, unit_of
from gridbench.leaderboard.tables.cells import Cell, order_of
from gridbench.leaderboard.tables.matching import Counterparts
from gridbench.leaderboard.tables.sheet import Line, Mark, Sheet
from gridbench.leaderboard.tables.table import Table
from gridbench.leaderboard.tables.text import number as written

__all__ = ["detection_sheets", "loss_sheets", "paper_sheets"]

LOSSES = {
    "discriminative_loss": "discriminative head, all samples",
    "generative_loss": "generative head, all samples",
    "hybrid_loss": "hybrid: one head for each sample",
}
"""Entry of the history -> what it is the loss of (Fig. 7)."""

Column = tuple[str, str, tuple[tuple[str, float], ...]]


def paper_sheets(roman: str, tables: Sequence[Table], comparable: bool) -> list[Sheet]:
    """Lay measured cells out as the paper prints its table, with the paper's own numbers after them.

    Args:
        roman: Number of the paper's table.
        tables: What was measured.
        comparable: Whether it was measured on the paper's archive; differences are shown only then.

    Returns:
        Measured, reported, and the difference; without an archive to compare on, what noise cost in each instead.
    """
    numbers = [number for number in reported_numbers() if number.table == roman]
    reported = {(_column(number), number.slnir): number for number in numbers}
    columns = list(dict.fromkeys(column for column, _ in reported))
    rates = list(dict.fromkeys(rate for _, rate in reported))
    cells = [cell for table in tables for cell in table.cells]
    measured = {
        (column, rate): cell
        for column in columns
        for rate in rates
        for cell in cells
        if _fits(cell, column, rate)
    }
    names = _headings(columns)
    sheets = [
        _measured(tables, measured, columns, rates, names),
        _reported(numbers, reported, columns, rates, names),
    ]
    if comparable:
        sheets.append(_difference(numbers, measured, reported, columns, rates, names))
    else:
        sheets.append(_cost(numbers, measured, reported, columns, rates, names))
    return sheets


def detection_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """Tabulate the last points of the detection curves: the method, top-k by loss of the plain model, and chance."""
    sheets = []
    for table in tables:
        known = Counterparts(table.cells)
        lines: dict[str, dict[str, Mark]] = {}
        for row in table.rows:
            for column, cell in zip(table.columns, (entry.cell for entry in row.entries), strict=True):
                band = band_of(cell, "detection", "precision") if cell else None
                if cell is None or band is None:
                    continue
                plain = known.plain(cell)
                plain_name = plain.text("method") if plain else "plain training"
                beside = {
                    " · ".join(row.names): band,
                    f"top-k by loss of {plain_name}": (
                        band_of(plain, "loss_detection", "precision") if plain else None
                    ),
                    "random (share of noisy samples)": band_of(cell, "detection", "prevalence"),
                }
                for name, own in beside.items():
                    if own is not None:
                        lines.setdefault(name, {})[column] = _last(own, cell.n)
        columns = [column for column in table.columns if any(column in marks for marks in lines.values())]
        if lines:
            sheets.append(
                Sheet(
                    f"{table.title}: noisy samples found, last epoch",
                    f"truly noisy among those taken for noisy (percent) by {table.over}; {table.caption}",
                    ("taken for noisy by",),
                    tuple(columns),
                    tuple(
                        Line((name,), tuple(marks.get(column, Mark("—", faint=True)) for column in columns))
                        for name, marks in lines.items()
                    ),
                )
            )
    return sheets


def loss_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """Tabulate the last points of the loss curves: both heads on all samples, and the hybrid."""
    sheets = []
    for table in tables:
        lines: dict[tuple[str, str], dict[str, Mark]] = {}
        for row in table.rows:
            for column, cell in zip(table.columns, (entry.cell for entry in row.entries), strict=True):
                for name, words in LOSSES.items():
                    band = band_of(cell, name) if cell else None
                    if cell is not None and band is not None:
                        mark = _last(band, cell.n, 1, 3)
                        lines.setdefault((" · ".join(row.names), words), {})[column] = mark
        if lines:
            sheets.append(
                Sheet(
                    f"{table.title}: losses, last epoch",
                    f"mean loss by {table.over}; {table.caption}",
                    ("method", "loss of"),
                    table.columns,
                    tuple(
                        Line(
                            names, tuple(marks.get(column, Mark("—", faint=True)) for column in table.columns)
                        )
                        for names, marks in lines.items()
                    ),
                )
            )
    return sheets


def _last(band: Band, n: int, scale: float = 100, decimals: int = 1) -> Mark:
    at = max(at for at, value in enumerate(band.mean) if math.isfinite(value))
    spread = f"{scale * band.std[at]:.{decimals}f}" if n > 1 else ""
    return Mark(f"{scale * band.mean[at]:.{decimals}f}", spread)


def _column(number: Reported) -> Column:
    return number.method, number.loss, tuple(sorted(number.parameters.items()))


def _fits(cell: Cell, column: Column, rate: str) -> bool:
    method, loss, parameters = column
    return (
        (cell.text("method"), cell.text("loss")) == (method, loss)
        and order_of(cell.text("slnir")) == order_of(rate)
        and all(
            order_of(cell.settings.get(f"parameters.{name}")) == order_of(value) for name, value in parameters
        )
    )


def _headings(columns: Sequence[Column]) -> list[str]:
    """Name the columns by what tells them apart: the parameter, or method and loss."""
    if len({(method, loss) for method, loss, _ in columns}) == 1:
        return [" ".join(f"{name} {value:g}" for name, value in parameters) for _, _, parameters in columns]
    return [method if method == loss else f"{method} ({loss})" for method, loss, _ in columns]


def _lines(
    rates: Sequence[str], columns: Sequence[Column], marks: dict[tuple[Column, str], Mark]
) -> tuple[Line, ...]:
    nothing = Mark("—", faint=True)
    return tuple(
        Line((rate,), tuple(marks.get((column, rate), nothing) for column in columns)) for rate in rates
    )


def _measured(
    tables: Sequence[Table],
    cells: dict[tuple[Column, str], Cell],
    columns: Sequence[Column],
    rates: Sequence[str],
    names: Sequence[str],
) -> Sheet:
    unit = tables[0].unit
    expected = max((len(table.seeds) for table in tables), default=0)
    marks = {}
    for rate in rates:
        own = {column: cells[column, rate] for column in columns if (column, rate) in cells}
        full = [cell for cell in own.values() if cell.n == expected]
        best = max((round(shown(cell.mean, unit), unit.decimals) for cell in full), default=math.nan)
        for column, cell in own.items():
            extra = f"({cell.n}/{expected})" if cell.n < expected else ""
            top = len(own) > 1 and cell.n == expected and round(shown(cell.mean, unit), unit.decimals) == best
            marks[column, rate] = Mark(
                written(cell.mean, unit), written(cell.std, unit), extra, "best" if top else ""
            )
    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes if note.startswith("[")))
    return Sheet(
        f"Measured here: {' and '.join(dict.fromkeys(table.title for table in tables))}",
        f"{tables[0].metric} (percent); {tables[0].caption}; the best of each line stands out",
        ("SLNIR (%)",),
        tuple(names),
        _lines(rates, columns, marks),
        notes=notes,
    )


def _reported(
    numbers: Sequence[Reported],
    reported: dict[tuple[Column, str], Reported],
    columns: Sequence[Column],
    rates: Sequence[str],
    names: Sequence[str],
) -> Sheet:
    first = numbers[0]
    return Sheet(
        f"Reported, not measured: {first.dataset}, {first.source}, Table {first.table}",
        f"{first.metric} (percent), as printed; no seeds and no spread are given",
        ("SLNIR (%)",),
        tuple(names),
        _lines(rates, columns, {key: Mark(f"{number.value:.1f}") for key, number in reported.items()}),
        notes=(first.citation,),
    )


def _difference(
    numbers: Sequence[Reported],
    cells: dict[tuple[Column, str], Cell],
    reported: dict[tuple[Column, str], Reported],
    columns: Sequence[Column],
    rates: Sequence[str],
    names: Sequence[str],
) -> Sheet:
    marks = {
        key: Mark(_signed(shown(cell.mean, unit_of(cell.metric)) - reported[key].value))
        for key, cell in cells.items()
        if cell.metric == reported[key].metric
    }
    spreads = [spread for number in numbers if (spread := own_spread(number)) is not None]
    notes = (
        ["A place is empty where nothing was measured at the paper's metric."]
        if len(marks) < len(reported)
        else []
    )
    if spreads:
        notes.append(
            f"The paper gives some of these settings twice, with numbers up to {max(spreads):.1f} points apart: "
            "no difference of that size says anything."
        )
    return Sheet(
        "Measured minus reported",
        f"points of {numbers[0].metric}",
        ("SLNIR (%)",),
        tuple(names),
        _lines(rates, columns, marks),
        notes=tuple(notes),
    )


def _cost(
    numbers: Sequence[Reported],
    cells: dict[tuple[Column, str], Cell],
    reported: dict[tuple[Column, str], Reported],
    columns: Sequence[Column],
    rates: Sequence[str],
    names: Sequence[str],
) -> Sheet:
    """Set what noise cost here beside what it cost there: the only thing that two archives can be compared by."""
    clean, noisy = rates[0], rates[-1]
    here, there = [], []
    for column in columns:
        pair = [cells.get((column, rate)) for rate in (clean, noisy)]
        known = [shown(cell.mean, unit_of(cell.metric)) for cell in pair if cell is not None]
        here.append(Mark(_signed(known[1] - known[0])) if len(known) == 2 else Mark("—", faint=True))
        there.append(Mark(_signed(reported[column, noisy].value - reported[column, clean].value)))
    return Sheet(
        f"Change from SLNIR {clean} to {noisy}, each on its own archive",
        "points; the two archives differ, so the numbers above are not subtracted from each other",
        ("",),
        tuple(names),
        (Line(("measured here",), tuple(here)), Line((f"reported for {numbers[0].dataset}",), tuple(there))),
    )


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
