"""`gridbench audit export`: suspicious labels for annotation tools; `apply --from` reads what was labelled there."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from gridbench.cli.audit.masks import GEOGRAPHIC_FORMATS, export_findings
from gridbench.cli.options import OutputFile, cache_option
from gridbench.core.terminal import say
from gridbench.errors import counted

__all__ = ["export"]


@click.command()
@click.argument("audit", metavar="AUDIT", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["label-studio", "cvat", "coco", "fiftyone", "geojson", "gpkg"]),
    required=True,
    help="Label Studio's tasks with predictions, CVAT's XML for images 1.1, COCO's JSON with annotations of whole "
    "images, or FiftyOne's plain JSON for image classification; of georeferenced images, GeoJSON or GeoPackage of "
    "outlines in degrees: of findings in label maps, or of whole images with suspicious labels.",
)
@click.option("--out", type=OutputFile(), required=True, metavar="FILE", help="Output file.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of labels.  [default: up to the stopping line]",
)
@click.option(
    "--prefix",
    default="",
    metavar="TEXT",
    help="Prefix of the image names, such as https://HOST/.",
)
@click.option(
    "--suffix",
    default="",
    metavar="TEXT",
    help="Suffix of the image names, such as .png.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@cache_option
def export(
    audit: Path,
    kind: str,
    out: Path,
    top: int | None,
    prefix: str,
    suffix: str,
    force: bool,
    cache: Path | None,
) -> None:
    """Write the suspicious labels of an audit for an annotation tool, the image with the most suspicious one first.

    Label Studio gets the suggested labels as predictions. CVAT, COCO and FiftyOne get the given labels, so that a file
    that comes back untouched changes nothing, and what is suspected beside them.

    \b
      gridbench audit export audits/FOLDER --format cvat --out suspects.xml
      gridbench audit apply audits/FOLDER --decisions annotations.xml \\
        --from cvat --out corrected
    """  # noqa: D301
    from gridbench.audit.audit import read_audit
    from gridbench.audit.exchange import export_suspects
    from gridbench.audit.exchange.geography import GEOGRAPHIC, scene_features
    from gridbench.audit.stored import is_mask_audit
    from gridbench.core.files import check_free, write_bytes

    if is_mask_audit(audit):
        export_findings(audit, cache, kind=kind, out=out, top=top, force=force)
        return
    found, archive = read_audit(audit, cache)
    check_free([out], force)
    count = found.document["expected"]["look"] if top is None else top
    suspects = found.ranked().first(max(1, count))
    if kind in GEOGRAPHIC_FORMATS:
        features = scene_features(found, archive, suspects)
        write_bytes(out, GEOGRAPHIC[kind](features))
        say(
            f"{out}: {len(features)} of {counted(len(suspects), 'suspicious label')}, all whose coordinates are known."
        )
        return
    write_bytes(out, export_suspects(kind, found, archive, suspects, prefix, suffix))
    images = len({int(i) for i in suspects.samples})
    say(f"{out}: {counted(len(suspects), 'suspicious label')} of {counted(images, 'image')}.")
    words = ["gridbench", "audit", "apply", str(audit), "--decisions", "YOUR-FILE", "--from", kind]
    words += ["--prefix", prefix] if prefix else []
    words += ["--out", "corrected", *([] if cache is None else ["--cache", str(cache)])]
    say(f"Next: label them there, export in the same format, and: {shlex.join(words)}")
