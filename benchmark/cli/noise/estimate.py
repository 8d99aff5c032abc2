"""`gridbench noise estimate`: a transition table from a clean and a noisy copy of the same labels."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.options import OutputFile, cache_option
from gridbench.core.csv_files import csv_text
from gridbench.core.terminal import say
from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["estimate"]

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--clean", type=_file, metavar="FILE", help="Clean scene labels: a table with a row per image.")
@click.option(
    "--noisy", type=_file, metavar="FILE", help="Noisy scene labels of the same images and classes."
)
@click.option(
    "--dataset", metavar="NAME", help="Instead of the two files: an archive that was packed with both."
)
@click.option(
    "--out",
    required=True,
    type=OutputFile(),
    metavar="FILE",
    help="Output file (CSV).",
)
@cache_option
def estimate(
    clean: Path | None, noisy: Path | None, dataset: str | None, out: Path, cache: Path | None
) -> None:
    """Estimate which classes are mislabelled, and as what, from two copies of the same labels.

    The table has a row per clean class and a column per noisy class: the share of its labels that became each. A
    label that went away counts in equal parts for the labels that the same image got.

    \b
    Examples:
      gridbench noise estimate --clean checked.csv --noisy labels.csv \\
        --out table.csv
      gridbench run --noise class_dependent \\
        --noise-parameter table=table.csv --slnir 30
    """  # noqa: D301
    from gridbench.core.files import write_bytes
    from gridbench.noise.core.transition import estimate_transition

    if (dataset is None) == (clean is None and noisy is None) or (clean is None) != (noisy is None):
        raise click.UsageError("Give either --clean and --noisy, or --dataset.")
    if clean is not None and noisy is not None:
        names, before, after = _from_files(clean, noisy)
    else:
        names, before, after = _from_archive(str(dataset), cache)
    table = estimate_transition(before, after)
    write_bytes(out, _csv(names, table))
    kept = float((table.diagonal() * before.sum(axis=0)).sum() / max(int(before.sum()), 1))
    say(
        f"{counted(len(before), 'image')}, {counted(len(names), 'class', 'classes')}, "
        f"{counted(int(before.sum()), 'clean label')}; "
        f"{100 * (1 - kept):.2f} % of them became another"
    )
    say(f"Wrote {out}")
    own = math.floor(round(10_000 * (1 - kept), 6)) / 100
    parameter = shlex.quote(f"table={out}")
    say(f"Next:  gridbench run --noise class_dependent --noise-parameter {parameter} --slnir {own:g}")


def _from_files(clean: Path, noisy: Path) -> tuple[Sequence[str], npt.NDArray[Any], npt.NDArray[Any]]:
    from gridbench.datasets.readers.tables import read_label_table

    one = read_label_table(clean)
    other = read_label_table(noisy, one.class_names)
    missing = sorted(set(one.keys) ^ set(other.keys))
    if missing:
        raise InputError(
            f"{clean} and {noisy} are not of the same images: {missing[0]!r} is in one of them only, and "
            f"{len(missing) - 1} more."
        )
    place = {key: row for row, key in enumerate(other.keys)}
    return one.class_names, one.labels, other.labels[[place[key] for key in one.keys]]


def _from_archive(
    name: str, cache: Path | None
) -> tuple[Sequence[str], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    from gridbench.datasets.open import open_archive

    archive = open_archive(name, cache)
    if archive.clean_scene_labels is None:
        raise InputError(
            f"The data set {name!r} has one copy of its labels. Give two label files: --clean and --noisy."
        )
    train = archive.indices("train")
    return archive.class_names, archive.clean_scene_labels[train], archive.scene_labels[train]


def _csv(names: Sequence[str], table: npt.NDArray[Any]) -> bytes:
    rows = ([name, *(f"{share:.9g}" for share in row)] for name, row in zip(names, table, strict=True))
    return csv_text([["before \\ after", *names], *rows]).encode()
