"""JSON: the tables with every seed's value, for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from gridbench.leaderboard.table import Entry, Row, Table
from gridbench.leaderboard.units import Unit, shown

__all__ = ["document_of", "render_json"]

SCHEMA = 1


def render_json(tables: Sequence[Table], more: dict[str, Any] | None = None) -> str:
    """Write all tables as one JSON document.

    Args:
        tables: The tables.
        more: Further members of the document.
    """
    document = {"schema": SCHEMA, "tables": [document_of(table) for table in tables], **(more or {})}
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def document_of(table: Table) -> dict[str, Any]:
    """Return a table as plain values: numbers in the shown unit, null where there is none."""
    return {
        "title": table.title,
        "metric": table.metric,
        "unit": table.unit.shown,
        "better": table.unit.better,
        "decimals": table.unit.decimals,
        "caption": table.caption,
        "ddof": 1,
        "seeds": list(table.seeds),
        "headings": list(table.headings),
        "over": table.over,
        "columns": list(table.columns),
        "rows": [_row(row, table.unit, False) for row in table.rows]
        + [_row(row, table.unit, True) for row in table.references],
        "notes": list(table.notes),
    }


def _row(row: Row, unit: Unit, reference: bool) -> dict[str, Any]:
    return {
        "names": list(row.names),
        "note": row.note,
        "reference": reference,
        "entries": [_entry(entry, unit) for entry in row.entries],
    }


def _entry(entry: Entry, unit: Unit) -> dict[str, Any]:
    if entry.cell is None:
        return {"mean": None, "n": 0, "expected": entry.expected}
    cell = entry.cell
    return {
        "mean": shown(cell.mean, unit),
        "std": None if math.isnan(cell.std) else shown(cell.std, unit),
        "n": cell.n,
        "expected": entry.expected,
        "place": entry.place,
        "won_back": None if entry.won_back is None else round(entry.won_back, 4),
        "values": {str(seed): shown(value, unit) for seed, value in cell.values.items()},
        "cell": cell.key,
        "settings": {name: value for name, value in cell.settings.items() if value is not None},
    }
