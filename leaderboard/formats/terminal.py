"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleDimensions
from rich.table import Table as Grid
from rich.text import Text

from gridbench.core.terminal import wrapped
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell, SheetRow
from gridbench.leaderboard.tables.text import clean

__all__ = ["print_sheets"]

UNBOUNDED = 10_000
_STYLE = {"": "", "best": "bold", "second": "underline", "missing": "dim"}


def print_sheets(sheets: Sequence[Sheet], console: Console) -> None:
    """Print every sheet; the best value of a column in bold, the second best underlined.

    A sheet that is wider than the console puts the spread below the mean, and divides its columns among several
    tables where that is not enough; no number is ever cut off.
    """
    for at, sheet in enumerate(sheets):
        if sheet.title and at:
            console.print()
        if sheet.title:
            _print_text(clean(sheet.title, 300), console, "bold")
        _print_text(clean(sheet.caption, 1000), console)
        if sheet.lines or sheet.references:
            for part, grid in enumerate(_grids(sheet, console)):
                if part:
                    console.print()
                _print_whole(grid, console)
        for note in sheet.notes:
            _print_text(clean(note, 1000), console, "dim")


def _print_text(text: str, console: Console, style: str = "") -> None:
    # rich would cut a word, such as a path, that is longer than a line.
    console.print(Text(wrapped(text, console.width), style=style), soft_wrap=True)


def _width(grid: Grid, console: Console) -> int:
    return console.measure(grid, options=console.options.update(max_width=UNBOUNDED)).maximum


def _grids(sheet: Sheet, console: Console) -> list[Grid]:
    """Return a table, or several of some columns each, that fit the console."""
    every = range(len(sheet.columns))
    whole = _grid(sheet, every, stacked=False)
    if _width(whole, console) <= console.width or not every:
        return [whole]
    parts: list[list[int]] = [[]]
    for at in every:
        if parts[-1] and _width(_grid(sheet, [*parts[-1], at], stacked=True), console) > console.width:
            parts.append([])
        parts[-1].append(at)
    return [_grid(sheet, part, stacked=True) for part in parts]


def _print_whole(grid: Grid, console: Console) -> None:
    """Print a table at its own width: a terminal that is narrower wraps lines, but no number is cut off."""
    size = console.size
    # Pass both: with the width alone, rich assumes 80 columns on a dumb terminal.
    console.size = ConsoleDimensions(max(size.width, _width(grid, console)), size.height)
    console.print(grid)
    console.size = size


def _grid(sheet: Sheet, columns: Sequence[int], stacked: bool) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in sheet.headings:
        grid.add_column(Text(clean(name)), no_wrap=True)
    for at in columns:
        grid.add_column(Text(clean(sheet.columns[at])), justify="right", no_wrap=True)
    for line in sheet.lines:
        grid.add_row(*_texts(line, columns, stacked))
    if sheet.references:
        grid.add_section()
    for line in sheet.references:
        grid.add_row(*_texts(line, columns, stacked), style="dim")
    return grid


def _texts(line: SheetRow, columns: Sequence[int], stacked: bool) -> list[Text]:
    return [*(Text(clean(name, 36)) for name in line[0]), *(_text(line[1][at], stacked) for at in columns)]


def _text(cell: SheetCell, stacked: bool) -> Text:
    value = Text(clean(cell.text), style=_STYLE[cell.mark])
    rest = [Text(part) for part in (f"±{cell.spread}" if cell.spread else "", cell.extra) if part]
    return Text("\n" if stacked else " ").join([value, *rest])
