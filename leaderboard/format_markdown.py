"""Markdown: tables that read well as text and on the web."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from tabulate import tabulate

from gridbench.leaderboard.table import Entry, Row, Table
from gridbench.leaderboard.text import clean, mean_text, missing_text, seeds_text, spread_text
from gridbench.leaderboard.units import Unit

__all__ = ["render_markdown"]


def render_markdown(tables: Sequence[Table]) -> str:
    """Write every table; the best value of a column in bold, the second best underlined."""
    return "\n\n".join(_table(table) for table in tables) + "\n"


def _table(table: Table) -> str:
    head = [*map(_escape, table.headings), *map(_escape, table.columns)]
    lines = [_line(row, table.unit) for row in table.rows]
    if table.references:
        label = ["*reference*", *[""] * (len(head) - 1)]
        lines += [label, *(_line(row, table.unit) for row in table.references)]
    align = ["left"] * len(table.headings) + ["right"] * len(table.columns)
    parts = [
        f"**{_escape(table.title)}**: {_escape(table.metric)} ({table.unit.shown}) by {_escape(table.over)}; "
        f"{table.caption}.",
        _pipes(lines, head, align),
    ]
    shares = [
        [*_names(row), *("" if entry.won_back is None else f"{entry.won_back:.0f}" for entry in row.entries)]
        for row in table.rows
        if any(entry.won_back is not None for entry in row.entries)
    ]
    if shares:
        parts += ["Share of the NDCG lost to noise that was won back (%):", _pipes(shares, head, align)]
    notes = [_escape(note) for note in table.notes]
    return "\n\n".join([*parts, *(["  \n".join(notes)] if notes else [])])


def _pipes(lines: list[list[str]], head: list[str], align: list[str]) -> str:
    return tabulate(lines, headers=head, tablefmt="pipe", colalign=align, disable_numparse=True)


def _line(row: Row, unit: Unit) -> list[str]:
    return [*_names(row), *(_entry(entry, unit) for entry in row.entries)]


def _names(row: Row) -> list[str]:
    names = [_escape(name) for name in row.names]
    return [f"{names[0]} {_escape(row.note)}".rstrip(), *names[1:]]


def _entry(entry: Entry, unit: Unit) -> str:
    if entry.cell is None:
        return missing_text(entry)
    mean = mean_text(entry, unit)
    marked = {"": mean, "best": f"**{mean}**", "second": f"<u>{mean}</u>"}[entry.place]
    spread = spread_text(entry, unit)
    return " ".join(filter(None, [marked, f"± {spread}" if spread else "", seeds_text(entry)]))


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]|~#])", r"\\\1", html.escape(clean(text), quote=False))
