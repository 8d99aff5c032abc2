"""Tables in the layout of the paper: measured values, reported values, and their difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from gridbench.leaderboard.figures.epochs import band_of
from gridbench.leaderboard.paper.reported import Reported, own_spread, reported_numbers
from gridbench.leaderboard.records.metric_info import shown, unit_of
from gridbench.leaderboard.tables.cells import Cell, order_of
from gridbench.leaderboard.tables.matching import Counterparts
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell, seeds_short
from gridbench.leaderboard.tables.table import Table
from gridbench.leaderboard.tables.text import number as written
from gridbench.leaderboard.tables.text import signed

__all__ = ["detection_sheets", "loss_sheets", "paper_sheets"]

LOSSES = {
    "discriminative_loss": "discriminative head, all samples",
    "generative_loss": "generative head, all samples",
    "hybrid_loss": "hybrid: one head for each sample",
}
"""Entry of the history -> what it is the loss of (Fig. 7)."""

Column = tuple[str, str, tuple[tuple[str, float], ...]]
"""Method, loss and parameters."""

Place = tuple[Column, str]
"""Column and noise rate."""

_NOTHING = SheetCell("—", mark="missing")


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
    names = tuple(_headings(columns))

    def sheet(title: str, caption: str, marks: Mapping[Place, SheetCell], notes: Sequence[str] = ()) -> Sheet:
        lines = (((rate,), tuple(marks.get((c, rate), _NOTHING) for c in columns)) for rate in rates)
        return Sheet(title, caption, ("SLNIR (%)",), names, tuple(lines), notes=tuple(notes))

    first, titles = numbers[0], dict.fromkeys(table.title for table in tables)
    sheets = [
        sheet(
            f"Measured here: {' and '.join(titles)}",
            f"{tables[0].metric} (percent); {tables[0].caption}; the best of each line stands out",
            _measured(tables, measured, rates),
            list(dict.fromkeys(note for table in tables for note in table.notes if note.startswith("["))),
        ),
        sheet(
            f"Reported, not measured: {first.dataset}, {first.source}, Table {first.table}",
            f"{first.metric} (percent), as printed; no seeds and no spread are given",
            {key: SheetCell(f"{number.value:.1f}") for key, number in reported.items()},
            [first.citation],
        ),
    ]
    if not comparable:
        return [*sheets, _cost(first.dataset, measured, reported, columns, rates, names)]
    differences = {
        key: SheetCell(signed(shown(cell.mean, unit_of(cell.metric)) - reported[key].value, 1))
        for key, cell in measured.items()
        if cell.metric == reported[key].metric
    }
    notes = []
    if len(differences) < len(reported):
        notes.append("A place is empty where nothing was measured at the paper's metric.")
    spreads = [spread for number in numbers if (spread := own_spread(number)) is not None]
    if spreads:
        notes.append(
            f"The paper gives some of these settings twice, with numbers up to {max(spreads):.1f} points apart: "
            "no difference of that size says anything."
        )
    return [*sheets, sheet("Measured minus reported", f"points of {first.metric}", differences, notes)]


def detection_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """Tabulate the last points of the detection curves: the method, top-k by loss of the plain model, and chance."""
    sheets = []
    for table in tables:
        known = Counterparts(table.cells)
        lines: dict[tuple[str, ...], dict[str, SheetCell]] = {}
        for row in table.rows:
            for column, cell in row.cells.items():
                band = band_of(cell, "detection", "precision")
                prevalence = band_of(cell, "detection", "prevalence")
                # Without a sample that is known to be noisy, a precision of zero would say nothing.
                if band is None or (prevalence is not None and not prevalence["mean"].sum()):
                    continue
                plain = known.plain(cell)
                plain_name = plain.text("method") if plain else "plain training"
                beside = {
                    " · ".join(row.names): band,
                    f"top-k by loss of {plain_name}": (
                        band_of(plain, "loss_detection", "precision") if plain else None
                    ),
                    "random (share of noisy samples)": prevalence,
                }
                for name, own in beside.items():
                    if own is not None:
                        lines.setdefault((name,), {})[column] = _last(own, cell.n)
        columns = [column for column in table.columns if any(column in marks for marks in lines.values())]
        title = f"{table.title}: noisy samples found, last epoch"
        caption = f"truly noisy among those flagged as noisy (percent) by {table.over}; {table.caption}"
        sheets += _last_epochs(title, caption, ("flagged as noisy by",), columns, lines)
    return sheets


def loss_sheets(tables: Sequence[Table]) -> list[Sheet]:
    """Tabulate the last points of the loss curves: both heads on all samples, and the hybrid."""
    sheets = []
    for table in tables:
        lines: dict[tuple[str, ...], dict[str, SheetCell]] = {}
        for row in table.rows:
            for column, cell in row.cells.items():
                for name, words in LOSSES.items():
                    band = band_of(cell, name)
                    if band is not None:
                        mark = _last(band, cell.n, 1, 3)
                        lines.setdefault((" · ".join(row.names), words), {})[column] = mark
        title = f"{table.title}: losses, last epoch"
        caption = f"mean loss by {table.over}; {table.caption}"
        sheets += _last_epochs(title, caption, ("method", "loss of"), table.columns, lines)
    return sheets


def _last_epochs(
    title: str,
    caption: str,
    headings: tuple[str, ...],
    columns: Sequence[str],
    lines: Mapping[tuple[str, ...], Mapping[str, SheetCell]],
) -> list[Sheet]:
    rows = tuple(
        (names, tuple(marks.get(column, _NOTHING) for column in columns)) for names, marks in lines.items()
    )
    return [Sheet(title, caption, headings, tuple(columns), rows)] if rows else []


def _last(band: pd.DataFrame, n: int, scale: float = 100, decimals: int = 1) -> SheetCell:
    last = band[band["mean"].notna()].iloc[-1] * scale
    return SheetCell(f"{last['mean']:.{decimals}f}", f"{last['std']:.{decimals}f}" if n > 1 else "")


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
    """Name the columns by what differs: the parameter, or method and loss."""
    if len({(method, loss) for method, loss, _ in columns}) == 1:
        return [" ".join(f"{name} {value:g}" for name, value in parameters) for _, _, parameters in columns]
    return [method if method == loss else f"{method} ({loss})" for method, loss, _ in columns]


def _measured(
    tables: Sequence[Table], cells: Mapping[Place, Cell], rates: Sequence[str]
) -> dict[Place, SheetCell]:
    unit = tables[0].unit
    expected = max(len(table.seeds) for table in tables)
    marks = {}
    for rate in rates:
        own = {place: cell for place, cell in cells.items() if place[1] == rate}
        values = {
            place: round(shown(cell.mean, unit), unit.decimals)
            for place, cell in own.items()
            if cell.n == expected
        }
        best = max(values.values(), default=math.nan) if len(own) > 1 else math.nan
        for place, cell in own.items():
            marks[place] = SheetCell(
                written(cell.mean, unit),
                written(cell.std, unit),
                seeds_short(cell, expected),
                "best" if values.get(place) == best else "",
            )
    return marks


def _cost(
    dataset: str,
    cells: Mapping[Place, Cell],
    reported: Mapping[Place, Reported],
    columns: Sequence[Column],
    rates: Sequence[str],
    names: tuple[str, ...],
) -> Sheet:
    """Set what noise cost here beside what it cost there: the only thing that two archives can be compared by."""
    clean, noisy = rates[0], rates[-1]
    here, there = [], []
    for column in columns:
        pair = [cells.get((column, rate)) for rate in (clean, noisy)]
        known = [shown(cell.mean, unit_of(cell.metric)) for cell in pair if cell is not None]
        here.append(SheetCell(signed(known[1] - known[0], 1)) if len(known) == 2 else _NOTHING)
        there.append(SheetCell(signed(reported[column, noisy].value - reported[column, clean].value, 1)))
    return Sheet(
        f"Change from SLNIR {clean} to {noisy}, each on its own archive",
        "points; the two archives differ, so the numbers above are not subtracted from each other",
        ("",),
        names,
        ((("measured here",), tuple(here)), ((f"reported for {dataset}",), tuple(there))),
    )
