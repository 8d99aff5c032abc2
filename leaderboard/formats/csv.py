"""CSV: one line per cell, with every setting in which the lines differ."""

from __future__ import annotations

from collections.abc import Sequence

from gridbench.core.csv_files import csv_text
from gridbench.core.terminal import escape
from gridbench.errors import InputError
from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.paper.reported import Reported, reported_numbers
from gridbench.leaderboard.records.metric_info import Unit, shown
from gridbench.leaderboard.tables.cells import Cell, differing
from gridbench.leaderboard.tables.text import clean

__all__ = ["render_csv"]

_FIRST = ("dataset", "method", "loss", "noise", "slnir")
_FIXED = (
    "metric",
    "unit",
    "n",
    "mean",
    "std",
    "gap_closed",
    "seeds",
    "reference",
    "source",
    "machine",
    "cell",
)
MEASURED = "measured"


def render_csv(report: Report) -> str:
    """Write the cells of all tables, one line each.

    Returns:
        Columns dataset, method, loss, noise, slnir, metric, unit, n, mean, std (ddof 1; empty with one seed),
        gap_closed (percent), seeds, reference, source (`measured`, or the paper's table), machine (of all seeds), cell,
        then every setting in which lines differ. Text that a spreadsheet would run as a formula is preceded by an
        apostrophe.

    Raises:
        InputError: Statistics were asked for, which are not cells.
    """
    if report.statistics or report.beside:
        raise InputError(
            "Statistics and comparisons are not cells, so csv has no place for them; use --format json."
        )
    cells = [(cell, table.unit) for table in report.tables for cell in table.cells]
    extra = differing([cell for cell, _ in cells], _FIRST)
    if report.reported:
        extra = list(dict.fromkeys([*extra, "parameters.lambda"]))
    rows: list[Sequence[object]] = [(*_FIRST, *_FIXED, *extra)]
    rows += [_measured(cell, unit, extra) for cell, unit in cells]
    if report.reported:
        report.reported_sheets()  # refuses data sets of which nothing is reported
        wanted = set(report.datasets) or {cell.text("dataset") for cell, _ in cells}
        numbers = [number for number in reported_numbers() if not wanted or number.dataset in wanted]
        rows += [_reported(number, extra) for number in numbers]
    return csv_text([[escape(each) if isinstance(each, str) else each for each in row] for row in rows])


def _measured(cell: Cell, unit: Unit, extra: Sequence[str]) -> list[object]:
    return [
        *(clean(cell.text(name), 200) for name in _FIRST),
        clean(cell.metric, 200),
        unit.shown,
        cell.n,
        shown(cell.mean, unit),
        shown(cell.std, unit) if cell.n > 1 else "",
        "" if cell.gap_closed is None else round(cell.gap_closed, 4),
        " ".join(map(str, cell.values)),
        str(cell.run.reference).lower(),
        MEASURED,
        clean(cell.text("machine"), 200),
        cell.run.cell[:12],
        *(clean(cell.text(name), 200) for name in extra),
    ]


def _reported(number: Reported, extra: Sequence[str]) -> list[object]:
    stated = {f"parameters.{name}": f"{value:g}" for name, value in number.parameters.items()}
    first = (number.dataset, number.method, number.loss, "", number.slnir)
    source = f"{number.source}, Table {number.table}"
    fixed = (number.metric, "percent", "", number.value, "", "", "", "false", source, "", "")
    return [*first, *fixed, *(stated.get(name, "") for name in extra)]
