"""`gridbench data prepare`: one command for each kind of archive that can be read."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.data.prepare_options import (
    FILE,
    FOLDER,
    data_option,
    folder_options,
    image_options,
    land_use_options,
    shared,
)
from gridbench.cli.data.report import packed_lines, plan_lines, report_lines
from gridbench.core.terminal import say
from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    from gridbench.datasets.archive.archive import Archive
    from gridbench.datasets.dataset import Progress
    from gridbench.datasets.readers.base import Plan
    from gridbench.datasets.readers.formats.embedded import EmbeddedOptions

__all__ = ["prepare"]


@click.group()
def prepare() -> None:
    """Read an archive from disk, check it, and pack it under a name.

    Afterwards `gridbench run --dataset NAME` works. The same command again resumes an interrupted
    packing.
    """


@prepare.command()
@folder_options
def folder(data: Path, name: str, **given: Any) -> None:
    """Pack your own images, with a table of labels, masks, or both.

    --data holds images/ and labels.csv (columns file, labels, and if you like split, group; or one column of 0 and 1
    for each class) or masks/ and classes.txt (one name per line) or classes.csv (name, value, color).

    \b
      gridbench data prepare folder --data my/archive --name mine
      gridbench data prepare folder --data dubai --name dubai --tile 128 \\
        --classes colours.csv --group-pattern 't(\\d)$'
    """  # noqa: D301
    from gridbench.datasets.readers.folder.folder import plan_folder
    from gridbench.datasets.readers.folder.options import FolderOptions

    common, options = _divide(given)
    chosen = FolderOptions(**{**options, "bands": _band_numbers(options["bands"])})
    _run(name, common, lambda progress: plan_folder(data, chosen, progress))


def _band_numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise InputError(
            f"--bands takes numbers from 1 with commas between them, such as 1,2,3, not {text!r}."
        )
    return tuple(int(word) for word in words)


@prepare.command()
@land_use_options
@click.option("--labels-from-maps", is_flag=True, help="Take scene labels from the label maps.")
@click.option(
    "--map-base", type=click.IntRange(0, 1), help="Whether grey maps count from 0 or 1.  [default: detected]"
)
def dlrsd(data: tuple[Path, ...], name: str, **given: Any) -> None:
    """Pack DLRSD: photographs of UC Merced, label maps, multi-labels.

    \b
      gridbench data prepare dlrsd --data DLRSD --data UCMerced_LandUse \\
        --name dlrsd
    """  # noqa: D301
    from gridbench.datasets.readers.landuse.dlrsd import plan_dlrsd
    from gridbench.datasets.readers.landuse.plan import LandUseOptions

    common, options = _divide(given)
    _run(name, common, lambda progress: plan_dlrsd(data, LandUseOptions(**options)))


@prepare.command()
@land_use_options
def ucmerced(data: tuple[Path, ...], name: str, **given: Any) -> None:
    """Pack UC Merced with its multi-labels.

    \b
      gridbench data prepare ucmerced --data UCMerced_LandUse \\
        --data multilabels --name ucmerced
    """  # noqa: D301
    from gridbench.datasets.readers.landuse.plan import LandUseOptions
    from gridbench.datasets.readers.landuse.ucmerced import plan_ucmerced

    common, options = _divide(given)
    _run(name, common, lambda progress: plan_ucmerced(data, LandUseOptions(**options)))


@prepare.command()
@shared(data_option(several=True))
@click.option(
    "--pixels", type=click.Choice(["v1", "v2"]), help="Version whose pixels are packed, if both are given."
)
@click.option(
    "--labels",
    type=click.Choice(["v1", "v2", "both"]),
    help="Version whose labels are packed; both: v1 as noisy and v2 as clean labels.",
)
@click.option("--maps/--no-maps", default=None, help="Pack reference maps.  [default: if there are any]")
@click.option(
    "--split", metavar="SPLIT", help="own, paper, or shares like 70/10/20.  [default: own, else paper]"
)
@click.option("--splits", type=FOLDER, metavar="DIR", help="Folder with your own lists train, val and test.")
@click.option("--exclude", type=FILE, multiple=True, metavar="FILE", help="List of patches to leave out.")
def bigearthnet(data: tuple[Path, ...], name: str, **given: Any) -> None:
    """Pack BigEarthNet (Sentinel-2), version 1 or 2, from TIFF files or an LMDB of safetensors.

    \b
      gridbench data prepare bigearthnet --data BigEarthNet-v1.0 --name ben
      gridbench data prepare bigearthnet --data v1 --data v2 --pixels v1 \\
        --maps --split paper --name ben-maps
    """  # noqa: D301
    from gridbench.datasets.readers.bigearthnet.bigearthnet import BigEarthNetOptions, plan_bigearthnet

    common, options = _divide(given)
    _run(name, common, lambda progress: plan_bigearthnet(data, BigEarthNetOptions(**options)))


def _embedded_options(options: dict[str, Any]) -> EmbeddedOptions:
    from gridbench.datasets.readers.formats.embedded import EmbeddedOptions

    names = ("resize", "split", "nodata", "max_pixels", "value_range")
    return EmbeddedOptions(**{name: options.pop(name) for name in names})


@prepare.command()
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A Parquet file, or a folder of them.",
)
@click.option(
    "--label-columns",
    multiple=True,
    metavar="NAME",
    help="Column of labels; can be repeated.  [default: detected]",
)
@click.option("--clean-column", metavar="NAME", help="Column of the clean labels.")
@image_options
def parquet(data: Path, name: str, **given: Any) -> None:
    """Pack Parquet files with encoded images and labels, as the Hugging Face hub has them.

    \b
      gridbench data prepare parquet --data my/dataset/data --name mine \\
        --resize 64
    """  # noqa: D301
    from gridbench.datasets.readers.formats.parquet_images import plan_parquet

    common, options = _divide(given)
    packing = _embedded_options(options)
    _run(
        name,
        common,
        lambda progress: plan_parquet(
            data, options["label_columns"], packing, progress, options["clean_column"]
        ),
    )


@prepare.command()
@click.option(
    "--images", required=True, type=FILE, metavar="FILE", help="A .npy of (N, H, W, bands) or (N, H, W)."
)
@click.option(
    "--labels",
    required=True,
    type=FILE,
    metavar="FILE",
    help="A .npy file, .npz file or table with one row per image.",
)
@click.option("--label-column", "column", metavar="NAME", help="Column or array of the labels.")
@click.option("--clean-column", metavar="NAME", help="Column or array of the clean labels.")
@click.option(
    "--split-column",
    metavar="NAME",
    help="Column or array that holds train, val or test for each image.  [default: split ...]",
)
@click.option("--classes", type=FILE, metavar="FILE", help="Class names, one per line.")
@image_options
def arrays(name: str, **given: Any) -> None:
    """Pack an array of images with labels beside it, such as CIFAR-10 with the labels of CIFAR-10N.

    \b
      gridbench data prepare arrays --images cifar10.npy \\
        --labels cifar10n.npz --label-column worse_label \\
        --clean-column clean_label --name cifar10n
    """  # noqa: D301
    from gridbench.datasets.readers.formats.arrays import ArrayOptions, plan_arrays

    common, options = _divide(given)
    packing = _embedded_options(options)
    where = ArrayOptions(**options)
    _run(name, common, lambda progress: plan_arrays(where, packing, progress))


def _divide(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the options that every kind takes from those of one kind."""
    common = {key: given.pop(key) for key in ("cache", "workers", "force", "quiet", "dry_run")}
    return common, given


