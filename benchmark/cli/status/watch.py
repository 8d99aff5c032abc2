"""`gridbench status --watch`: a live display on terminals, and a line per change on other outputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gridbench.core.console import Console
from gridbench.core.terminal import say

__all__ = ["picture", "watch_runs"]

if TYPE_CHECKING:
    from gridbench.records.status import Report, RunStatus

LONGEST_REASON = 120
MOST_ROWS = 20


def watch_runs(
    look: Callable[[], Report],
    lines: Callable[[Report], list[str]],
    every: float,
    console: Console | None = None,
) -> Report:
    """Show a folder of runs until nothing is running and nothing left, or until Ctrl-C.

    Args:
        look: Reads the status of the folder.
        lines: Formats a report as lines for an output that is not a terminal.
        every: Seconds between two readings.
        console: Where to show it; None for the standard output.

    Returns:
        The last report.
    """
    console = console or Console()
    report = look()
    try:
        if console.is_terminal:
            with Live(picture(report), console=console, auto_refresh=False) as live:
                while not _over(report):
                    time.sleep(every)
                    report = look()
                    live.update(picture(report), refresh=True)
        else:
            shown = lines(report)
            say("\n".join(shown), indent=11)
            while not _over(report):
                time.sleep(every)
                report = look()
                if lines(report) != shown:
                    shown = lines(report)
                    say("\n".join(["", *shown]), indent=11)
    except KeyboardInterrupt:
        console.print()
    return report


def picture(report: Report) -> RenderableType:
    """Return what a terminal shows: the sweeps with bars, what runs now, and what failed and why."""
    parts: list[RenderableType] = [Text(report.summary(), style="bold")]
    for sweep in report.sweeps:
        if sweep.finished:
            continue
        line = Table.grid(padding=(0, 1))
        line.add_row(
            ProgressBar(total=sweep.total, completed=sweep.done + sweep.failed, width=30), sweep.words()
        )
        parts += [Text(sweep.command, style="dim", overflow="ellipsis", no_wrap=True), line]
    running = [run for run in report.found if run.state == "running"]
    table = Table.grid(padding=(0, 1))
    for run in running[:MOST_ROWS]:
        bar = ProgressBar(total=run.epochs or 1, completed=run.epoch or 0, width=30)
        table.add_row(bar, f"{run.epoch or 0}/{run.epochs or '?'}", run.folder.name)
    for name in report.elsewhere[: max(MOST_ROWS - len(running), 0)]:
        table.add_row("on another machine", "", name)
    parts.append(table)
    troubled = [run for run in report.found if run.needs_attention]
    parts += [_trouble(run) for run in troubled[:MOST_ROWS]]
    if len(troubled) > MOST_ROWS:
        parts.append(Text(f"and {len(troubled) - MOST_ROWS} more"))
    return Group(*parts)


def _trouble(run: RunStatus) -> Text:
    reason = " ".join(run.reason.split())[:LONGEST_REASON]
    return Text(f"{run.state:10} {run.folder.name}: {reason}", style="red", overflow="ellipsis", no_wrap=True)


def _over(report: Report) -> bool:
    running = report.elsewhere or any(run.state == "running" for run in report.found)
    return not running and all(sweep.finished for sweep in report.sweeps)
