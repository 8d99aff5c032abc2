"""The page: one self-contained HTML file that opens from disk and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Any

import jinja2
from markupsafe import Markup

from gridbench.core.terminal import escape
from gridbench.errors import counted
from gridbench.leaderboard.formats.html.page_details import Budget, details_of
from gridbench.leaderboard.formats.json import document_of
from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.paper.reported import against_reported
from gridbench.leaderboard.records.runs import Run
from gridbench.leaderboard.stats.sheets import comparison_sheets
from gridbench.leaderboard.tables.table import Table
from gridbench.leaderboard.tables.text import clean

__all__ = ["inlined", "page_document", "render_page"]

_SCRIPTS = ("common.js", "chart.js", "details.js", "table.js", "main.js")
MOST_ROWS_WITH_STATISTICS = 200
LONGEST_TEXT, LONGEST_NOTE = 300, 1000


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
    """Return `style`, `script` and `policy` for a page: its Content-Security-Policy allows only what is in it.

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
    # The table with the most runs is the headline and is shown first.
    sizes = [sum(cell.n for cell in table.cells) for table in report.tables]
    first = sizes.index(max(sizes)) if sizes else 0
    return {"tables": [_table(table, places) for table in report.tables], "first": first, "details": details}


def _by_importance(tables: Sequence[Table]) -> list[Run]:
    """Order runs so that the first seeds of all cells come before the second ones."""
    ranked: dict[tuple[str, str], tuple[int, Run]] = {}
    for table in tables:
        for cell in table.cells:
            for turn, run in enumerate(cell.runs.values()):
                ranked.setdefault((run.origin, run.id), (turn, run))
    return [run for _, run in sorted(ranked.values(), key=lambda pair: pair[0])]


def _table(table: Table, places: Mapping[str, int]) -> dict[str, Any]:
    """Return a table as in JSON, with the position of each run's details in place of the settings."""
    document = _cleaned(document_of(table))
    for row, written in zip((*table.rows, *table.references), document["rows"], strict=True):
        for column, entry in zip(table.columns, written["entries"], strict=True):
            cell = row.cells.get(column)
            if cell is not None:
                del entry["settings"], entry["cell"]
                keys = {seed: f"{run.origin}/{run.id}" for seed, run in cell.runs.items()}
                entry["runs"] = {str(seed): places[key] for seed, key in keys.items() if key in places}
    return {
        **document,
        "notes": [clean(note, LONGEST_NOTE) for note in table.notes],
        "symbol": table.unit.symbol,
    }


def _cleaned(value: Any) -> Any:
    """Return a document whose texts fit on a page."""
    if isinstance(value, dict):
        return {name: _cleaned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return clean(value, LONGEST_TEXT) if isinstance(value, str) else value


def _sheets(report: Report) -> tuple[list[Any], list[Any]]:
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
    parts = [counted(len(runs), "run"), counted(len(methods), "method"), counted(len(report.tables), "table")]
    if report.found.left_out:
        parts.append(f"{counted(len(report.found.left_out), 'unfinished, failed or damaged run')} left out")
    return ", ".join(parts)


def _footer(details: Mapping[str, Any]) -> str:
    shown, pictured = len(details["runs"]), details["pictured"]
    return (
        f"Made by gridbench {metadata.version('gridbench')} from run records. The file carries the details of {shown} "
        f"runs and the pictures of {pictured}; choose a number in the table to see them. It asks the network for "
        "nothing."
    )
