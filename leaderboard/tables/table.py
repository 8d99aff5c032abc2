"""The table of methods by noise rates: what stands where, which is best, and what must be said of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gridbench.errors import InputError
from gridbench.leaderboard.records.filters import setting_name
from gridbench.leaderboard.records.metric_info import Unit, shown, unit_of
from gridbench.leaderboard.records.runs import COSTS, Collection
from gridbench.leaderboard.tables.cells import Cell, cells_of, differing, order_of
from gridbench.leaderboard.tables.gap_closed import with_gap_closed

__all__ = ["Request", "Row", "Table", "common_columns", "heading", "means_over", "tables_of"]

APART = (
    "dataset", "kind", "dataset_fingerprint", "versions.protocol", "protocol", "noise", "versions.noise",
)  # fmt: skip
"""Settings whose values are never ranked against each other: each combination is a table of its own."""

_REFERENCES = ("oracle", "untrained", "random")
_HEADINGS = {
    "slnir": "SLNIR (%)",
    "kind": "labels",
    "dataset_fingerprint": "data fingerprint",
    "versions.protocol": "protocol version",
    "versions.method": "method version",
    "versions.loss": "loss version",
    "versions.noise": "noise version",
}


@dataclass(frozen=True)
class Request:
    """What a table is asked to show.

    Attributes:
        metric: Name of the metric; None for NDCG at each run's own cut-off.
        rows: Settings that head the rows; whatever else differs is added.
        columns: Settings that head the columns.
    """

    metric: str | None = None
    rows: tuple[str, ...] = ("method", "loss")
    columns: tuple[str, ...] = ("slnir",)


@dataclass(frozen=True)
class Row:
    """One row: the texts that head it, its cell in each column (None where nothing was measured), and a footnote."""

    names: tuple[str, ...]
    cells: tuple[Cell | None, ...]
    note: str = ""

    @property
    def first(self) -> Cell:
        """Its first cell; every row has one."""
        return next(cell for cell in self.cells if cell is not None)


@dataclass(frozen=True)
class Table:
    """A table of one data set, protocol and noise model.

    Attributes:
        title: Data set, metric, and what sets this table apart from others.
        metric: Name of the metric.
        unit: Its unit.
        headings: Headings of the columns that name a row.
        columns: Texts that head the value columns.
        over: Name of what the columns vary.
        rows: Methods, best first.
        references: Reference rows, which are never ranked.
        seeds: Every seed that went into the table.
        counts: Smallest and largest number of seeds of a cell.
        notes: What must be said below the table.
    """

    title: str
    metric: str
    unit: Unit
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    over: str
    rows: tuple[Row, ...]
    references: tuple[Row, ...]
    seeds: tuple[int, ...]
    counts: tuple[int, int]
    notes: tuple[str, ...]

    @property
    def caption(self) -> str:
        """Say what the numbers are: mean, spread, how many seeds and which."""
        low, high = self.counts
        count = f"n = {low}" if low == high else f"n = {low} to {high}"
        spread = "mean ± sample standard deviation (ddof 1) over seeds" if high > 1 else "one seed, no spread"
        seeds = "seed" if len(self.seeds) == 1 else "seeds"
        return f"{spread}; {count}, {seeds} {', '.join(map(str, self.seeds))}"

    @property
    def cells(self) -> list[Cell]:
        """Every cell in reading order."""
        return [cell for row in (*self.rows, *self.references) for cell in row.cells if cell is not None]

    def line(self, row: Row) -> dict[str, Cell]:
        """Return column -> cell of a row, where something was measured."""
        return {
            column: cell for column, cell in zip(self.columns, row.cells, strict=True) if cell is not None
        }


def heading(setting: str) -> str:
    """Return how a setting is called in a table."""
    name = setting.removeprefix("parameters.").replace("noise_parameters.", "noise ")
    return _HEADINGS.get(setting, name.replace("_", " "))


def tables_of(found: Collection, request: Request) -> list[Table]:
    """Lay out every table that the records give.

    Args:
        found: The records.
        request: What to show.

    Returns:
        One table per data set, fingerprint of the data, protocol and noise model, in alphabetical order.

    Raises:
        InputError: A metric or setting that no record has.
    """
    cells = cells_of(found, request.metric)
    request = _resolved(request, found)
    apart = dict.fromkeys(
        (*APART, *(n for c in cells for n in c.settings if n.startswith("noise_parameters.")))
    )
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((*(cell.text(name) for name in apart), cell.metric), []).append(cell)
    keys = sorted(groups, key=lambda key: [order_of(text) for text in key])
    noise = list(apart).index("noise")
    tables = []
    for key in keys:
        # A parameter of the noise sets apart only tables of one noise model: the others have no such parameter.
        alike = [other for other in keys if other[noise] == key[noise]]
        said = [
            f"{heading(name)} {key[at] or 'none'}"
            for at, name in enumerate(apart)
            if at and len({k[at] for k in (alike if name.startswith("noise_parameters.") else keys)}) > 1
        ]
        origins = {cell.origin for cell in groups[key]}
        from_others = [f"from {origins.pop()}"] if len(origins) == 1 and "" not in origins else []
        title = " · ".join([key[0], *said, *from_others])
        tables.append(_table(title, groups[key], request, found))
    return tables


def _table(title: str, cells: Sequence[Cell], request: Request, found: Collection) -> Table:
    rows_by = [*request.rows, *differing(cells, (*request.rows, *request.columns))]
    spots = [_spot(cell, rows_by, request.columns) for cell in cells]
    if len(set(spots)) < len(spots):
        rows_by.append("cell")
        spots = [_spot(cell, rows_by, request.columns) for cell in cells]
    columns = sorted({column for _, column in spots}, key=lambda texts: [order_of(text) for text in texts])
    placed: dict[tuple[str, ...], dict[tuple[str, ...], Cell]] = {}
    for cell, (row, column) in zip(with_gap_closed(cells), spots, strict=True):
        placed.setdefault(row, {})[column] = cell
    seeds = sorted({seed for cell in cells for seed in cell.values} | _tried(cells, found))
    unit = unit_of(cells[0].metric)
    notes: dict[str, str] = {}
    ranked: list[Row] = []
    references: list[Row] = []
    for texts, line in placed.items():
        some = next(iter(line.values()))
        marks = [_footnote(note, notes) for note in (some.note, _mixed(line, request)) if note]
        own = Row(texts, tuple(map(line.get, columns)), " ".join(marks))
        (references if some.reference else ranked).append(own)
    ordered, order = _order(ranked, columns, unit, len(seeds))
    references.sort(key=_reference_order)
    if cells[0].metric.startswith(COSTS):
        order = [*order, "Costs are those of the machine that each run was computed on; they rank nothing."]
    counts = [cell.n for cell in cells]
    return Table(
        title=title,
        metric=cells[0].metric,
        unit=unit,
        headings=tuple(heading(name) for name in rows_by),
        columns=tuple(" · ".join(column) for column in columns),
        over=" · ".join(heading(name) for name in request.columns),
        rows=_placed(ordered, unit, len(seeds)),
        references=tuple(references),
        seeds=tuple(seeds),
        counts=(min(counts), max(counts)),
        notes=(*order, *_machine_notes(cells), *(f"[{mark}] {text}" for text, mark in notes.items())),
    )


def _spot(cell: Cell, rows: Iterable[str], columns: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    def text(name: str) -> str:
        return cell.key[:12] if name == "cell" else cell.text(name)

    return tuple(text(name) for name in rows), tuple(text(name) for name in columns)


def _mixed(line: Mapping[tuple[str, ...], Cell], request: Request) -> str:
    """Say which cells of a row average runs of several machines."""
    said = [
        f"{' · '.join(column)}: "
        + ", ".join(
            f"seed{'s' * (len(seeds) > 1)} {_listed(seeds)} on {name}"
            for name, seeds in cell.machines.items()
        )
        for column, cell in line.items()
        if len(cell.machines) > 1
    ]
    over = " · ".join(heading(name) for name in request.columns)
    return f"averages runs of several machines, at {over} {'; '.join(said)}" if said else ""


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def _machine_notes(cells: Iterable[Cell]) -> list[str]:
    found = sorted({name for cell in cells for name in cell.machines})
    if len(found) < 2:
        return []
    return [f"Computed on {len(found)} machines, of which the runs are never paired: {'; '.join(found)}."]


def _footnote(note: str, notes: dict[str, str]) -> str:
    return f"[{notes.setdefault(note, str(len(notes) + 1))}]"


def common_columns(rows: Sequence[Row]) -> list[int]:
    """Return the columns in which rows can be compared.

    One row with a lonely cell must not leave the others nothing to be compared by, nor one that was measured everywhere
    make all others incomparable.

    Returns:
        Positions of columns, of all such sets the one that allows most comparisons with one row: its columns, times
        the other rows that have a value in all of them; of equal ones that with more rows, then that further left.
    """
    filled = [frozenset(at for at, cell in enumerate(row.cells) if cell is not None) for row in rows]
    sets = {one & other for one in filled for other in filled}
    complete = {columns: sum(columns <= own for own in filled) for columns in sets}

    def worth(columns: frozenset[int]) -> tuple[int, int, list[int]]:
        return len(columns) * (complete[columns] - 1), complete[columns], [-at for at in sorted(columns)]

    best: frozenset[int] = max(sets, key=worth, default=frozenset())
    return sorted(best)


def means_over(row: Row, columns: Sequence[int]) -> list[float]:
    """Return a row's means in these columns, in the recorded unit; nothing when it lacks one of them."""
    means = [cell.mean for at in columns if (cell := row.cells[at]) is not None]
    return means if len(means) == len(columns) else []


