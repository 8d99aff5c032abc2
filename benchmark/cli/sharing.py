"""`gridbench leaderboard export` and `import`: handing records over, and taking in those of others."""

from __future__ import annotations

from pathlib import Path

import click

import gridbench
from gridbench.errors import InputError

__all__ = ["export_bundle", "import_records"]


@click.command("export")
@click.argument("bundle", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--runs", default="runs", show_default=True, metavar="DIR", help="Folder that results are read from."
)
@click.option(
    "--filter", "filters", multiple=True, metavar="CONDITION", help="Such as method=grid; can be repeated."
)
@click.option("--weights", is_flag=True, help="Pack the trained weights too.")
def export_bundle(bundle: Path, runs: str, filters: tuple[str, ...], weights: bool) -> None:
    """Pack finished records into BUNDLE, a zip file that others can import."""
    from gridbench.atomic import write_bytes
    from gridbench.leaderboard.bundle import pack_bundle
    from gridbench.leaderboard.filters import keep, parse_condition
    from gridbench.leaderboard.runs import collect

    conditions = [parse_condition("origin="), *map(parse_condition, filters)]
    if not bundle.parent.is_dir():
        raise InputError(f"There is no folder {str(bundle.parent)!r} to write {bundle.name!r} to.")
    found = keep(collect(Path(runs)), conditions)
    write_bytes(bundle, pack_bundle(found.runs, gridbench.__version__, weights))
    click.echo(f"Wrote {bundle} with {len(found.runs)} records.")


@click.command("import")
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--runs", default="runs", show_default=True, metavar="DIR", help="Folder that results are in.")
@click.option("--origin", metavar="NAME", help="Whose records these are  [default: the bundle's name]")
def import_records(bundle: Path, runs: str, origin: str | None) -> None:
    """Check BUNDLE and take its records in, kept apart from one's own by their origin."""
    from gridbench.leaderboard.bundle_import import import_bundle

    done = import_bundle(bundle, Path(runs), origin or bundle.stem)
    known = f", {done.known} were there already" if done.known else ""
    click.echo(f"{done.new} records are now in {done.folder}{known}.")
    click.echo(f"Next: gridbench leaderboard --runs {runs}")
