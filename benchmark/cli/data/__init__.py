"""`gridbench data`: prepare, check and look at packed archives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gridbench.cli.archives import open_with_progress
from gridbench.cli.data.prepare import prepare
from gridbench.cli.data.report import packed_lines, report_lines
from gridbench.cli.options import OutputFile, cache_option, quiet_option
from gridbench.core.terminal import say
from gridbench.errors import counted

if TYPE_CHECKING:
    from rich.table import Table

    from gridbench.datasets.archive.archive import Archive
    from gridbench.datasets.archive.summary import ArchiveFacts

__all__ = ["data"]


@click.group()
def data() -> None:
    """Convert image collections on disk to packed archives, and inspect them.

    \b
    Examples:
      gridbench data prepare folder --data my/archive --name mine
      gridbench data info mine --sheet mine.png
      gridbench run --dataset mine
    """  # noqa: D301


data.add_command(prepare)


@data.command(name="list")
@cache_option
def list_(cache: Path | None) -> None:
    """List the built-in data sets and the archives in the cache."""
    from rich.table import Table

    from gridbench.core.console import Console
    from gridbench.datasets.archive.archive import Archive
    from gridbench.datasets.archive.single_labels import single_label_source
    from gridbench.datasets.cache import archive_directory, default_cache, prepared_names, unfinished_names
    from gridbench.errors import InputError
    from gridbench.registry import DATASETS

    folder = cache or default_cache()
    table = Table(box=None, pad_edge=False)
    for column in ("name", "images", "classes", "size", "bands", "maps", "single", "state"):
        table.add_column(column, no_wrap=column != "state")
    packed = prepared_names(folder)
    for name in sorted({*packed, *DATASETS.names()}):
        if name not in packed:
            table.add_row(name, *[""] * 6, "built in, packed on first use")
            continue
        try:
            archive = Archive.open(archive_directory(folder, name))
        except InputError:
            table.add_row(name, *[""] * 6, "damaged: gridbench data verify " + name)
            continue
        height, width = archive.image_size
        maps = "yes" if archive.has_maps else "no"
        single = "yes" if single_label_source(archive) else "no"
        row = (name, len(archive), archive.num_classes, f"{height} x {width}", archive.bands, maps, single)
        table.add_row(*map(str, row), "built in" if name in DATASETS else "prepared")
    for name in unfinished_names(folder):
        table.add_row(name, *[""] * 6, "unfinished: the same prepare command goes on")
    Console().print(table)
    say(f"in {folder}")


@data.command()
@click.argument("name", required=False)
@cache_option
def where(name: str | None, cache: Path | None) -> None:
    """Print the folder of an archive, or of the cache."""
    from gridbench.datasets.cache import default_cache

    if name is None:
        click.echo(cache or default_cache())
    else:
        click.echo(open_with_progress(name, cache).directory)


@data.command()
@click.argument("name")
@cache_option
@quiet_option
def verify(name: str, cache: Path | None, quiet: bool) -> None:
    """Read every byte of an archive and compare it with what was packed."""
    from gridbench.core.progress import ProgressReporter

    archive = open_with_progress(name, cache)
    with ProgressReporter(quiet) as progress:
        archive.verify(progress.build)
    say(f"{name}: all {len(archive)} images are as they were packed, fingerprint {archive.fingerprint}")


@data.command()
@click.argument("name")
@click.option(
    "--sheet",
    type=OutputFile(),
    metavar="FILE",
    help="Write a contact sheet (PNG): images of every class, with labels and maps.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 400),
    default=24,
    show_default=True,
    help="Number of images on the sheet.",
)
@click.option(
    "--format", "format_", type=click.Choice(["terminal", "json"]), default="terminal", show_default=True
)
@cache_option
def info(name: str, sheet: Path | None, count: int, format_: str, cache: Path | None) -> None:
    """Show counts, class frequencies, splits, label disagreements, and findings from packing."""
    from gridbench.datasets.archive.single_labels import single_label_source, single_labels
    from gridbench.datasets.archive.summary import describe

    archive = open_with_progress(name, cache)
    facts = describe(archive)
    largest = _largest_rates(archive)
    source = single_label_source(archive)
    single = None if source is None else single_labels(archive).sum(axis=0).tolist()
    # Write the sheet first: the reader of the text, such as `head`, may close the pipe early.
    if sheet is not None:
        from gridbench.core.files import write_bytes
        from gridbench.datasets.archive.contact_sheet import contact_sheet

        write_bytes(sheet, contact_sheet(archive, count))
    if format_ == "json":
        content = {
            "name": archive.name,
            "kind": archive.kind,
            "directory": str(archive.directory),
            "fingerprint": archive.fingerprint,
            "images": len(archive),
            "image_size": archive.image_size,
            "bands": archive.band_names,
            "mean": archive.mean.tolist(),
            "std": archive.std.tolist(),
            "largest_slnir": largest,
            "single_labels": None if source is None else {"from": source, "images": single},
            **facts.as_dict(),
            "report": archive.report,
        }
        click.echo(json.dumps(content, indent=1))
    else:
        _print(archive, facts, largest, source, single)
    if sheet is not None:
        say(f"contact sheet: {sheet}", err=format_ == "json")


def _largest_rates(archive: Archive) -> dict[str, str]:
    """Return the largest SLNIR that the paper's rule can realise on the train split, by level."""
    from gridbench.datasets.archive.summary import map_presence
    from gridbench.noise.swap import largest_slnir

    train = archive.indices("train")
    rates = {"scene": str(largest_slnir(archive.scene_labels[train]))}
    if archive.label_maps is not None:
        presence, _, _ = map_presence(archive.label_maps[train], archive.num_classes)
        rates["pixel"] = str(largest_slnir(presence.astype("uint8")))
    return rates


