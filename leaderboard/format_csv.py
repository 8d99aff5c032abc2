"""CSV: one line per cell, with every setting in which the lines differ."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from gridbench.leaderboard.cells import Cell, differing
from gridbench.leaderboard.table import Table
from gridbench.leaderboard.text import clean
from gridbench.leaderboard.units import shown

__all__ = ["render_csv"]

_FIRST = ("dataset", "method", "loss", "noise", "slnir")


def render_csv(tables: Sequence[Table]) -> str:
    """Write the cells of all tables, one line each.

    Returns:
        Columns dataset, method, loss, noise, slnir, metric, unit, n, mean, std (ddof 1; empty with one seed),
        won_back (percent), seeds, reference, cell, then every setting in which lines differ. Text that a
        spreadsheet would run as a formula is preceded by an apostrophe.
    """
    lines: list[tuple[Cell, Table, float | None]] = []
    for table in tables:
        for row in (*table.rows, *table.references):
            lines += [(entry.cell, table, entry.won_back) for entry in row.entries if entry.cell]
    extra = differing([cell for cell, _, _ in lines], _FIRST)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fixed = ("metric", "unit", "n", "mean", "std", "won_back", "seeds", "reference", "cell")
    writer.writerow((*_FIRST, *fixed, *extra))
    for cell, table, share in lines:
        writer.writerow(
            (
                *(_harmless(cell.text(name)) for name in _FIRST),
                _harmless(cell.metric),
                table.unit.shown,
                cell.n,
                shown(cell.mean, table.unit),
                shown(cell.std, table.unit) if cell.n > 1 else "",
                "" if share is None else round(share, 4),
                " ".join(map(str, cell.values)),
                str(cell.reference).lower(),
                cell.key[:12],
                *(_harmless(cell.text(name)) for name in extra),
            )
        )
    return out.getvalue()


def _harmless(text: str) -> str:
    plain = clean(text, 200)
    try:
        float(plain)
    except ValueError:
        return f"'{plain}" if plain.startswith(("=", "+", "-", "@")) else plain
    return plain
