"""`gridbench reproduce list`: what each table and figure needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gridbench.core.terminal import say
from gridbench.errors import counted

WIDEST = 200
"""Columns of a list that goes to no terminal."""

if TYPE_CHECKING:
    from gridbench.records.runtime import Estimate
    from gridbench.sweeps.paper import Exhibit
    from gridbench.sweeps.reproduce import Source

__all__ = ["print_list"]


def print_list(
    exhibits: Sequence[Exhibit],
    dataset: str | None,
    seeds: Sequence[str],
    epochs: int | None,
    runs: Path,
    cache: Path,
) -> None:
    """Print a line for each table and figure: data, runs, time and memory, as far as they are known."""
    from rich.table import Table

    from gridbench.core.console import Console
    from gridbench.records.runtime import Measured
    from gridbench.sweeps.paper import ARCHIVES
    from gridbench.sweeps.reproduce import datasets_for, needs_maps, requirements, source_of

    measured = Measured(runs)
    sources: dict[str, Source] = {}
    table = Table(box=None, pad_edge=False)
    for column in ("name", "what it shows", "archive", "labels", "runs", "time", "memory\nat most"):
        table.add_column(
            column, justify="right" if column == "runs" else "left", no_wrap=column != "what it shows"
        )
    for shown in exhibits:
        for name in datasets_for(shown, dataset):
            if name not in sources:
                sources[name] = source_of(name, cache)
            needed = requirements(shown, sources[name], seeds, epochs)
            cost = measured.estimate(needed)
            labels = "none" if not shown.parts else "label maps" if needs_maps(shown) else "scene"
            table.add_row(shown.name, shown.title, name, labels, str(len(needed)), _time(cost), _memory(cost))
    console = Console() if sys.stdout.isatty() else Console(width=WIDEST)
    console.print(table)
    say(
        f"Runs are counted for {counted(len(seeds), 'seed')}; tables and figures share those that are equal. Time "
        "(one run at a "
        f"time) and memory (of a process that may have computed several) are those of finished runs in {str(runs)!r}; "
        "what nothing was measured for is unknown."
    )
    for name, source in sources.items():
        if source.missing:
            facts = ARCHIVES[name]
            size = f"{facts.images:,} images, about {facts.bytes / 1e9:.1f} GB packed with label maps"
            say(f"{name} ({size}) is not prepared: {facts.prepare}")


def _time(cost: Estimate) -> str:
    from gridbench.records.runtime import duration

    if not cost.known:
        return "unknown" if cost.unknown else "seconds"
    text = duration(cost.seconds)
    return f"{text} for {cost.known}, of {cost.unknown} unknown" if cost.unknown else text


def _memory(cost: Estimate) -> str:
    if cost.memory is None:
        return "unknown" if cost.known or cost.unknown else "small"
    return f"{cost.memory / 2**30:.1f} GiB" + (" or more" if cost.unknown else "")
