"""`gridbench noise tables`: the transition tables of the package, and the rate of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gridbench.cli.archives import open_with_progress
from gridbench.cli.options import cache_option
from gridbench.core.terminal import say

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["tables"]


@click.command()
@click.option(
    "--dataset", metavar="NAME", help="Also show the rate of each table on this archive's training labels."
)
@click.option(
    "--level",
    type=click.Choice(["single", "scene"]),
    default="single",
    show_default=True,
    help="Level of the labels of --dataset.",
)
@click.option(
    "--train-size", type=click.IntRange(min=0), metavar="N", help="Only the first N training images."
)
@cache_option
def tables(dataset: str | None, level: str, train_size: int | None, cache: Path | None) -> None:
    """List the transition tables for --noise class_dependent, with the rate at which the noise is the table itself.

    At other rates as many labels change, in the proportions of the table. With --dataset the rows of a table are those
    of the most frequent classes (classes=frequency).

    \b
    Examples:
      gridbench noise tables --dataset bluemarble --train-size 600
      gridbench run --loss ce --noise class_dependent \\
        --noise-parameter table=cifar10n_worst \\
        --noise-parameter classes=frequency --slnir 40
    """  # noqa: D301
    import numpy as np
    from rich.table import Table

    from gridbench.core.console import Console
    from gridbench.noise.core.tables import named_tables, own_rate, place_table
    from gridbench.noise.core.transition import read_table

    counts = None if dataset is None else _counts(dataset, level, train_size, cache)
    shown = Table(box=None, pad_edge=False)
    shown.add_column("table")
    columns = ["classes", "rate of balanced classes"] + [f"rate on {dataset}"] * (counts is not None)
    for column in columns:
        shown.add_column(column, justify="right")
    for name, path in named_tables().items():
        table = read_table(path)
        cells = [str(len(table)), f"{own_rate(table, np.ones(len(table), dtype=np.int64)):.2f} %"]
        if counts is not None:
            fits = len(table) <= len(counts)
            placed = place_table(table, "frequency", counts, name) if fits else None
            cells.append("too few classes" if placed is None else f"{own_rate(placed, counts):.2f} %")
        shown.add_row(name, *cells)
    Console().print(shown)
    say("Sources and licences: docs/noise.md")


def _counts(dataset: str, level: str, train_size: int | None, cache: Path | None) -> npt.NDArray[np.int64]:
    """Return the (C,) training labels of each class."""
    from gridbench.datasets import single_labels
    from gridbench.training.corrupt import training_images

    archive = open_with_progress(dataset, cache)
    labels = single_labels(archive) if level == "single" else archive.scene_labels
    counts: npt.NDArray[np.int64] = labels[training_images(archive, train_size)].sum(axis=0, dtype="int64")
    return counts