def _order(
    rows: list[Row], columns: Sequence[tuple[str, ...]], unit: Unit, seeds: int
) -> tuple[list[Row], list[str]]:
    by_name = sorted(rows, key=lambda row: [order_of(name) for name in row.names])
    shared = common_columns(rows)
    if len(rows) < 2 or not shared or not unit.better:
        return by_name, []
    sign = -1 if unit.better == "higher" else 1

    def lacks_seeds(row: Row) -> bool:
        return any((cell := row.cells[at]) is not None and cell.n < seeds for at in shared)

    def place(row: Row) -> tuple[bool, bool, float]:
        means = means_over(row, shared)
        return (not means, lacks_seeds(row), sign * math.fsum(means))

    if len(columns) == 1:
        return sorted(by_name, key=place), []
    which = (
        "all columns" if len(shared) == len(columns) else ", ".join(" · ".join(columns[at]) for at in shared)
    )
    lacking = ["lack one"] if any(not means_over(row, shared) for row in rows) else []
    if len({lacks_seeds(row) for row in rows if means_over(row, shared)}) > 1:
        lacking.append("lack seeds")
    last = f"; those that {' or '.join(lacking)} come last" if lacking else ""
    said = f"Rows are ordered by their mean over {which}{last}."
    return sorted(by_name, key=place), [said]


