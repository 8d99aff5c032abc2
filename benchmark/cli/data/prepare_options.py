"""The options of `gridbench data prepare`: those shared by every kind of archive, and those of folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from gridbench.cli.options import cache_option, quiet_option

__all__ = ["FILE", "FOLDER", "data_option", "folder_options", "image_options", "land_use_options", "shared"]

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)

LARGEST_SIDE = 10_000
"""Largest side of a packed image in pixels: its square is close to the largest number of pixels that are read."""


def _with(options: Sequence[Callable[[F], F]]) -> Callable[[F], F]:
    """Return a decorator that adds options in this order."""

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def shared(data: Callable[[Any], Any] | None = None) -> Callable[[F], F]:
    """Add the options that every kind takes.

    Args:
        data: The option that names the files, or None for a kind that has others.
    """
    options = (
        click.option("--name", required=True, metavar="NAME", help="Name of the packed archive."),
        cache_option,
        click.option(
            "--workers",
            type=click.IntRange(min=1, max=1024),
            help="Number of reading processes.  [default: by the amount of data]",
        ),
        click.option("--force", is_flag=True, help="Replace an existing archive of this name."),
        click.option("--dry-run", is_flag=True, help="Show how the files are interpreted, and stop."),
        quiet_option,
    )
    return _with(options if data is None else (data, *options))


def data_option(several: bool) -> Callable[[F], F]:
    """Return `--data`, for one folder or several."""
    again = "; can be repeated" if several else ""
    return click.option(
        "--data", required=True, multiple=several, type=FOLDER, metavar="DIR", help=f"Your files{again}."
    )


land_use_options = _with(
    (
        shared(data_option(several=True)),
        click.option(
            "--labels", type=FILE, metavar="FILE", help="File of multi-labels.  [default: detected]"
        ),
    )
)

_resize = click.option(
    "--resize",
    type=click.IntRange(min=8, max=LARGEST_SIDE),
    metavar="N",
    help="Resize images to N px a side.",
)
_split = click.option(
    "--split", help="Shares of train, val, test.  [default: the split that the files give, else 70/10/20]"
)
_value_range = click.option(
    "--value-range", nargs=2, type=float, metavar="LOW HIGH", help="Stretch this range to 16 bits."
)
_nodata = click.option(
    "--nodata",
    default="drop",
    show_default=True,
    metavar="drop|mean|VALUE",
    help="How to treat pixels that are NaN or declared as no data: drop their image or tile, or fill them.",
)
_max_pixels = click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    metavar="N",
    help="Read images of up to N pixels.  [default: 134217728]",
)

image_options = _with((_resize, _split, _nodata, _max_pixels, _value_range, shared()))

folder_options = _with(
    (
        shared(data_option(several=False)),
        click.option(
            "--images", type=FOLDER, metavar="DIR", help="Folder of the images.  [default: images/ or image/]"
        ),
        click.option(
            "--masks",
            type=FOLDER,
            metavar="DIR",
            help="Folder of masks, named like their images.  [default: masks/ ...]",
        ),
        click.option(
            "--labels",
            type=FILE,
            metavar="FILE",
            help="Table of scene labels, or an export of COCO, Label Studio or CVAT.  [default: labels.csv ...]",
        ),
        click.option("--clean-labels", type=FILE, metavar="FILE", help="Second table, with clean labels."),
        click.option(
            "--clean-masks", type=FOLDER, metavar="DIR", help="Second folder of masks, with clean labels."
        ),
        click.option(
            "--classes",
            type=FILE,
            metavar="FILE",
            help="Class names, with their values or colours in the masks.",
        ),
        click.option(
            "--mask-values",
            type=FILE,
            metavar="FILE",
            help="Table of mask values: columns name and value, color, or r, g, b.",
        ),
        click.option(
            "--key-column", metavar="NAME", help="Column that names the images.  [default: detected]"
        ),
        click.option(
            "--label-columns",
            multiple=True,
            metavar="NAME",
            help="Column of a class (can be repeated), or the one that lists labels.  [default: detected]",
        ),
        click.option(
            "--separator",
            type=click.Choice(["semicolon", "bar", "comma", "blank", "none"]),
            help="Separator of the labels in one cell.  [default: detected]",
        ),
        click.option(
            "--split-column",
            metavar="NAME",
            help="Column that holds train, val or test.  [default: split ...]",
        ),
        click.option(
            "--ignore-class",
            "ignore_classes",
            multiple=True,
            metavar="NAME",
            help="Row of --classes whose pixels have no class.",
        ),
        click.option(
            "--draw-masks", is_flag=True, help="Draw the outlines of an export in --labels as label maps."
        ),
        click.option(
            "--overlap",
            type=click.Choice(["later", "smaller"]),
            help="Which of two overlapping objects is drawn on top.  [default: later]",
        ),
        click.option(
            "--background",
            metavar="NAME",
            help="Class of the pixels outside all drawn objects.  [default: no class]",
        ),
        click.option(
            "--tile",
            type=click.IntRange(min=8, max=LARGEST_SIDE),
            metavar="N",
            help="Cut images into tiles of N px (needs masks).",
        ),
        click.option(
            "--tile-overlap",
            type=click.IntRange(min=1),
            metavar="N",
            help="Overlap of neighbouring tiles in pixels.",
        ),
        click.option("--pad", is_flag=True, help="Pad the tiles at the edges instead of leaving them out."),
        _resize,
        click.option(
            "--min-cover",
            type=click.FloatRange(0, 1),
            help="Smallest share of the mask for which a class counts as a label.  [default: 0.01]",
        ),
        click.option(
            "--min-labelled",
            type=click.FloatRange(0, 1),
            help="Smallest share of the pixels that must have a class.  [default: 0]",
        ),
        _value_range,
        _split,
        click.option(
            "--group-pattern",
            metavar="REGEX",
            help="Regular expression that finds the group in an image's name; groups stay together.",
        ),
        _nodata,
        click.option(
            "--bands", metavar="LIST", help="Bands to take, counted from 1, such as 1,2,3.  [default: all]"
        ),
        _max_pixels,
    )
)
