"""Markdown: tables that read well as text and on the web."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from tabulate import tabulate

from gridbench.leaderboard.tables.sheet import Sheet, SheetCell, SheetRow
from gridbench.leaderboard.tables.text import clean

__all__ = ["render_markdown"]

_MARKED = {"": "{}", "best": "**{}**", "second": "<u>{}</u>", "missing": "{}"}


def render_markdown(sheets: Sequence[Sheet]) -> str:
    """Write every sheet; the best value of a column in bold, the second best underlined."""
    return "\n\n".join(map(_sheet, sheets)) + "\n"


def _sheet(sheet: Sheet) -> str:
    head = [_escape(text) for text in (*sheet.headings, *sheet.columns)]
    lines = [_line(line) for line in sheet.lines]
    if sheet.references:
        lines += [["*reference*", *[""] * (len(head) - 1)], *map(_line, sheet.references)]
    align = ["left"] * len(sheet.headings) + ["right"] * len(sheet.columns)
    title = f"**{_escape(sheet.title, 300)}**: " if sheet.title else ""
    parts = [f"{title}{_escape(sheet.caption, 1000)}."]
    if lines:
        parts.append(tabulate(lines, headers=head, tablefmt="pipe", colalign=align, disable_numparse=True))
    if sheet.notes:
        parts.append("  \n".join(_escape(note, 1000) for note in sheet.notes))
    return "\n\n".join(parts)


def _line(line: SheetRow) -> list[str]:
    return [*(_escape(name) for name in line[0]), *map(_cell, line[1])]


def _cell(cell: SheetCell) -> str:
    value = _MARKED[cell.mark].format(_escape(cell.text))
    return " ".join(filter(None, [value, f"± {cell.spread}" if cell.spread else "", _escape(cell.extra)]))


def _escape(text: str, longest: int = 60) -> str:
    return re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", html.escape(clean(text, longest), quote=False))