def _run(name: str, common: dict[str, Any], make_plan: Callable[[Progress], Plan]) -> None:
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets.cache import default_cache
    from gridbench.datasets.readers.prepare import check_name
    from gridbench.datasets.readers.prepare import prepare as pack

    check_name(name)
    cache = common["cache"] or default_cache()
    try:
        with ProgressReporter(common["quiet"]) as progress:
            plan = make_plan(progress.build)
            if common["dry_run"]:
                archive = None
            else:
                again = shlex.join(["gridbench", *sys.argv[1:], "--force"])
                archive = pack(plan, cache, name, common["workers"], progress.build, common["force"], again)
    except KeyboardInterrupt:
        say("Interrupted; the same command goes on from here.", err=True)
        raise
    if archive is None:
        say("\n".join(plan_lines(plan, name)))
    else:
        _print(archive, ["--cache", str(common["cache"])] if common["cache"] else [])


def _print(archive: Archive, cache: Sequence[str]) -> None:
    splits = ", ".join(f"{split} {len(archive.indices(split))}" for split in ("train", "val", "test"))
    height, width = archive.image_size
    maps = ", label maps" if archive.has_maps else ""
    say(
        f"{archive.name}: {counted(len(archive), 'image')} of {height} x {width} x {archive.bands}, {splits}{maps}"
    )
    for line in [*report_lines(archive.report), *packed_lines(archive)]:
        say(line)
    say(f"in {archive.directory}")
    look = ["gridbench", "data", "info", archive.name, "--sheet", f"{archive.name}.png", *cache]
    say(f"look at it: {shlex.join(look)}")
    if len(archive.indices("test")):
        one_label = not archive.has_maps and (archive.scene_labels.sum(axis=1) == 1).all()
        method = ["--method", "ce"] if one_label else []
        say(f"train on it: {shlex.join(['gridbench', 'run', '--dataset', archive.name, *method, *cache])}")
