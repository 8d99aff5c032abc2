"""`gridbench audit export`: suspicious labels for annotation tools."""

from __future__ import annotations

from pathlib import Path

import click

from gridbench.cli.options import cache_option

__all__ = ["export"]


@click.command()
@click.argument("audit", metavar="AUDIT", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["label-studio", "fiftyone"]),
    required=True,
    help="Label Studio's tasks with predictions, or FiftyOne's plain JSON of labels.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE", help="JSON file."
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many labels.  [default: up to the stopping line]",
)
@click.option(
    "--prefix",
    default="",
    metavar="TEXT",
    help="What stands before the names of images, such as https://HOST/.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@cache_option
def export(
    audit: Path, kind: str, out: Path, top: int | None, prefix: str, force: bool, cache: Path | None
) -> None:
    """Write the suspicious labels of an audit for an annotation tool, the image with the most suspicious one first."""
    from gridbench.audit.audit import read_audit
    from gridbench.audit.exchange import EXCHANGE_FORMATS
    from gridbench.audit.ranking import rank_labels
    from gridbench.core.files import check_free, write_json
    from gridbench.datasets import default_cache
    from gridbench.datasets.open import open_archive

    found, archive = read_audit(audit, lambda name: open_archive(name, cache or default_cache()))
    check_free([out], force)
    count = found.document["expected"]["look"] if top is None else top
    suspects = rank_labels(found.given, found.scores).first(max(1, count))
    write_json(out, EXCHANGE_FORMATS[kind](found, archive, suspects, prefix))
    images = len({int(i) for i in suspects.samples})
    click.echo(f"{out}: {len(suspects)} suspicious labels of {images} images.")