def _print(
    archive: Archive,
    facts: ArchiveFacts,
    largest: dict[str, str],
    source: str | None,
    single: list[int] | None,
) -> None:
    from gridbench.core.console import Console

    for label, text in _fact_rows(archive, facts, largest, source):
        say(f"{label:20} {text}", indent=21)
    Console().print(_class_table(facts, single))
    for line in [*packed_lines(archive), *report_lines(archive.report)]:
        say(line)


def _fact_rows(
    archive: Archive, facts: ArchiveFacts, largest: dict[str, str], source: str | None
) -> list[tuple[str, str]]:
    """Return what an archive holds as a whole: a word for each fact, and the fact."""
    height, width = archive.image_size
    splits = ", ".join(f"{split} {count}" for split, count in facts.splits.items())
    bands = ", ".join(
        f"{' '.join(g.bands)} ({g.pixels.shape[2]} x {g.pixels.shape[3]}, {g.pixels.dtype})"
        for g in archive.groups
    )
    per_image = ", ".join(f"{count}: {images}" for count, images in facts.labels_per_image.items())
    rows = [
        ("images", f"{len(archive)} of {height} x {width}: {splits}"),
        ("bands", bands),
        ("labels per image", f"{facts.mean_labels:.2f} on average ({per_image})"),
        ("single labels", source or "no: not every image has exactly one label"),
        ("largest SLNIR", ", ".join(f"{level} labels {rate} %" for level, rate in largest.items())),
    ]
    if facts.maps is not None:
        rows.append(("maps", f"{100 * facts.maps.ignored_share:.2f} % of the pixels without a class"))
        images, labels = facts.maps.disagreeing_images, facts.maps.disagreeing_labels
        where = f"{counted(images, 'image')} in {counted(labels, 'label')}" if images else "nowhere"
        rows.append(("labels against maps", f"differ: {where}"))
    if facts.clean_differences is not None and facts.noisy_images is not None:
        differences = counted(facts.clean_differences, "label")
        shares = ", ".join(f"{split} {100 * share:.2f} %" for split, share in facts.noisy_images.items())
        rows.append(("clean labels", f"differ from the given ones in {differences}; noisy images: {shares}"))
    if facts.wrong_pixels is not None:
        share = f"{100 * facts.wrong_pixels:.2f} % of the pixels"
        rows.append(("clean maps", f"differ from the given ones in {share}"))
    rows.append(("on disk", f"{facts.bytes / 1e6:.1f} MB in {archive.directory}"))
    rows.append(("fingerprint", archive.fingerprint))
    return rows


def _class_table(facts: ArchiveFacts, single: list[int] | None) -> Table:
    """Return a table of the classes: images of each split, pixels, and images of which it is the single label."""
    from rich.table import Table

    columns = ["class", *facts.splits]
    if facts.maps is not None:
        columns += ["pixels", "only label", "only map"]
    columns += ["single"] * (single is not None)
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column == "class" else "right")
    for c, entry in enumerate(facts.classes):
        cells = [entry.name, *map(str, entry.images.values())]
        if entry.pixel_share is not None:
            cells += [f"{100 * entry.pixel_share:.1f} %", str(entry.only_labels), str(entry.only_map)]
        cells += [] if single is None else [str(single[c])]
        table.add_row(*cells)
    return table
