"""`gridbench audit compare`: what a correction changed, and what it does to the scores of retrained networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.options import (
    GroupedCommand,
    OutputFile,
    cache_option,
    collect,
    config_options,
    device_option,
    option,
    plugin_option,
    quiet_option,
    threads_option,
)
from gridbench.config import FIELDS
from gridbench.core.terminal import say
from gridbench.errors import counted

if TYPE_CHECKING:
    from gridbench.audit.comparison import Changes, Shared
    from gridbench.plan import Plan

__all__ = ["compare"]

OTHERWISE = ("dataset", "seed", "noise_seed", "slnir", "noise", "noise_parameters", "last_epochs")
SHOWN = ("ndcg@", "map@r", "unseen/ndcg@", "map_macro", "f1_macro", "hamming", "accuracy", "miou")


@click.command(cls=GroupedCommand)
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@config_options(
    *(name for name in FIELDS if name not in OTHERWISE), method="Training strategy.  [default: bce]"
)
@plugin_option
@option(
    "--seeds",
    group="recipe",
    metavar="N",
    default="5",
    show_default=True,
    help="Seeds 0 to N-1, or a list such as 0,3,7; fewer than five resolve nothing.",
)
@click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("audits/compared"),
    show_default=True,
    metavar="DIR",
    help="Folder of run records; finished runs are reused.",
)
@click.option(
    "--out",
    type=OutputFile(),
    metavar="FILE",
    help="Also write changes and scores to this JSON file.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--dry-run", is_flag=True, help="Show what was changed and what would be trained, and stop.")
@cache_option
@device_option
@threads_option
@quiet_option
def compare(
    before: str,
    after: str,
    seeds: str,
    runs: Path,
    out: Path | None,
    force: bool,
    dry_run: bool,
    cache: Path | None,
    device: str,
    threads: int,
    quiet: bool,
    **given: Any,
) -> None:
    """Show the changes between two prepared archives, train on both, and score both on the same labels.

    Images are matched by name. Scored are the images that both have in the same split, against clean labels where an
    archive has them (data prepare folder --clean-labels); otherwise images on whose labels the two disagree are left
    out, as queries too. Each seed trains once on either archive, with the settings of `gridbench run`.

    \b
      gridbench audit compare mine mine-corrected --dry-run
      gridbench audit compare mine mine-corrected --seeds 5
    """  # noqa: D301
    from gridbench.audit.comparison import changes_between, retrain, shared_between
    from gridbench.config import make_config
    from gridbench.core.console import Console
    from gridbench.core.files import check_free
    from gridbench.core.json_files import write_json
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets import default_cache
    from gridbench.leaderboard.formats.terminal import print_sheets
    from gridbench.leaderboard.stats.sheets import side_by_side_sheet
    from gridbench.plan import make_plan
    from gridbench.records.runner import Execution
    from gridbench.sweeps.grid import seeds_of

    if out is not None:
        check_free([out], force)
    values = {"method": "bce", **collect(given)}
    wanted = list(seeds_of(seeds))
    with ProgressReporter(quiet, "comparison") as progress:

        def plan_of(name: str, seed: str) -> Plan:
            config = make_config({**values, "dataset": name, "seed": seed})
            return make_plan(config, cache or default_cache(), progress.build)

        first = [plan_of(name, wanted[0]) for name in (before, after)]
        one, two = (plan.archive for plan in first)
        changes, shared = changes_between(one, two), shared_between(one, two, first[0].level)
        _print_changes(before, after, changes, shared)
        config = first[0].config
        say(
            f"{2 * len(wanted)} runs: {config.method} ({config.backbone}, {counted(config.epochs, 'epoch')}) on "
            "either archive, "
            f"seed{'s' if len(wanted) > 1 else ''} {', '.join(wanted)}; records in {runs}."
        )
        if dry_run:
            return
        execution = Execution(
            runs, cache, device, "light", threads=threads, progress=progress, building=progress.build
        )
        pairs = {int(seed): seed for seed in wanted}
        scores = retrain(
            lambda seed: (plan_of(before, pairs[seed]), plan_of(after, pairs[seed])),
            shared,
            list(pairs),
            execution,
        )
    shown = [{name: side[name] for name in side if _is_shown(name)} for side in scores]
    title = f"{after} against {before}: {config.method}, {config.backbone}, {counted(config.epochs, 'epoch')}"
    print_sheets([side_by_side_sheet(title, _scored_on(shared), *shown)], Console(highlight=False))
    if out is not None:
        document = {
            "schema": 1,
            "before": before,
            "after": after,
            "config": config.canonical(),
            "changes": asdict(changes),
            "left_out": dict(shared.left_out),
            "clean_labels": shared.clean,
            "scores": dict(zip(("before", "after"), scores, strict=True)),
        }
        write_json(out, document)
        say(f"Wrote {out}", err=True)


def _is_shown(metric: str) -> bool:
    return any(metric == name or (name.endswith("@") and metric.startswith(name)) for name in SHOWN)


def _scored_on(shared: Shared) -> str:
    """Print the number of scored images, and the labels that they are scored against."""
    counts = {split: len(pair[0]) for split, pair in shared.splits.items()}
    labels = "clean labels" if shared.clean else "the given labels, on which both agree"
    return (
        f"The same {counts['test']} test images for both, searched by {counts['train']} training images (unseen: by "
        f"{counts['val']} validation images), against {labels}; mean ± standard deviation over seeds"
    )


def _print_changes(before: str, after: str, changes: Changes, shared: Shared) -> None:
    both, gone, more = changes.images
    say(
        f"Images: {both} in both, {gone} in {before} alone, {more} in {after} alone; {changes.moved} in another split."
    )
    say(
        f"Classes: {len(changes.classes)} in both"
        + _named(f"in {before} alone", changes.dropped)
        + _named(f"in {after} alone", changes.introduced)
        + "."
    )
    for split, count in changes.changed.items():
        added, removed = changes.added[split], changes.removed[split]
        if count:
            say(
                f"Labels of {split}: {sum(added.values())} added ({_by_class(added)}), {sum(removed.values())} removed "
                f"({_by_class(removed)}), on {counted(count, 'image')}."
            )
    if not any(changes.changed.values()):
        say("Labels: the same on all images that are in both.")
    if changes.relabelled:
        say(f"Label maps: {changes.relabelled} differ.")
    if not shared.same_classes:
        say("The classes differ, so predictions are not compared; retrieval is, by the common classes.")
    if any(shared.left_out.values()):
        say(
            "Not scored, since their labels differ: "
            + ", ".join(
                f"{counted(count, 'image')} of {split}" for split, count in shared.left_out.items() if count
            )
            + "."
        )


def _named(where: str, names: tuple[str, ...]) -> str:
    return f", {len(names)} {where} ({', '.join(names)})" if names else ""


def _by_class(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{name} {count}" for name, count in ordered) or "none"
