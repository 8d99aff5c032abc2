"""Reports: what every format renders, the requested tables with their statistics and reported numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gridbench.errors import InputError, nearest
from gridbench.leaderboard.paper.reported import against_reported, reported_datasets, reported_sheets
from gridbench.leaderboard.records.runs import Collection
from gridbench.leaderboard.stats.sheets import comparison_sheets
from gridbench.leaderboard.tables.sheet import Sheet, sheets_of
from gridbench.leaderboard.tables.table import Table

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Tables with their statistics and notes.

    Attributes:
        found: The records that the tables were made of.
        tables: The tables.
        statistics: Whether statistics follow the tables.
        against: Method to compare with; None compares with plain training.
        reported: Whether the papers' tables follow.
        beside: Whether measured numbers are set beside reported ones.
        datasets: Data sets whose reported tables are wanted; empty for those measured, or all when none is.
        extra: Sheets of other statistics, which follow the tables.
    """

    found: Collection
    tables: Sequence[Table]
    statistics: bool = False
    against: str | None = None
    reported: bool = False
    beside: bool = False
    datasets: Sequence[str] = field(default=())
    extra: Sequence[Sheet] = field(default=())

    def sheets(self) -> list[Sheet]:
        """Return every sheet in reading order: measured, statistics, beside reported, reported."""
        sheets = [sheet for table in self.tables for sheet in sheets_of(table)]
        if self.statistics and self.tables:
            sheets += comparison_sheets(self.tables, self.against)
        return [*sheets, *self.extra, *self.reported_sheets()]

    def reported_sheets(self) -> list[Sheet]:
        """Return what papers report, as far as it was asked for.

        Raises:
            InputError: Numbers are wanted for data sets of which no paper reports any.
        """
        sheets: list[Sheet] = []
        known = sorted(reported_datasets())
        if self.beside:
            sheets += against_reported(self.tables)
            if not sheets:
                raise InputError(
                    "No measured cell has a reported number beside it. Numbers are reported for the data sets "
                    f"{', '.join(known)}, at the papers' metric, noise rates and lambda."
                )
        if self.reported:
            wanted = self.datasets or {str(run.settings["dataset"]) for run in self.found.runs}
            unknown = [name for name in wanted if name not in known]
            if wanted and len(unknown) == len(list(wanted)):
                raise InputError(
                    f"No paper reports numbers for {', '.join(sorted(unknown))}."
                    f"{nearest(unknown[0], known)} Use --dataset with one of: {', '.join(known)}."
                )
            sheets += reported_sheets(set(wanted) or None)
        return sheets
