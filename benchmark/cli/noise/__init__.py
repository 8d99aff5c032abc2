"""`gridbench noise`: corrupt labels into files, look at what changed, and check that it did."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import click

from gridbench.cli.archives import open_with_progress
from gridbench.cli.noise.estimate import estimate
from gridbench.cli.noise.tables import tables
from gridbench.cli.options import (
    OutputFile,
    OutputFolder,
    cache_option,
    parse_assignments,
    plugin_option,
    quiet_option,
)
from gridbench.core.terminal import say
from gridbench.errors import InputError

__all__ = ["noise"]

# A plain method of each level; the choice does not affect the labels.
PLAIN = {"scene": "bce", "pixel": "pce", "single": "ce"}
UNITS = {"scene": "labels", "pixel": "units", "single": "labels"}

_folder = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group()
def noise() -> None:
    """Corrupt the training labels of an archive into files, look at what changed, and check it.

    \b
    Examples:
      gridbench noise apply --dataset bluemarble --slnir 30 --out noisy
      gridbench noise inspect noisy --dataset bluemarble --figure table.png \\
        --examples examples.png
      gridbench noise verify noisy --dataset bluemarble
    """  # noqa: D301


noise.add_command(estimate)
noise.add_command(tables)


@noise.command()
@click.option("--dataset", required=True, metavar="NAME", help="A built-in or prepared archive.")
@click.option("--slnir", required=True, metavar="PERCENT", help="Label noise to inject.")
@click.option(
    "--out",
    required=True,
    type=OutputFolder(),
    metavar="DIR",
    help="Output folder.",
)
@click.option("--noise", "model", metavar="NAME", help="Noise model.  [default: swap, the paper's]")
@click.option(
    "--noise-parameter",
    "assigned",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the noise; can be repeated.",
)
@click.option("--level", type=click.Choice(list(PLAIN)), default="scene", show_default=True)
@click.option("--noise-seed", metavar="N", default="0", show_default=True, help="Seed of the noise.")
@click.option("--protocol", metavar="NAME", help="paper, or authors_code (published code).  [default: paper]")
@click.option(
    "--train-size", metavar="N", help="Only the first N training images, 0 for all.  [default: recipe]"
)
@plugin_option
@cache_option
@quiet_option
def apply(
    out: Path,
    model: str | None,
    assigned: tuple[str, ...],
    level: str,
    cache: Path | None,
    quiet: bool,
    **given: str | None,
) -> None:
    """Write corrupted training labels, the list of changes and the noise manifest.

    They are the labels that a run with the same data set, noise, SLNIR and seed trains on. Scene labels become
    labels.csv, label maps one PNG each in maps/.
    """
    from gridbench.cli.noise.export import write_files
    from gridbench.config import make_config
    from gridbench.core.files import has_files
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets.cache import default_cache
    from gridbench.plan import make_plan
    from gridbench.training.corrupt import corrupt_training_labels

    if out.is_dir() and has_files(out):
        raise InputError(f"The folder {str(out)!r} is not empty. Give another --out.")
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    values |= {"method": PLAIN[level], "noise_parameters": parse_assignments(assigned)}
    if model is not None:
        values["noise"] = model
    with ProgressReporter(quiet) as progress:
        plan = make_plan(make_config(values), cache or default_cache(), progress.build)
    corruption = corrupt_training_labels(plan)
    manifest = plan.noise.manifest(corruption, plan)
    write_files(out, plan.archive, manifest, corruption.labels)
    say(_headline(manifest.summary()))
    words = ["gridbench", "noise", "inspect", str(out), "--dataset", plan.archive.name]
    words += [] if cache is None else ["--cache", str(cache)]
    say(f"Wrote {out}\nNext:  {shlex.join(words)}")


@noise.command()
@_folder
@click.option("--dataset", metavar="NAME", help="Archive whose class names are shown.")
@click.option(
    "--figure",
    type=OutputFile(),
    metavar="FILE",
    help="Draw the transition table to this file (PNG).",
)
@click.option(
    "--examples",
    type=OutputFile(),
    metavar="FILE",
    help="Write example images, their labels before and after and what changed as a figure (PNG).",
)
@click.option(
    "--format", "format_", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True
)
@cache_option
def inspect(
    folder: Path,
    dataset: str | None,
    figure: Path | None,
    examples: Path | None,
    format_: str,
    cache: Path | None,
) -> None:
    """Show requested and realised noise overall, by class and by image.

    FOLDER is what `gridbench noise apply` wrote, or a run.
    """
    import numpy as np

    from gridbench.core.files import write_bytes
    from gridbench.noise.core.manifest import Manifest
    from gridbench.noise.figures.transition_matrix import count_transitions, draw_transitions

    manifest = Manifest.load(folder)
    classes = len(manifest.positives)
    names = [f"class {c}" for c in range(classes)]
    archive = None
    if dataset is not None or examples is not None:
        archive = open_with_progress(dataset or _dataset_of(folder), cache)
        manifest.verify(archive.fingerprint)
        names = list(archive.class_names)
    counts = count_transitions(manifest.changed, classes)
    _, changes = np.unique(manifest.changed[:, 0], return_counts=True)
    # Not by an array of all images, since an untrusted manifest may claim billions of them.
    per_image = {0: manifest.shape[0] - len(changes), **Counter(sorted(changes.tolist()))}
    histogram = {str(count): images for count, images in per_image.items() if images}
    summary = manifest.summary()
    # Write figures first: the reader of the text, such as `head`, may close the pipe early.
    written = []
    if figure is not None:
        write_bytes(figure, draw_transitions(counts, names, _headline(summary)))
        written.append(f"transition table: {figure}")
    if examples is not None and archive is not None:
        from gridbench.cli.noise.export import example_figure

        write_bytes(examples, example_figure(manifest, archive, _headline(summary)))
        written.append(f"example images: {examples}")
    if format_ == "json":
        more = {"class_names": names, "changes_per_image": histogram, "transitions": counts.tolist()}
        click.echo(json.dumps({**summary, **more}, indent=1))
    else:
        _print(summary, names, histogram)
    for line in written:
        say(line, err=format_ == "json")


@noise.command()
@_folder
@click.option("--dataset", metavar="NAME", help="The archive.  [default: that of the run]")
@cache_option
def verify(folder: Path, dataset: str | None, cache: Path | None) -> None:
    """Check that a noise manifest, and the label files beside it, follow from an archive.

    FOLDER is what `gridbench noise apply` wrote, or a run.
    """
    from gridbench.cli.noise.export import check_files, noisy_labels
    from gridbench.noise.core.manifest import Manifest

    manifest = Manifest.load(folder)
    archive = open_with_progress(dataset or _dataset_of(folder), cache)
    noisy = noisy_labels(manifest, archive)
    compared = check_files(folder, archive, manifest, noisy)
    say(_headline(manifest.summary()))
    files = f", and so do {compared} label files" if compared else ""
    say(f"{folder} follows from {archive.name} (fingerprint {archive.fingerprint[:12]}){files}.")


def _dataset_of(folder: Path) -> str:
    """Return the data set of a run.

    Raises:
        InputError: It is not the folder of a run.
    """
    from gridbench.records.record import read_record

    name = read_record(folder).config.get("config", {}).get("dataset")
    if not isinstance(name, str):
        raise InputError(f"{folder} is not the folder of a run. Say which archive it is of: --dataset NAME.")
    return name


def _headline(summary: dict[str, Any]) -> str:
    chosen = ", ".join(f"{name}={value}" for name, value in summary["parameters"].items())
    units = UNITS[summary["kind"]]
    return (
        f"{summary['model']}{f' ({chosen})' if chosen else ''}: requested {summary['requested']} %, realised "
        f"{summary['realised']:.2f} % ({summary['affected']} of {summary['positives']} {units}); "
        f"{summary['noisy_samples']} of {summary['shape'][0]} images are noisy"
    )


def _print(summary: dict[str, Any], names: list[str], histogram: dict[str, int]) -> None:
    from rich.table import Table

    from gridbench.core.console import Console

    say(_headline(summary))
    per_image = ", ".join(f"{count}: {images}" for count, images in histogram.items())
    say(f"changes an image     {per_image or 'none'}", indent=21)
    say(f"seed of the noise    {'unknown' if summary['seed'] is None else summary['seed']}", indent=21)
    say(f"archive              {summary['fingerprint'] or 'unknown'}", indent=21)
    say(f"hash of the changes  {summary['sha256']}", indent=21)
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for column in (UNITS[summary["kind"]], "changed", "realised", "away", "to"):
        table.add_column(column, justify="right")
    rows = summary["per_class"]
    for c, name in enumerate(names):
        share = rows["realised"][c]
        cells = (rows["positives"][c], rows["affected"][c], "" if share is None else f"{share:.1f} %")
        table.add_row(name, *map(str, (*cells, rows["removed"][c], rows["added"][c])))
    Console().print(table)
