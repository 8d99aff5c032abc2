"""The page: one self-contained HTML file that opens from disk and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Any

import jinja2
from markupsafe import Markup

from gridbench.core.terminal import escape
from gridbench.leaderboard.formats.html.page_details import Budget, details_of
from gridbench.leaderboard.records.metric_info import shown
from gridbench.leaderboard.records.runs import Run
from gridbench.leaderboard.tables.cells import Cell
from gridbench.leaderboard.tables.report import Report
from gridbench.leaderboard.tables.table import Table
from gridbench.leaderboard.tables.text import clean

__all__ = ["inlined", "page_document", "render_page"]

_SCRIPTS = ("common.js", "chart.js", "details.js", "table.js", "main.js")
MOST_ROWS_WITH_STATISTICS = 200


def render_page(report: Report, budget: Budget | None = None, title: str = "gridbench leaderboard") -> str:
    """Write a report as one HTML file.

    Args:
        report: What to show; statistics are added by themselves while there are few rows.
        budget: How much detail of single runs it carries.
        title: The page's heading.

    Returns:
        The file's text. Whatever came from a record is escaped, or handed to the script as JSON and shown as text.
    """
    folder = resources.files("gridbench.leaderboard.formats.html") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    document = page_document(report, budget or Budget())
    statistics, reported = _sheets(report)
    page = environment.get_template("page.html.j2").render(
        title=title,
        version=metadata.version("gridbench"),
        summary=_summary(report),
        footer=_footer(document["details"]),
        statistics=statistics,
        reported=reported,
        data=jinja2.utils.htmlsafe_json_dumps(document, separators=(",", ":"), allow_nan=False),
        **inlined([folder / "page.css"], [folder / name for name in _SCRIPTS]),
    )
    return escape(page)


def inlined(
    styles: Sequence[Traversable], scripts: Sequence[Traversable], images: str = "data:"
) -> dict[str, Markup]:
    """Return `style`, `script` and `policy` for a page: its Content-Security-Policy lets run what is in it alone.

    Args:
        styles: CSS files.
        scripts: JavaScript files, which share one scope.
        images: Where the policy lets pictures come from.
    """
    style, lines = (
        "\n".join(file.read_text(encoding="utf-8") for file in files) for files in (styles, scripts)
    )
    script = f'"use strict";\n(() => {{\n{lines}\n}})();'
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    policy = (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; img-src {images}; "
        "base-uri 'none'; form-action 'none'"
    )
    return {"style": Markup(style), "script": Markup(script), "policy": Markup(policy)}


def page_document(report: Report, budget: Budget) -> dict[str, Any]:
    """Return everything that the page's script reads."""
    details, places = details_of(_by_importance(report.tables), budget)
    # A reader wants the headline first: the table that most was computed for.
    sizes = [sum(cell.n for cell in table.cells) for table in report.tables]
    first = sizes.index(max(sizes)) if sizes else 0
    return {"tables": [_table(table, places) for table in report.tables], "first": first, "details": details}


def _by_importance(tables: Sequence[Table]) -> list[Run]:
    """Order runs so that every cell has its first seed told before any has its second."""
    ranked: dict[tuple[str, str], tuple[int, Run]] = {}
    for table in tables:
        for cell in table.cells:
            for turn, run in enumerate(cell.runs.values()):
                ranked.setdefault((run.origin, run.id), (turn, run))
    return [run for _, run in sorted(ranked.values(), key=lambda pair: pair[0])]


def _table(table: Table, places: Mapping[str, int]) -> dict[str, Any]:
    return {
        "title": clean(table.title, 300),
        "metric": table.metric,
        "unit": table.unit.shown,
        "symbol": table.unit.symbol,
        "decimals": table.unit.decimals,
        "better": table.unit.better,
        "caption": table.caption,
        "seeds": list(table.seeds),
        "headings": [clean(text) for text in table.headings],
        "over": table.over,
        "columns": [clean(text) for text in table.columns],
        "notes": [clean(note, 1000) for note in table.notes],
        "rows": [
            {
                "names": [clean(name, 200) for name in row.names],
                "note": row.note,
                "reference": row.first.run.reference,
                "cells": [_cell(cell, table, places) for cell in row.cells],
            }
            for row in (*table.rows, *table.references)
        ],
    }


def _cell(cell: Cell | None, table: Table, places: Mapping[str, int]) -> dict[str, Any] | None:
    if cell is None:
        return None
    keys = {seed: f"{run.origin}/{run.id}" for seed, run in cell.runs.items()}
    return {
        "m": shown(cell.mean, table.unit),
        "s": None if math.isnan(cell.std) else shown(cell.std, table.unit),
        "n": cell.n,
        "p": cell.place,
        "w": None if cell.gap_closed is None else round(cell.gap_closed, 2),
        "v": {str(seed): shown(value, table.unit) for seed, value in cell.values.items()},
        "machine": clean(cell.text("machine"), 1000),
        "r": {str(seed): places[key] for seed, key in keys.items() if key in places},
    }


def _sheets(report: Report) -> tuple[list[Any], list[Any]]:
    from gridbench.leaderboard.paper.reported import against_reported
    from gridbench.leaderboard.stats.sheets import comparison_sheets

    statistics: list[Any] = []
    few = sum(len(table.rows) for table in report.tables) <= MOST_ROWS_WITH_STATISTICS
    if report.tables and (report.statistics or few):
        statistics = comparison_sheets(report.tables, report.against)
    statistics = [*report.extra, *statistics]
    reported = (
        report.reported_sheets() if report.reported or report.beside else against_reported(report.tables)
    )
    return statistics, reported


def _summary(report: Report) -> str:
    runs = {
        (run.origin, run.id) for table in report.tables for cell in table.cells for run in cell.runs.values()
    }
    methods = {cell.text("method") for table in report.tables for cell in table.cells}
    parts = [f"{len(runs)} runs", f"{len(methods)} methods", f"{len(report.tables)} tables"]
    if report.found.left_out:
        parts.append(f"{len(report.found.left_out)} unfinished, failed or damaged runs left out")
    return ", ".join(part if not part.startswith("1 ") else part.removesuffix("s") for part in parts)


def _footer(details: Mapping[str, Any]) -> str:
    told, pictured = len(details["runs"]), details["pictured"]
    return (
        f"Made by gridbench {metadata.version('gridbench')} from run records. The file carries the details of {told} "
        f"runs and the pictures of {pictured}; choose a number in the table to see them. It asks the network for "
        "nothing."
    )
