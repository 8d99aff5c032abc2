"""`gridbench audit`: the labels that deserve a second look, and corrected labels from what was decided about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.audit.apply import apply
from gridbench.cli.audit.compare import compare
from gridbench.cli.audit.export import export
from gridbench.cli.audit.masks import audit_label_maps, print_mask_audit
from gridbench.cli.audit.summary import print_audit
from gridbench.cli.options import (
    GroupedCommand,
    cache_option,
    collect,
    config_options,
    device_option,
    option,
    plugin_option,
    quiet_option,
    threads_option,
)
from gridbench.core.terminal import say
from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    from gridbench.plan import Plan

__all__ = ["audit"]


class _AuditGroup(GroupedCommand, click.Group):
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group(cls=_AuditGroup, invoke_without_command=True)
@config_options(
    without=("last_epochs",),
    method="Training strategy.  [default: bce]",
    backbone="Any timm model, hf-hub:OWNER/NAME, or local-dir:FOLDER.  [default: test_resnet]",
    epochs="Number of epochs of each fold, instead of --steps.",
    train_size="Number of training images, 0 for all.  [default: 0]",
    distance="Not used, except by --select best.  [default: euclidean]",
    slnir="Noise put on top of the labels, to see how well it is found.  [default: 0]",
)
@plugin_option
@option(
    "--steps",
    group="recipe",
    type=click.IntRange(min=1),
    metavar="N",
    help="Optimiser steps of each fold's network, in whole epochs.  [default: 10 epochs, but 120 to 3000]",
)
@option(
    "--members",
    group="recipe",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of networks per fold, each with its own seed; their predictions are averaged.",
)
@option(
    "--splits",
    group="data",
    type=click.Choice(["train", "all"]),
    default="train",
    show_default=True,
    help="Audit only the training labels, or all labels, with folds over all images.",
)
@option(
    "--folds",
    group="recipe",
    type=click.IntRange(min=2),
    metavar="N",
    help="Number of folds.  [default: 5, or as many as groups]",
)
@option(
    "--fold-by",
    group="recipe",
    type=click.Choice(["group", "image"]),
    default="group",
    show_default=True,
    help="Keep related images in one fold (tiles of an image, groups, map squares), or divide image by image.",
)
@option(
    "--group-pattern",
    group="recipe",
    metavar="REGEX",
    help="Regular expression that finds the group in an image's name, for --fold-by group.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("audits"),
    show_default=True,
    metavar="DIR",
    help="Parent folder; each audit gets a folder of its own in it.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    metavar="N",
    help="How many suspicious labels the page shows; audit.csv lists ten times as many.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show what would be trained and an estimate of the time, and stop."
)
@cache_option
@device_option
@threads_option
@quiet_option
@click.pass_context
def audit(
    context: click.Context,
    /,
    steps: int | None,
    members: int,
    splits: str,
    dry_run: bool,
    folds: int | None,
    fold_by: str,
    group_pattern: str | None,
    out: Path,
    top: int,
    cache: Path | None,
    device: str,
    threads: int,
    quiet: bool,
    **given: Any,
) -> None:
    """List the labels that are probably wrong or missing, most suspicious first.

    Every image is scored by networks that were trained without it (k folds), by default small ones with plain BCE.
    The result is audit.csv and audit.html, a page on which you accept or reject each suggestion, and which shows how
    far down the list it is worth going. The same command again resumes an interrupted audit, or rewrites its files.
    With --slnir, noise is added to the labels, and the tables show how well it is found: a test on your own archive.

    Where every image has exactly one label, plain ce is trained, and each finding suggests another class for it.

    With --loss pce, or another loss of label maps, the maps are audited: connected regions that are probably of another
    class, missing and spurious objects, and displaced maps, one finding each. `apply` then writes corrected masks.

    \b
      gridbench audit --dataset mine --dry-run
      gridbench audit --dataset mine
      gridbench audit --dataset mine --slnir 10
      gridbench audit --dataset mine --loss pce
      gridbench audit apply audits/FOLDER --decisions decisions.csv \\
        --out corrected
      gridbench audit compare mine mine-corrected
    """  # noqa: D301
    if context.invoked_subcommand:
        return
    from gridbench.audit.audit import Folding, audit_labels, fold_of_images
    from gridbench.audit.export import write_list
    from gridbench.audit.page import write_page
    from gridbench.core.environment import choose_device
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets import default_cache
    from gridbench.records.runner import Execution

    choose_device(device)
    folding = Folding(folds, fold_by == "image", group_pattern)
    with ProgressReporter(quiet, "auditing") as progress:
        plan = _plan(collect(given), cache or default_cache(), progress.build, splits)
        # Tables show the archive's own splits, which the view used for training lacks.
        archive = plan.archive
        if splits == "all":
            plan = replace(plan, archive=archive.as_training())
        fold_of, _ = fold_of_images(plan, folding)
        plan = _with_epochs(plan, int(fold_of.max()) + 1, steps, given["epochs"])
        if dry_run:
            _print_duration(plan, fold_of, members, device, threads)
            return
        execution = Execution(
            cache=cache,
            device=device,
            threads=threads,
            progress=progress,
            building=progress.build,
            say=progress.say,
        )
        if plan.level == "pixel":
            regions = audit_label_maps(plan, folding, out, execution, members, top)
        else:
            found = audit_labels(plan, folding, out, execution, members)
    where = [] if cache is None else ["--cache", str(cache)]
    if plan.level == "pixel":
        print_mask_audit(*regions, where, top)
        return
    ranked = found.ranked()
    listed = write_list(found, archive, ranked.first(10 * top))
    page = write_page(found, archive, ranked.first(top))
    print_audit(found, listed, page, where, top)


audit.add_command(apply)
audit.add_command(compare)
audit.add_command(export)


_METHODS = {"pixel": "pce", "single": "ce"}
"""Level of labels -> method of an audit, for other levels than scene labels."""


def _plan(values: dict[str, Any], cache: Path, building: Any, splits: str) -> Plan:
    """Plan a run on all audited images; what the user left open is chosen for audits, not for retrieval."""
    from gridbench.audit.budget import BACKBONE, MAP_STRIDE
    from gridbench.config import make_config
    from gridbench.datasets.archive.single_labels import single_label_source
    from gridbench.methods.pairing import losses_at
    from gridbench.plan import make_plan

    # Nothing is retrieved, so no network needs descriptors that chi-square can compare.
    method = (
        values.get("loss")
        if values.get("loss") in losses_at("pixel")
        else _METHODS.get(str(values.get("level")), "bce")
    )
    usual = {"method": method, "train_size": 0, "distance": "euclidean"}
    # The small default backbone has no pretrained weights.
    if not {"pretrained", "weights"} & values.keys():
        usual["backbone"] = BACKBONE
    if splits == "all" and values.get("train_size"):
        raise InputError("--splits all audits every image; leave out --train-size.")
    if values.get("last_epochs") is not None:
        raise InputError("An audit scores no epochs; leave last_epochs out of its settings.")
    plan = make_plan(make_config({**usual, **values}), cache, building)
    own_backbone = "backbone" in values or "backbone" not in usual
    if plan.level == "pixel" and plan.config.output_stride is None and not own_backbone:
        usual["output_stride"] = MAP_STRIDE
        plan = make_plan(make_config({**usual, **values}), cache, building)
    if (
        not {"method", "loss", "level"} & values.keys()
        and single_label_source(plan.archive) == "scene labels"
    ):
        plan = make_plan(make_config({**usual, **values, "method": _METHODS["single"]}), cache, building)
    return plan


def _with_epochs(plan: Plan, folds: int, steps: int | None, epochs: Any) -> Plan:
    """Return the plan with the length that was asked for, or the usual one.

    Raises:
        InputError: Both steps and epochs are given.
    """
    from gridbench.audit.budget import epochs_of
    from gridbench.training.corrupt import training_images

    if epochs is not None:
        if steps is not None:
            raise InputError("Give --steps or --epochs, not both.")
        return plan
    if not plan.config.epochs:
        return plan
    images = len(training_images(plan.archive, plan.config.train_size))
    length = epochs_of(images, plan.config.batch_size or 1, folds, steps)
    return replace(plan, config=plan.config.model_copy(update={"epochs": length}))


def _print_duration(plan: Plan, fold_of: Any, members: int, device: str, threads: int) -> None:
    """Print what an audit would train and how long it takes, by timing a few steps."""
    from gridbench.audit.budget import measure_duration
    from gridbench.core.environment import choose_device, cpu_threads

    with cpu_threads(threads):
        found = measure_duration(plan, fold_of, members, choose_device(device))
    config, minutes = plan.config, found.seconds / 60
    time = f"{minutes:.0f} min" if minutes >= 2 else f"{found.seconds:.0f} s"
    say(
        f"{counted(len(fold_of), 'image')} of {config.dataset}; {counted(found.networks, 'network')} "
        f"({config.backbone}, {config.method}), "
        f"each {counted(found.steps, 'optimiser step')} of {counted(config.batch_size, 'image')} "
        f"({counted(config.epochs, 'epoch')}).\n"
        f"About {time} here, by timing a few steps. Nothing was written."
    )
