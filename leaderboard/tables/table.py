"""Tables of methods by noise rates: layout, best values, and notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gridbench.errors import InputError
from gridbench.leaderboard.records.filters import HEADINGS, setting_name
from gridbench.leaderboard.records.metric_info import Unit, unit_of
from gridbench.leaderboard.records.metric_names import why_missing
from gridbench.leaderboard.records.runs import COSTS, Collection, Setting
from gridbench.leaderboard.tables.cells import Cell, cells_of, differing, order_of
from gridbench.leaderboard.tables.matching import with_gap_closed
from gridbench.leaderboard.tables.rows import (
    Row,
    common_columns,
    means_over,
    ordered,
    reference_order,
    with_places,
)
from gridbench.leaderboard.tables.text import with_unit

__all__ = ["COLUMNS", "ROWS", "Row", "Table", "heading", "means_over", "tables_of"]

APART = (
    "dataset", "kind", "dataset_fingerprint", "versions.protocol", "protocol", "noise", "versions.noise", "recipe",
)  # fmt: skip
"""Settings whose values are never ranked against each other: each combination is a table of its own."""

ROWS = ("method", "loss")
COLUMNS = ("slnir",)


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
        """Description of the numbers: mean, spread, number of seeds and their values."""
        low, high = self.counts
        count = f"n = {low}" if low == high else f"n = {low} to {high}"
        spread = "mean ± sample standard deviation (ddof 1) over seeds" if high > 1 else "one seed, no spread"
        seeds = "seed" if len(self.seeds) == 1 else "seeds"
        return f"{spread}; {count}, {seeds} {', '.join(map(str, self.seeds))}"

    @property
    def cells(self) -> list[Cell]:
        """Every cell in reading order."""
        return [cell for row in (*self.rows, *self.references) for cell in row.cells.values()]

    def common_columns(self) -> list[str]:
        """Return the columns in which the ranked rows can be compared."""
        return common_columns(self.rows, self.columns)


def heading(setting: str) -> str:
    """Return how a setting is called in a table."""
    name = setting.removeprefix("parameters.").replace("noise_parameters.", "noise ")
    return HEADINGS.get(setting, name.replace("_", " "))


def _over(columns: Sequence[str]) -> str:
    return " · ".join(map(heading, columns))


def tables_of(
    found: Collection,
    metric: str | None = None,
    rows: Sequence[str] = ROWS,
    columns: Sequence[str] = COLUMNS,
) -> list[Table]:
    """Lay out every table that the records give.

    Args:
        found: The records.
        metric: Name of the metric; None for NDCG at each run's own cut-off.
        rows: Settings that head the rows; whatever else differs is added, and of the usual ones those that head the
            columns are left out.
        columns: Settings that head the columns.

    Returns:
        One table per data set, fingerprint of the data, protocol and noise model, in alphabetical order.

    Raises:
        InputError: A metric or setting that no record has, or a setting that would head both rows and columns.
    """
    cells = cells_of(found, metric)
    usual = tuple(rows) == ROWS
    rows, columns = ([setting_name(name, found) for name in names] for names in (rows, columns))
    shared = [name for name in rows if name in columns]
    if shared and usual and len(shared) < len(rows):
        rows = [name for name in rows if name not in columns]
    elif shared:
        raise InputError(
            f"The setting {shared[0]!r} cannot head both rows and columns; name other rows with --rows or other "
            "columns with --columns."
        )
    if "seed" in (*rows, *columns):
        raise InputError(
            "A cell averages its seeds, so they cannot head rows or columns; --filter seed=0 picks one."
        )
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
            f"{heading(name)} {key[at] or ('common' if name == 'recipe' else 'none')}"
            for at, name in enumerate(apart)
            if at
            and (
                (name == "recipe" and key[at])
                or len({k[at] for k in (alike if name.startswith("noise_parameters.") else keys)}) > 1
            )
        ]
        origins = {cell.run.origin for cell in groups[key]}
        from_others = [f"from {origins.pop()}"] if len(origins) == 1 and "" not in origins else []
        title = " · ".join([key[0], *said, *from_others])
        tables.append(_table(title, groups[key], rows, columns, found))
    return tables


def _table(
    title: str, cells: Sequence[Cell], rows: Sequence[str], over: Sequence[str], found: Collection
) -> Table:
    rows_by = [*rows, *differing(cells, (*rows, *over))]
    spots = [_spot(cell, rows_by, over) for cell in cells]
    if len(set(spots)) < len(spots):
        rows_by.append("cell")
        spots = [_spot(cell, rows_by, over) for cell in cells]
    in_order = sorted({column for _, column in spots}, key=lambda texts: [order_of(text) for text in texts])
    columns = [" · ".join(texts) for texts in in_order]
    placed: dict[tuple[str, ...], dict[str, Cell]] = {}
    for cell, (row, column) in zip(with_gap_closed(cells), spots, strict=True):
        placed.setdefault(row, {})[" · ".join(column)] = cell
    seeds = sorted({seed for cell in cells for seed in cell.values} | _tried(cells, found))
    unit = unit_of(cells[0].metric)
    notes: dict[str, str] = {}
    ranked: list[Row] = []
    references: list[Row] = []
    for texts, line in placed.items():
        some = next(iter(line.values()))
        marks = [_footnote(note, notes) for note in (some.run.note, _mixed(line, over)) if note]
        own = Row(texts, {column: line[column] for column in columns if column in line}, " ".join(marks))
        (references if some.run.reference else ranked).append(own)
    best_first, order = ordered(ranked, columns, unit, len(seeds))
    references.sort(key=reference_order)
    if cells[0].metric.startswith(COSTS):
        order = [*order, "Costs are those of the machine that each run was computed on; they rank nothing."]
    counts = [cell.n for cell in cells]
    return Table(
        title=title,
        metric=cells[0].metric,
        unit=unit,
        headings=tuple(heading(name) for name in rows_by),
        columns=tuple(columns),
        over=_over(over),
        rows=with_places(best_first, unit, len(seeds)),
        references=tuple(references),
        seeds=tuple(seeds),
        counts=(min(counts), max(counts)),
        notes=(
            *order,
            *_absent(cells, found),
            *_as_given(cells),
            *_machine_notes(cells),
            *(f"[{mark}] {text}" for text, mark in notes.items()),
        ),
    )


def _spot(cell: Cell, rows: Iterable[str], columns: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    def text(name: str) -> str:
        return cell.run.cell[:12] if name == "cell" else cell.text(name)

    return tuple(text(name) for name in rows), tuple(text(name) for name in columns)


def _mixed(line: Mapping[str, Cell], over: Sequence[str]) -> str:
    """Return a note on the cells of a row that average runs of several machines."""
    said = [
        f"{with_unit(_over(over), column)}: "
        + ", ".join(
            f"seed{'s' * (len(seeds) > 1)} {_listed(seeds)} on {name}"
            for name, seeds in cell.machines.items()
        )
        for column, cell in line.items()
        if len(cell.machines) > 1
    ]
    return f"averages runs of several machines, at {'; '.join(said)}" if said else ""


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def _as_given(cells: Iterable[Cell]) -> list[str]:
    """Return a note on labels that are noisy without injected noise, as clean ones beside them show."""
    found = {cell.run.metric("noisy_images") for cell in cells if cell.run.settings.get("slnir") == "0"}
    shares = sorted({f"{100 * share:.1f} %" for share in found if share})
    return [
        f"At SLNIR 0 the labels are as given: {' or '.join(shares)} of the training images are noisy."
    ] * bool(shares)


def _machine_notes(cells: Iterable[Cell]) -> list[str]:
    found = sorted({name for cell in cells for name in cell.machines})
    if len(found) < 2:
        return []
    return [f"Computed on {len(found)} machines, of which the runs are never paired: {'; '.join(found)}."]


def _absent(cells: Sequence[Cell], found: Collection) -> list[str]:
    """Return a note on the methods without a value of a prediction score, with the reasons."""
    apart, metric = _apart(cells), cells[0].metric
    missing: dict[str, set[str]] = {}
    for run in found.runs:
        if run.metric(metric) is None and tuple(run.settings.get(name) for name in APART) in apart:
            reason = why_missing(run, metric)
            missing.setdefault(reason, set()).add(str(run.settings["method"]))
    return [
        f"No {metric}: {', '.join(sorted(methods))} ({reason})."
        for reason, methods in sorted(missing.items())
        if reason
    ]


def _apart(cells: Sequence[Cell]) -> set[tuple[Setting, ...]]:
    return {tuple(cell.settings.get(name) for name in APART) for cell in cells}


def _footnote(note: str, notes: dict[str, str]) -> str:
    return f"[{notes.setdefault(note, str(len(notes) + 1))}]"


def _tried(cells: Sequence[Cell], found: Collection) -> set[int]:
    """Return the seeds of unfinished runs that would belong to this table."""
    apart = _apart(cells)
    return {
        item.seed
        for item in found.left_out
        if item.seed is not None
        and item.settings is not None
        and tuple(item.settings.get(name) for name in APART) in apart
    }
