"""`gridbench score`: a trained run scored by another distance, without training again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gridbench.cli.options import cache_option, config_options, device_option, plugin_option, quiet_option
from gridbench.errors import InputError

__all__ = ["score"]


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@config_options("distance", "k", "ideal")
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the new record.  [default: beside RUN]",
)
@cache_option
@plugin_option
@device_option
@quiet_option
def score(run: Path, runs: Path | None, cache: Path | None, device: str, quiet: bool, **given: Any) -> None:
    """Score the weights of a trained run by another distance or cut-off, without training again.

    RUN is the folder of a finished run, or of one that failed after its training. RUN itself is not changed: the
    result is the record of the run with the new settings, beside it.

    \b
      gridbench score runs/bluemarble-grid-bce-slnir30-seed0-1a2b3c4d5e \\
        --distance cosine
    """  # noqa: D301
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise InputError("Say by what to score: --distance, --k or --ideal.")
    from gridbench.config import make_config

    make_config(changes)
    from gridbench.cli.run import print_result
    from gridbench.core.progress import ProgressReporter
    from gridbench.records.rescore import rescore
    from gridbench.records.runner import Execution

    with ProgressReporter(quiet, "scoring") as progress:
        execution = Execution(
            runs=runs or run.parent, cache=cache, device=device, building=progress.build, say=progress.say
        )
        record = rescore(run, changes, execution)
    print_result(record)
