"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from gridbench.leaderboard.table import Entry, Row, Table
from gridbench.leaderboard.text import clean, mean_text, missing_text, seeds_text, spread_text
from gridbench.leaderboard.units import Unit

__all__ = ["print_tables"]

UNBOUNDED = 10_000
_STYLE = {"": "", "best": "bold", "second": "underline"}


def print_tables(tables: Sequence[Table], console: Console) -> None:
    """Print every table; the best value of a column in bold, the second best underlined.

    A table that is wider than the console puts the spread below the mean.
    """
    for at, table in enumerate(tables):
        if at:
            console.print()
        console.print(Text(clean(table.title, 200), style="bold"), soft_wrap=True)
        console.print(
            Text(f"{clean(table.metric)} ({table.unit.shown}) by {table.over}; {table.caption}"),
            soft_wrap=True,
        )
        grid = _grid(table, stacked=False)
        if _width(grid, console) > console.width:
            grid = _grid(table, stacked=True)
        _print_whole(grid, console)
        shares = _shares(table)
        if shares:
            console.print(Text("Share of the NDCG lost to noise that was won back (%)"), soft_wrap=True)
            _print_whole(shares, console)
        for note in table.notes:
            console.print(Text(clean(note, 300), style="dim"), soft_wrap=True)


def _width(grid: Grid, console: Console) -> int:
    return console.measure(grid, options=console.options.update(max_width=UNBOUNDED)).maximum


def _print_whole(grid: Grid, console: Console) -> None:
    """Print a table at its own width: a terminal that is narrower wraps lines, but no number is cut off."""
    width, console.width = console.width, max(console.width, _width(grid, console))
    console.print(grid)
    console.width = width


def _empty(table: Table) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in table.headings:
        grid.add_column(Text(clean(name)), no_wrap=True)
    for name in table.columns:
        grid.add_column(Text(clean(name)), justify="right", no_wrap=True)
    return grid


def _grid(table: Table, stacked: bool) -> Grid:
    grid = _empty(table)
    for row in table.rows:
        grid.add_row(*_names(row), *(_entry(entry, table.unit, stacked) for entry in row.entries))
    if table.references:
        grid.add_section()
        for row in table.references:
            grid.add_row(
                *_names(row), *(_entry(entry, table.unit, stacked) for entry in row.entries), style="dim"
            )
    return grid


def _shares(table: Table) -> Grid | None:
    grid = _empty(table)
    for row in table.rows:
        if any(entry.won_back is not None for entry in row.entries):
            texts = ("" if entry.won_back is None else f"{entry.won_back:.0f}" for entry in row.entries)
            grid.add_row(*_names(row), *texts)
    return grid if grid.row_count else None


def _names(row: Row) -> list[Text]:
    first, *others = (clean(name, 32) for name in row.names)
    return [Text(f"{first} {row.note}".rstrip()), *map(Text, others)]


def _entry(entry: Entry, unit: Unit, stacked: bool) -> Text:
    if entry.cell is None:
        return Text(missing_text(entry), style="dim")
    text = Text(mean_text(entry, unit), style=_STYLE[entry.place])
    rest = Text(style="not bold not underline")
    spread, seeds = spread_text(entry, unit), seeds_text(entry)
    if spread:
        rest.append(f"±{spread}")
    if seeds:
        rest.append(f" {seeds}" if spread else seeds)
    if rest:
        text = Text("\n" if stacked else " ").join([text, rest])
    return text
