"""`gridbench audit apply`: corrected labels or masks from decisions, or from the most suspicious findings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from gridbench.cli.audit.apply_labels import LabelOptions, apply_to_labels
from gridbench.cli.audit.apply_masks import apply_to_masks
from gridbench.cli.audit.corrected import Request
from gridbench.cli.options import cache_option
from gridbench.errors import InputError

__all__ = ["apply"]


@click.command()
@click.argument("audit", metavar="AUDIT", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--decisions",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="decisions.csv as the page exports it, or with --from a file of an annotation tool; what is accepted is "
    "changed.",
)
@click.option(
    "--from",
    "kind_of_file",
    type=click.Choice(["page", "label-studio", "cvat", "coco", "fiftyone"]),
    default="page",
    show_default=True,
    help="What wrote the decisions. In files of annotation tools, labels that differ from the audited ones are "
    "accepted changes.",
)
@click.option(
    "--prefix",
    default="",
    metavar="TEXT",
    help="Prefix of the image names in a file of an annotation tool.",
)
@click.option(
    "--labels",
    "original",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The table that the archive was prepared from; labels.csv then keeps all its rows and columns.",
)
@click.option(
    "--key-column",
    metavar="NAME",
    help="Column of --labels that names the images, as given when the archive was prepared.",
)
@click.option(
    "--label-columns",
    multiple=True,
    metavar="NAME",
    help="Columns of --labels that hold the labels; can be repeated.",
)
@click.option("--separator", metavar="WORD", help="Separator of the labels in a cell of --labels.")
@click.option(
    "--top",
    metavar="N|P%|auto",
    help="Change the N most suspicious labels, or the first P % of all, unseen; auto: as many as are "
    "more probably wrong than right, with certainty. More are refused.",
)
@click.option(
    "--beyond-line",
    is_flag=True,
    help="Allow --top to change more labels than that, although this may do more harm than good.",
)
@click.option(
    "--kind",
    type=click.Choice(["both", "wrong", "missing"]),
    default="both",
    show_default=True,
    help="Labels to which --top applies.",
)
@click.option(
    "--splits",
    type=click.Choice(["train", "all"]),
    default="train",
    show_default=True,
    help="Change only training labels, or also validation and test labels if they were audited.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Output folder for labels.csv or the masks.",
)
@click.option("--force", is_flag=True, help="Replace existing labels.csv, clean_labels.csv and images.")
@click.option(
    "--images",
    is_flag=True,
    help="Also write the images, so that DIR can be prepared as it is (tiles, built-in archives).",
)
@click.option(
    "--with-injected-noise", is_flag=True, help="Proceed although the audited labels contain injected noise."
)
@cache_option
def apply(
    audit: Path,
    decisions: Path | None,
    top: str | None,
    splits: str,
    out: Path,
    images: bool,
    force: bool,
    with_injected_noise: bool,
    cache: Path | None,
    **of_labels: Any,
) -> None:
    """Write corrected labels from an audit as a table that `gridbench data prepare folder` reads.

    AUDIT is the folder that `gridbench audit` named. With both --decisions and --top, the
    labels at the top of the list are changed unless they were rejected. Validation and test labels stay as they are
    unless --splits all is given.

    For an audit of label maps, DIR instead gets classes.csv and corrected masks: PNG, or GeoTIFF with the coordinates
    of the image where it has any.

    \b
      gridbench audit apply audits/FOLDER --decisions decisions.csv \\
        --out corrected
      gridbench data prepare folder --data my/archive \\
        --labels corrected/labels.csv --name mine-corrected
    """  # noqa: D301
    from gridbench.audit.stored import is_mask_audit

    if decisions is None and top is None:
        raise InputError("Say what to change: --decisions FILE, --top N, or both.")
    request = Request(audit, decisions, top, splits, out, images, force, with_injected_noise, cache)
    if is_mask_audit(audit):
        _refuse_given(of_labels)
        apply_to_masks(request)
    else:
        apply_to_labels(request, LabelOptions(**of_labels))


def _refuse_given(names: Iterable[str]) -> None:
    """Refuse options that do not apply to masks, if one of them was given.

    Raises:
        InputError: With the option and those that masks have.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is not click.core.ParameterSource.DEFAULT
        if given and parameter.name in names:
            raise InputError(
                f"{parameter.opts[0]} is about tables of labels, and this is an audit of label maps. For those there "
                "are --decisions, --top, --splits, --out, --images and --force."
            )
