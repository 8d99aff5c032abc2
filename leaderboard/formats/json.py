"""JSON: the tables with every seed's value, for programs."""

from __future__ import annotations

import json
import math
from typing import Any

from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.records.metric_info import Unit, shown
from gridbench.leaderboard.stats.comparison import Comparison, Standing, compare_rows, ranking_of
from gridbench.leaderboard.stats.statistics import CONFIDENCE, Interval
from gridbench.leaderboard.tables.cells import Cell
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell
from gridbench.leaderboard.tables.table import Table

__all__ = ["document_of", "render_json", "report_document", "sheet_document"]

SCHEMA = 1


def render_json(report: Report) -> str:
    """Write a report as one JSON document; numbers in the shown unit, null where there is none."""
    # ASCII, so that no name can contain terminal control sequences.
    return json.dumps(report_document(report), indent=1, allow_nan=False) + "\n"


def report_document(report: Report) -> dict[str, Any]:
    """Return a report as plain values: tables, and what else was asked for."""
    document: dict[str, Any] = {"schema": SCHEMA, "tables": [document_of(table) for table in report.tables]}
    if report.statistics:
        for table, content in zip(report.tables, document["tables"], strict=True):
            if not table.unit.better:
                continue
            compared = compare_rows(table, report.against)
            content["against"] = report.against or "plain"
            for row, one in zip(content["rows"], compared, strict=False):
                row["statistics"] = _comparison(one, table.unit)
        document["ranking"] = _standing(ranking_of(report.tables))
    if report.extra:
        document["sheets"] = [sheet_document(sheet) for sheet in report.extra]
    if report.beside or report.reported:
        document["reported"] = [sheet_document(sheet) for sheet in report.reported_sheets()]
    return document


def sheet_document(sheet: Sheet) -> dict[str, Any]:
    """Return a sheet as plain text values."""
    return {
        "title": sheet.title,
        "caption": sheet.caption,
        "headings": list(sheet.headings),
        "columns": list(sheet.columns),
        "rows": [
            {"names": list(names), "values": [_spoken(cell) for cell in cells]}
            for names, cells in (*sheet.lines, *sheet.references)
        ],
        "notes": list(sheet.notes),
    }


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
        "rows": [
            {
                "names": list(row.names),
                "note": row.note,
                "reference": row.first.run.reference,
                "entries": [_cell(row.cells.get(column), table) for column in table.columns],
            }
            for row in (*table.rows, *table.references)
        ],
        "notes": list(table.notes),
    }


def _cell(cell: Cell | None, table: Table) -> dict[str, Any]:
    expected = len(table.seeds)
    if cell is None:
        return {"mean": None, "n": 0, "expected": expected}
    return {
        "mean": shown(cell.mean, table.unit),
        "std": None if math.isnan(cell.std) else shown(cell.std, table.unit),
        "n": cell.n,
        "expected": expected,
        "place": cell.place,
        "gap_closed": None if cell.gap_closed is None else round(cell.gap_closed, 4),
        "values": {str(seed): shown(value, table.unit) for seed, value in cell.values.items()},
        "machine": cell.text("machine"),
        "cell": cell.run.cell,
        "settings": {name: value for name, value in cell.settings.items() if value is not None},
    }


def _spoken(cell: SheetCell) -> str:
    return " ".join(filter(None, [cell.text, f"± {cell.spread}" if cell.spread else "", cell.extra]))


def _comparison(one: Comparison, unit: Unit) -> dict[str, Any]:
    return {
        "baseline": one.is_baseline,
        "difference": _interval(one.interval, unit),
        "by_column": {column: _interval(interval, unit) for column, interval in one.by_column.items()},
        "wins": _number(one.wins * 100),
        "area": _number(one.area * unit.scale),
        "relative_drop": _number(one.drop * 100),
    }


def _interval(interval: Interval | None, unit: Unit) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {
        "mean": _number(interval.difference * unit.scale),
        "low": _number(interval.low * unit.scale),
        "high": _number(interval.high * unit.scale),
        "confidence": CONFIDENCE,
        "n": interval.seeds,
        "p_value": _number(interval.p_value, 6),
        "p_adjusted": _number(interval.adjusted, 6),
        "verdict": interval.verdict,
    }


def _standing(standing: Standing | None) -> dict[str, Any] | None:
    if standing is None:
        return None
    test = standing.test
    return {
        "cells": standing.blocks,
        "ranks": [
            {"names": list(names), "mean_rank": rank}
            for names, rank in zip(standing.names, standing.ranks, strict=True)
        ],
        "friedman": None if test is None else {"statistic": test.statistic, "p_value": test.p_value},
        "critical_difference": None if test is None else test.difference,
        "not_ranked": [list(names) for names in standing.left_out],
    }


def _number(value: float, digits: int = 4) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
