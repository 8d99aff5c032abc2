"""`gridbench export-model`: the network of a run in the form of timm and the Hugging Face hub."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from gridbench.cli.options import cache_option, plugin_option, quiet_option
from gridbench.core.terminal import say

__all__ = ["export_model"]


@click.command("export-model")
@click.argument("record", metavar="RECORD", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder to write.  [default: RECORD's name, in this folder]",
)
@cache_option
@plugin_option
@click.option("--force", is_flag=True, help="Replace the content of the folder.")
@quiet_option
def export_model(record: Path, out: Path | None, cache: Path | None, force: bool, quiet: bool) -> None:
    """Write the network of a finished run so that timm alone loads it, with a model card.

    Nothing is uploaded: `hf upload OWNER/NAME FOLDER` is yours to type.

    \b
      gridbench export-model runs/bluemarble-grid-bce-slnir30-seed0-1a2b3c4d5e
      python -c 'import timm; timm.create_model("local-dir:DIR", pretrained=True)'
    """  # noqa: D301
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets import default_cache
    from gridbench.records.export_model import export_model as export

    target = out or Path(f"{record.absolute().name}-model")
    with ProgressReporter(quiet) as progress:
        export(record, target, cache or default_cache(), progress.build, force)
    say(f"Written: {target} (config.json, model.safetensors, README.md). Load it with")
    say(f"  timm.create_model({f'local-dir:{target}'!r}, pretrained=True)")
    say(f"or upload it yourself: hf upload OWNER/NAME {shlex.quote(str(target))}")
