"""Statistics laid out as sheets, with the words that say what they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gridbench.leaderboard.records.metric_info import Unit
from gridbench.leaderboard.stats.comparison import (
    Comparison,
    Standing,
    compare_rows,
    ranking_of,
)
from gridbench.leaderboard.stats.statistics import FEWEST_SEEDS, VERDICTS, Interval, p_text
from gridbench.leaderboard.tables.sheet import Line, Mark, Sheet
from gridbench.leaderboard.tables.table import Table, common_columns

__all__ = ["comparison_sheets"]


def comparison_sheets(tables: Sequence[Table], against: str | None = None) -> list[Sheet]:
    """Lay out the statistics of all tables.

    Args:
        tables: The tables.
        against: Method to compare with; None compares with plain training on the same loss.

    Returns:
        One sheet per table, and one ranking over all of them where there is one; none where no way is better, as with
        times and counts.

    Raises:
        InputError: A table has no row of the method `against`.
    """
    tables = [table for table in tables if table.unit.better]
    sheets = [_sheet(table, against) for table in tables]
    standing = ranking_of(tables)
    return [*sheets, *([_ranking(tables[0], standing)] if standing else [])]


def _sheet(table: Table, against: str | None) -> Sheet:
    compared = compare_rows(table, against)
    whom = against or "plain"
    heads = [f"better than {whom} by", "95 % interval", "p (Holm)", "verdict", "wins (%)"]
    several = len(table.columns) > 1
    if several:
        heads.append(f"resolved at {table.over}")
    shared = [table.columns[at] for at in common_columns(table.rows)]
    areas = any(not math.isnan(one.area) for one in compared)
    drops = any(not math.isnan(one.drop) for one in compared)
    heads += [f"area {shared[0]}–{shared[-1]}"] if areas else []
    heads += [f"drop {shared[0]}–{shared[-1]} (%)"] if drops else []
    lines = []
    for one in compared:
        texts = _paired(one, table.unit)
        if several:
            texts.append(_resolved(one))
        texts += [_plain(one.area * table.unit.scale, table.unit.decimals)] if areas else []
        texts += [_plain(one.drop * 100, 1)] if drops else []
        lines.append(Line(one.row.names, tuple(map(Mark, texts))))
    return Sheet(
        table.title,
        f"Statistics of {table.metric} ({table.unit.shown}) over seeds {', '.join(map(str, table.seeds))}",
        table.headings,
        tuple(heads),
        tuple(lines),
        notes=tuple(_notes(against, shared if areas else [])),
    )


def _notes(against: str | None, shared: Sequence[str]) -> list[str]:
    whom = f"{against} with the same loss" if against else "plain training on the same loss"
    notes = [
        f"Differences are to {whom} at the same settings, paired by seed on one machine, averaged over the columns "
        "both have; "
        f"where some have {FEWEST_SEEDS} paired seeds, over those alone. "
        f"{VERDICTS} Wins are counted over pairs of cell and seed."
    ]
    if shared:
        notes.append(
            f"The area is the mean height of the curve of means over {', '.join(shared)}, by trapezoids."
        )
    return notes


def _paired(one: Comparison, unit: Unit) -> list[str]:
    if one.interval is None:
        return ["(baseline)" if one.is_baseline else "", "", "", "", ""]
    if not one.interval.seeds:
        return ["— (n = 0)", "", "", one.interval.verdict, ""]
    difference = _signed(one.interval.difference * unit.scale, unit.decimals)
    between = _between(one.interval, unit)
    return [
        f"{difference} (n = {one.interval.seeds})",
        between,
        p_text(one.interval.adjusted),
        one.interval.verdict,
        f"{one.wins * 100:.0f}",
    ]


def _between(interval: Interval, unit: Unit) -> str:
    if math.isnan(interval.low):
        return ""
    low, high = (_signed(end * unit.scale, unit.decimals) for end in (interval.low, interval.high))
    return f"{low} to {high}"


def _resolved(one: Comparison) -> str:
    """Name the columns in which the difference is resolved by itself."""
    verdicts = {column: interval.verdict for column, interval in one.by_column.items()}
    if not verdicts or all(verdict == "not enough seeds" for verdict in verdicts.values()):
        return ""
    marks = {"better": "+", "worse": "−"}
    found = [f"{column}{marks[verdict]}" for column, verdict in verdicts.items() if verdict in marks]
    return " ".join(found) or "none"


def _ranking(table: Table, standing: Standing) -> Sheet:
    test = standing.test
    if test is None:
        notes = ["A Friedman test needs three methods and two cells that differ."]
    else:
        notes = [
            f"Friedman's chi-square is {test.statistic:.2f}, p = {test.p_value:.2g}; mean ranks that differ by more "
            f"than {test.difference:.2f} differ (Nemenyi, 5 %). The cells of one data set are not independent of "
            "each other, so this is optimistic."
        ]
    if standing.left_out:
        missing = "; ".join(" ".join(filter(None, names)) for names in standing.left_out)
        notes.append(f"Not ranked, since they lack cells or seeds that others have: {missing}.")
    return Sheet(
        "Ranking",
        f"Mean rank by {table.metric} over {standing.blocks} cells, of their means",
        table.headings,
        ("mean rank",),
        tuple(
            Line(names, (Mark(f"{rank:.2f}"),))
            for names, rank in zip(standing.names, standing.ranks, strict=True)
        ),
        notes=tuple(notes),
    )


def _signed(value: float, decimals: int) -> str:
    """Write a difference with its sign; what rounds to nothing has none."""
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def _plain(value: float, decimals: int) -> str:
    """Write a number; what rounds to nothing has no sign."""
    if math.isnan(value):
        return ""
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")
