"""What a parameter does: lambda as a heat map (Tables I-IV), modes as bars (Fig. 6), parameter counts (Fig. 8)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from gridbench.leaderboard.figures.style import GREY, legend_outside, looks_of, new_figure, short, styled
from gridbench.leaderboard.records.metric_info import shown
from gridbench.leaderboard.tables.cells import Cell, order_of
from gridbench.leaderboard.tables.table import Table

__all__ = ["mode_bars", "parameter_bars", "sensitivity_maps"]

_PREFIX = "parameters."


@styled
def sensitivity_maps(table: Table) -> list[tuple[str, Figure]]:
    """Draw a heat map of noise rate by parameter for every number that varies within one method and loss.

    Returns:
        (Name of parameter, method and loss; figure).
    """
    figures = []
    for name, title, cells in _varying(table, numeric=True):
        values = sorted({cell.text(name) for cell in cells}, key=order_of)
        rates = sorted({cell.text("slnir") for cell in cells}, key=order_of)
        grid = np.full((len(rates), len(values)), math.nan)
        for cell in cells:
            grid[rates.index(cell.text("slnir")), values.index(cell.text(name))] = shown(
                cell.mean, table.unit
            )
        figures.append(
            (f"{name.removeprefix(_PREFIX)} {title}", _heat(table, name, title, grid, values, rates))
        )
    return figures


@styled
def mode_bars(table: Table) -> list[tuple[str, Figure]]:
    """Draw bars by noise rate for every word that varies within one method and loss, such as GRID's mode."""
    figures = []
    for name, title, cells in _varying(table, numeric=False):
        words = sorted({cell.text(name) for cell in cells})
        rates = sorted({cell.text("slnir") for cell in cells}, key=order_of)
        looks = looks_of(words)
        figure, (panel,) = new_figure(width=6)
        width = 0.8 / len(words)
        for at, word in enumerate(words):
            own = [cell for cell in cells if cell.text(name) == word]
            panel.bar(
                [rates.index(cell.text("slnir")) + (at - (len(words) - 1) / 2) * width for cell in own],
                [shown(cell.mean, table.unit) for cell in own],
                width,
                yerr=[shown(cell.std, table.unit) if cell.n > 1 else 0.0 for cell in own],
                color=looks[word].colour,
                alpha=0.75,
                edgecolor="black",
                linewidth=0.5,
                hatch=looks[word].hatch,
                error_kw={"elinewidth": 0.7, "capsize": 1.5},
                label=word,
            )
        lowest = min(shown(cell.mean, table.unit) for cell in cells)
        panel.set_ylim(bottom=max(0, math.floor(lowest / 5 - 1) * 5))
        panel.set_xticks(range(len(rates)), rates)
        panel.set_xlabel("SLNIR (%)")
        panel.set_ylabel(f"{table.metric} ({table.unit.symbol or table.unit.shown}), axis cut")
        panel.set_title(f"{table.title}: {title} by {name.removeprefix(_PREFIX)}", loc="left")
        panel.grid(visible=False, axis="x")
        legend_outside(figure, panel)
        figures.append((f"{name.removeprefix(_PREFIX)} {title}", figure))
    return figures


@styled
def parameter_bars(table: Table) -> Figure | None:
    """Draw the number of trainable parameters of each row: the backbone's and the rest.

    Returns:
        None when no record counts them.
    """
    counted: dict[str, tuple[float, float]] = {}
    for row in (*table.rows, *table.references):
        for cell in (entry.cell for entry in row.entries if entry.cell):
            metrics = next(iter(cell.runs.values())).metrics if cell.runs else {}
            everything, backbone = metrics.get("parameters/total"), metrics.get("parameters/backbone")
            if everything and backbone is not None:
                counted.setdefault(short(row.names), (everything, min(backbone, everything)))
    if not counted:
        return None
    names = list(counted)
    totals, backbones = (np.array([counted[name][part] for name in names]) / 1e6 for part in (0, 1))
    figure, (panel,) = new_figure(height=0.9 + 0.28 * len(names))
    looks = looks_of(["backbone", "heads and the rest"])
    at = np.arange(len(names))
    for label, width, left in (
        ("backbone", backbones, np.zeros_like(totals)),
        ("heads and the rest", totals - backbones, backbones),
    ):
        look = looks[label]
        panel.barh(
            at, width, 0.65, left, color=look.colour, alpha=0.75, hatch=look.hatch, edgecolor="black",
            linewidth=0.5, label=label,
        )  # fmt: skip
    for y, (count, part) in enumerate(counted.values()):
        said = f" {count:,.0f} ({100 * part / count:.0f} % backbone)"
        panel.text(count / 1e6, y, said, va="center", fontsize=7)
    panel.set_yticks(at, names)
    panel.invert_yaxis()
    panel.set_xlim(right=float(totals.max()) * 1.45)
    panel.set_xlabel("parameters (millions)")
    panel.grid(visible=False, axis="y")
    panel.set_title(f"{table.title}: parameters", loc="left")
    legend_outside(figure, panel, columns=2)
    return figure


def _varying(table: Table, numeric: bool) -> list[tuple[str, str, list[Cell]]]:
    """Return (parameter, title, cells) wherever a parameter varies while all else but the noise rate is equal."""
    cells = [entry.cell for row in table.rows for entry in row.entries if entry.cell is not None]
    found = []
    for name in dict.fromkeys(name for cell in cells for name in cell.settings if name.startswith(_PREFIX)):
        groups: dict[tuple[object, ...], list[Cell]] = {}
        for cell in cells:
            if cell.settings.get(name) is not None:
                rest = ((other, cell.text(other)) for other in cell.settings if other not in (name, "slnir"))
                groups.setdefault((cell.origin, *sorted(rest)), []).append(cell)
        for everything in groups.values():
            # A number among words, or a word such as slnir among numbers, has no place on the other's axis.
            group = [cell for cell in everything if (order_of(cell.text(name))[0] == 1) == numeric]
            if len({cell.text(name) for cell in group}) > 1:
                found.append((name, short((group[0].text("method"), group[0].text("loss"))), group))
    return found


def _heat(
    table: Table,
    name: str,
    title: str,
    grid: npt.NDArray[np.float64],
    values: Sequence[str],
    rates: Sequence[str],
) -> Figure:
    figure, (panel,) = new_figure(width=1.6 + 0.45 * len(values), height=1.2 + 0.3 * len(rates))
    image = panel.imshow(grid, cmap="cividis", aspect="auto")
    middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    for row, line in enumerate(grid):
        for column, value in enumerate(line):
            if math.isnan(value):
                continue
            colour = "white" if value < middle else "black"
            best = value == np.nanmax(line)
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
    panel.set_xlabel(name.removeprefix(_PREFIX).replace("_", " "))
    panel.set_ylabel("SLNIR (%)")
    panel.grid(visible=False)
    panel.set_title(f"{table.title}: {title}, best of each line framed", loc="left")
    bar = figure.colorbar(image, ax=panel, label=f"{table.metric} ({table.unit.symbol or table.unit.shown})")
    bar.outline.set_edgecolor(GREY)  # type: ignore[operator]
    return figure
