"""Retrieved pictures of several methods for the same queries, clean labels under them, wrong ones marked."""

from __future__ import annotations

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gridbench.leaderboard.figures.strips import Picture, Strip, strips_of
from gridbench.leaderboard.figures.style import PAGE, new_figure, styled, wrapped
from gridbench.leaderboard.tables.display_names import as_printed, row_label
from gridbench.leaderboard.tables.table import Row, Table
from gridbench.leaderboard.tables.text import with_unit

__all__ = ["strip_figures"]

MOST_METHODS = 6
MOST_QUERIES = 3
RETRIEVED = 8
_PITCH = 1.85
"""Distance of two rows of pictures, a picture being 1 high."""


@styled
def strip_figures(table: Table) -> list[tuple[str, Figure]]:
    """Draw what the methods of one column retrieved for the records' fixed queries, with the first seed kept.

    Returns:
        (Name, figure) for the noisiest column with pictures of at least one method; empty without any.
    """
    for column in reversed(table.columns):
        found = _strips(table, column)
        if found:
            count = min(MOST_QUERIES, *(len(strips) for _, _, strips in found))
            return [
                (f"{column} query {query + 1}", _figure(table, column, query, found))
                for query in range(count)
            ]
    return []


def _strips(table: Table, column: str) -> list[tuple[Row, int, list[Strip]]]:
    found = []
    for row in (*table.rows, *table.references):
        cell = row.cells.get(column)
        for seed, run in cell.runs.items() if cell else ():
            strips = strips_of(run.stored)
            if strips:
                found.append((row, seed, strips))
                break
    return found[:MOST_METHODS]


def _figure(table: Table, column: str, query: int, found: list[tuple[Row, int, list[Strip]]]) -> Figure:
    across = 1 + min(RETRIEVED, *(len(strips[query].retrieved) for _, _, strips in found))
    width, height = 1.6 + 1.12 * across, _PITCH * len(found)
    figure, (panel,) = new_figure(width=PAGE, height=PAGE / width * height + 0.35)
    panel.set_axis_off()
    for line, (row, seed, strips) in enumerate(found):
        top = line * _PITCH
        name = textwrap.fill(row_label(row.names, table.headings), 16)
        panel.text(-0.1, top + 0.5, f"{name}\nseed {seed}", ha="right", va="center", fontsize=7)
        _picture(panel, strips[query].query, 0, top, "query")
        for place, picture in enumerate(strips[query].retrieved[: across - 1]):
            mark = f"{place + 1} ✗" if picture.wrong else f"{place + 1}"
            _picture(panel, picture, 1.3 + 1.12 * place, top, mark)
    panel.set_xlim(-1.5, width - 1.4)
    panel.set_ylim(height, -0.3)
    panel.set_aspect("equal")
    marked = any(strips[query].query.labels for _, _, strips in found)
    said = "; ✗ shares no label with the query" if marked else "; the records keep no labels of the pictures"
    title = as_printed(f"{table.title}, {with_unit(table.over, column)}{said}")
    panel.set_title(wrapped(title, PAGE), loc="left")
    return figure


def _picture(panel: Axes, picture: Picture, left: float, top: float, title: str) -> None:
    panel.imshow(picture.pixels, interpolation="nearest", extent=(left, left + 1, top + 1, top))
    edge = (
        {"linewidth": 2.2, "linestyle": "--", "edgecolor": "#D55E00"} if picture.wrong else {"linewidth": 0.5}
    )
    panel.add_patch(Rectangle((left, top), 1, 1, fill=False, **edge))
    panel.text(
        left + 0.5, top - 0.04, title, ha="center", va="bottom", fontsize=6.5,
        weight="bold" if picture.wrong else "normal",
    )  # fmt: skip
    labels = [label if len(label) <= 18 else label[:17] + "…" for label in picture.labels]
    below = "\n".join([*labels[:3], *(["…"] if len(labels) > 3 else [])])
    panel.text(left + 0.5, top + 1.04, below, ha="center", va="top", fontsize=4.8, linespacing=1.0)
