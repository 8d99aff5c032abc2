"""Every figure that a report's records allow, by name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from matplotlib.figure import Figure

from gridbench.leaderboard.figures.bars import mode_bars, parameter_bars
from gridbench.leaderboard.figures.curves import noise_curves
from gridbench.leaderboard.figures.epochs import detection_curves, loss_curves, score_curves
from gridbench.leaderboard.figures.ranks import rank_diagram
from gridbench.leaderboard.figures.sensitivity import sensitivity_maps
from gridbench.leaderboard.figures.strip_figures import strip_figures
from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.stats.comparison import ranking_of
from gridbench.leaderboard.tables.table import Table

__all__ = ["figures_of"]


def figures_of(report: Report) -> Iterator[tuple[str, Figure]]:
    """Yield (file name without suffix, figure) of each figure for which the records have the data."""
    taken: set[str] = set()
    for table in report.tables:
        for name, figure in _of_table(table):
            yield _unique(f"{table.title} {name}", taken), figure
    standing = ranking_of(report.tables)
    diagram = rank_diagram(standing) if standing else None
    if diagram is not None:
        yield _unique("critical difference", taken), diagram


def _of_table(table: Table) -> Iterator[tuple[str, Figure]]:
    single = {f"{table.metric} over noise": noise_curves(table), "parameters": parameter_bars(table)}
    yield from ((name, figure) for name, figure in single.items() if figure is not None)
    yield from ((f"{table.metric} {name}", figure) for name, figure in score_curves(table))
    yield from detection_curves(table)
    for kind, figures in (
        ("losses", loss_curves(table)),
        ("sensitivity", sensitivity_maps(table)),
        ("ablation", mode_bars(table)),
        ("retrieved", strip_figures(table)),
    ):
        yield from ((f"{kind} {name}", figure) for name, figure in figures)


def _unique(name: str, taken: set[str]) -> str:
    """Turn a name into one that every file system takes, and no other figure has."""
    plain = re.sub(r"[^a-z0-9.@]+", "-", name.lower()).strip("-.")[:80] or "figure"
    chosen, count = plain, 1
    while chosen in taken:
        count += 1
        chosen = f"{plain}-{count}"
    taken.add(chosen)
    return chosen
