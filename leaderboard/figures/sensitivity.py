"""Heat maps of the sensitivity to a numeric parameter of a method, such as lambda (Tables I-IV)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from gridbench.leaderboard.figures.style import COLUMN, GREY, PAGE, new_figure, styled, wrapped
from gridbench.leaderboard.records.metric_info import shown
from gridbench.leaderboard.tables.cells import Cell, order_of
from gridbench.leaderboard.tables.display_names import as_printed, display_metric, row_label
from gridbench.leaderboard.tables.table import Table

__all__ = ["sensitivity_maps", "varying"]

_PREFIX = "parameters."
_MOST_IN_A_COLUMN = 6
"""Values of a parameter whose numbers can be read in a figure of one column."""


@styled
def sensitivity_maps(table: Table) -> list[tuple[str, Figure]]:
    """Draw a heat map of noise rate by parameter for every number that varies within one method and loss.

    Returns:
        (Name of parameter, method and loss; figure).
    """
    figures = []
    for name, title, cells in varying(table, numeric=True):
        values = sorted({cell.text(name) for cell in cells}, key=order_of)
        rates = sorted({cell.text("slnir") for cell in cells}, key=order_of)
        grid = np.full((len(rates), len(values)), math.nan)
        full = np.zeros(grid.shape, dtype=bool)
        for cell in cells:
            at = rates.index(cell.text("slnir")), values.index(cell.text(name))
            grid[at], full[at] = shown(cell.mean, table.unit), cell.n == len(table.seeds)
        figures.append(
            (f"{name.removeprefix(_PREFIX)} {title}", _heat(table, name, title, grid, full, values, rates))
        )
    return figures


def varying(table: Table, numeric: bool) -> list[tuple[str, str, list[Cell]]]:
    """Return (parameter, title, cells) wherever a parameter varies while all else but the noise rate is equal."""
    cells = [cell for row in table.rows for cell in row.cells.values()]
    found = []
    for name in dict.fromkeys(name for cell in cells for name in cell.settings if name.startswith(_PREFIX)):
        groups: dict[tuple[object, ...], list[Cell]] = {}
        for cell in cells:
            if cell.settings.get(name) is not None:
                rest = ((other, cell.text(other)) for other in cell.settings if other not in (name, "slnir"))
                groups.setdefault((cell.run.origin, *sorted(rest)), []).append(cell)
        for everything in groups.values():
            # A number among words, or a word such as slnir among numbers, has no place on the other's axis.
            group = [cell for cell in everything if (order_of(cell.text(name))[0] == 1) == numeric]
            if len({cell.text(name) for cell in group}) > 1:
                found.append((name, row_label((group[0].text("method"), group[0].text("loss"))), group))
    return found


def _heat(
    table: Table,
    name: str,
    title: str,
    grid: npt.NDArray[np.float64],
    full: npt.NDArray[np.bool_],
    values: Sequence[str],
    rates: Sequence[str],
) -> Figure:
    width = COLUMN if len(values) <= _MOST_IN_A_COLUMN else PAGE
    figure, (panel,) = new_figure(width=width, height=1.0 + 0.25 * len(rates))
    image = panel.imshow(grid, cmap="cividis", aspect="auto")
    middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    bests = np.where(full, grid, -math.inf).max(axis=1)
    for row, line in enumerate(grid):
        for column, value in enumerate(line):
            if math.isnan(value):
                continue
            colour = "white" if value < middle else "black"
            best = full[row, column] and value == bests[row]
            text = f"{value:.{table.unit.decimals}f}"
            panel.text(
                column, row, text, ha="center", va="center", fontsize=7, color=colour,
                weight="bold" if best else "normal",
            )  # fmt: skip
            if best:
                box = mpl.patches.Rectangle(
                    (column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor=colour, linewidth=1.2
                )
                panel.add_patch(box)
    panel.set_xticks(range(len(values)), values)
    panel.set_yticks(range(len(rates)), rates)
    panel.set_xlabel(as_printed(name.removeprefix(_PREFIX).replace("_", " ")))
    panel.set_ylabel("SLNIR (%)")
    panel.grid(visible=False)
    said = f"{as_printed(table.title)}: {title}, best of each line framed"
    panel.set_title(wrapped(said, width - 0.8), loc="left")
    bar = figure.colorbar(
        image, ax=panel, label=f"{display_metric(table.metric)} ({table.unit.symbol or table.unit.shown})"
    )
    bar.outline.set_edgecolor(GREY)  # type: ignore[operator]
    return figure