def _placed(rows: list[Row], unit: Unit, seeds: int) -> tuple[Row, ...]:
    """Mark the best and second best of each column, as far as the shown decimals tell them apart.

    Only what has all seeds of the table can be either.
    """
    if len(rows) < 2 or not unit.better:
        return tuple(rows)
    columns = [
        _column_placed(column, unit, seeds) for column in zip(*(row.cells for row in rows), strict=True)
    ]
    return tuple(
        replace(row, cells=cells) for row, cells in zip(rows, zip(*columns, strict=True), strict=True)
    )


def _column_placed(column: Sequence[Cell | None], unit: Unit, seeds: int) -> list[Cell | None]:
    values = {
        at: round(shown(cell.mean, unit), unit.decimals)
        for at, cell in enumerate(column)
        if cell is not None and cell.n == seeds
    }
    best = sorted(set(values.values()), reverse=unit.better == "higher")[:2] if len(values) > 1 else []
    places: dict[float, Literal["best", "second"]] = dict(zip(best, ("best", "second"), strict=False))
    return [
        replace(cell, place=places[values[at]]) if cell and values.get(at) in places else cell
        for at, cell in enumerate(column)
    ]


def _reference_order(row: Row) -> tuple[int, tuple[str, ...]]:
    method = row.first.text("method")
    return (_REFERENCES.index(method) if method in _REFERENCES else len(_REFERENCES), row.names)


def _tried(cells: Sequence[Cell], found: Collection) -> set[int]:
    """Return the seeds of unfinished runs that would belong to this table."""
    apart = {tuple(cell.settings.get(name) for name in APART) for cell in cells}
    return {
        item.seed
        for item in found.left_out
        if item.seed is not None
        and item.settings is not None
        and tuple(item.settings.get(name) for name in APART) in apart
    }


def _resolved(request: Request, found: Collection) -> Request:
    rows, columns = (
        tuple(setting_name(name, found) for name in names) for names in (request.rows, request.columns)
    )
    if "seed" in rows + columns:
        raise InputError(
            "A cell averages its seeds, so they cannot head rows or columns; --filter seed=0 picks one."
        )
    return Request(request.metric, rows, columns)
