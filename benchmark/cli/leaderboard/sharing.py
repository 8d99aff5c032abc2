"""`gridbench leaderboard export` and `import`: sharing records, and importing those of others."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

import gridbench
from gridbench.cli.options import OutputFile
from gridbench.core.terminal import say
from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    from gridbench.leaderboard.records.runs import Collection

__all__ = ["export_bundle", "import_records", "nothing_finished", "own_records"]


@click.command("export")
@click.argument("bundle", type=OutputFile(), required=False)
@click.option("--out", type=OutputFile(), metavar="FILE", help="Another way to give BUNDLE.")
@click.option(
    "--runs",
    type=click.Path(),
    multiple=True,
    default=("runs",),
    show_default=True,
    metavar="DIR",
    help="Folder of run records, or a file of compact records; can be repeated.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="CONDITION",
    help="Only runs that satisfy this condition, such as method=grid; can be repeated.",
)
@click.option("--weights", is_flag=True, help="Also pack the trained weights.")
@click.option(
    "--compact",
    is_flag=True,
    help="A few kilobytes per record: settings, results, history (4 digits), noise summary and environment; "
    "no rankings, pictures and weights.",
)
def export_bundle(
    bundle: Path | None,
    out: Path | None,
    runs: tuple[str, ...],
    filters: tuple[str, ...],
    weights: bool,
    compact: bool,
) -> None:
    """Pack finished records into BUNDLE, a zip file that others can import.

    With --compact the file is small enough for a repository; `gridbench leaderboard --runs FILE` makes every table,
    statistic and curve of it again.

    \b
      gridbench leaderboard export mine.zip --filter method=grid
      gridbench leaderboard export --compact --out results.zip
    """  # noqa: D301
    from gridbench.core.files import write_bytes
    from gridbench.leaderboard.bundles.bundle import pack_bundle
    from gridbench.leaderboard.bundles.compact import CompactRun, pack_compact

    target = bundle or out
    if target is None or (bundle and out):
        raise InputError("Name the file to write once: gridbench leaderboard export FILE, or --out FILE.")
    if weights and compact:
        raise InputError("--compact packs no weights; leave --weights or --compact out.")
    found = own_records(runs, filters)
    if compact:
        # Records read from a file keep their origin when they are written to another file.
        taken = [
            replace(run, origin=run.stored.origin or _origin_of(run.stored.folder.parent))
            if isinstance(run.stored, CompactRun)
            else run
            for run in found.runs
        ]
        content = pack_compact(taken, gridbench.__version__)
    else:
        small = next((run for run in found.runs if isinstance(run.stored, CompactRun)), None)
        if small is not None:
            raise InputError(
                f"{small.stored.folder} is a compact record; it can only be packed with --compact."
            )
        content = pack_bundle(found.runs, gridbench.__version__, weights)
    write_bytes(target, content)
    kilobytes = len(content) / 1000
    say(f"Wrote {target} with {counted(len(found.runs), 'record')}, {kilobytes:,.0f} kB.")
    if found.left_out:
        say(f"Left out {len(found.left_out)} unfinished, failed or damaged; gridbench status tells more.")
    if compact:
        say(f"Next: gridbench leaderboard --runs {shlex.quote(str(target))}")


def own_records(runs: Sequence[str], filters: Sequence[str]) -> Collection:
    """Return the finished runs that were computed here and meet the conditions, for handing on.

    Raises:
        InputError: There are none; the message says what there is instead.
    """
    from gridbench.leaderboard.records.filters import keep, parse_condition
    from gridbench.leaderboard.records.runs import collect

    conditions = list(map(parse_condition, filters))
    found = collect(*map(Path, runs))
    if not found.runs:
        raise nothing_finished(runs, found)
    _refuse_others(runs, found)
    found = keep(found, conditions)
    _refuse_others(runs, found, f" that meets {' and '.join(map(repr, filters))}")
    return keep(found, [parse_condition("origin=")])


def _refuse_others(runs: Sequence[str], found: Collection, which: str = "") -> None:
    """Refuse runs none of which was computed here.

    Raises:
        InputError: With whose they are.
    """
    others = Counter(run.origin for run in found.runs)
    if "" not in others:
        each = ", ".join(f"{count} of {origin}" for origin, count in sorted(others.items()))
        raise InputError(
            f"There is no finished run of one's own in {', '.join(map(repr, runs))}{which}, only records of others "
            f"({each}), which are not handed on as one's own; pass on the file that they came in. To see them: "
            f"gridbench leaderboard --runs {shlex.quote(runs[0])}"
        )


def nothing_finished(runs: Sequence[str], found: Collection) -> InputError:
    """Return the error for folders without a finished run, which describes what they hold instead."""
    states = [item.state for item in found.left_out]
    each = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    seen = f" There are only runs that do not count: {each} (gridbench status says why)." if states else ""
    first = f"gridbench run --method grid --loss bce --slnir 30 --runs {shlex.quote(runs[0])}"
    return InputError(
        f"There is no finished run in {', '.join(map(repr, runs))}.{seen} Make a result with: {first}"
    )


def _origin_of(file: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).strip("._-")[:60] or "unknown"


@click.command("import")
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--runs",
    type=click.Path(),
    default="runs",
    show_default=True,
    metavar="DIR",
    help="Folder of run records.",
)
@click.option(
    "--origin", metavar="NAME", help="Origin under which the records are kept.  [default: the bundle's name]"
)
def import_records(bundle: Path, runs: str, origin: str | None) -> None:
    """Check BUNDLE and take its records in, kept apart from one's own by their origin."""
    from gridbench.leaderboard.bundles.bundle_import import import_bundle

    done = import_bundle(bundle, Path(runs), bundle.stem if origin is None else origin)
    known = f", {done.known} already there" if done.known else ""
    say(f"{counted(done.new, 'record')} added to {done.folder}{known}.")
    say(f"Next: gridbench leaderboard --runs {shlex.quote(runs)}")
