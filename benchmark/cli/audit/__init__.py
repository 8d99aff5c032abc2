"""`gridbench audit`: the labels that deserve a second look, and corrected labels from what was decided about them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.audit.apply import apply
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
    typed_command,
)

if TYPE_CHECKING:
    from gridbench.audit.audit import Audit
    from gridbench.plan import Plan

__all__ = ["audit"]


class _AuditGroup(GroupedCommand, click.Group):
    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group(cls=_AuditGroup, invoke_without_command=True)
@config_options(
    method="Training strategy.  [default: bce]",
    epochs="Number of epochs of each fold.  [default: a tenth of the recipe's, 5 at least]",
    train_size="Number of training images, 0 for all.  [default: 0]",
    distance="Not used, except by --select best.  [default: euclidean]",
    slnir="Noise put on top of the labels, to see how well it is found.  [default: 0]",
)
@plugin_option
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
    help="Keep together what the archive knows to belong together (tiles of an image, squares), or nothing.",
)
@option(
    "--group-pattern",
    group="recipe",
    metavar="REGEX",
    help="What of an image's name is its group, for --fold-by group.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("audits"),
    show_default=True,
    metavar="DIR",
    help="Folder of audits; each gets a folder of its own in it.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    metavar="N",
    help="How many suspicious labels the page shows; audit.csv lists ten times as many.",
)
@cache_option
@device_option
@threads_option
@quiet_option
@click.pass_context
def audit(
    context: click.Context,
    /,
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
    """List the training labels that are probably wrong or missing, most suspicious first.

    Every image is judged by a model that was trained without it (k folds), by default plain BCE on all training
    images for a tenth of the recipe's epochs, before a network remembers single wrong labels. The result is
    audit.csv, and audit.html, a page on which you accept or reject each suggestion. The same command again resumes,
    or only writes the files anew. With --slnir, noise is put on top of the labels as they are, and the tables tell how
    well it is found: a test of the list on your own archive.

    \b
      gridbench audit --dataset mine
      gridbench audit --dataset mine --slnir 10
      gridbench audit apply audits/FOLDER --decisions decisions.csv --out corrected
    """  # noqa: D301
    if context.invoked_subcommand:
        return
    from gridbench.audit.audit import Folding, audit_labels
    from gridbench.audit.export import write_list
    from gridbench.audit.page import write_page
    from gridbench.audit.ranking import rank_labels
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets import default_cache
    from gridbench.records.runner import Execution

    with ProgressReporter(quiet, "auditing") as progress:
        plan = _plan(collect(given), cache or default_cache(), progress.build)
        execution = Execution(
            cache=cache,
            device=device,
            threads=threads,
            progress=progress,
            building=progress.build,
            say=progress.say,
        )
        found = audit_labels(plan, Folding(folds, fold_by == "image", group_pattern), out, execution)
    ranked = rank_labels(found.given, found.scores)
    listed = write_list(found, plan.archive, ranked.first(10 * top))
    page = write_page(found, plan.archive, ranked.first(top))
    _print(found, listed, page, [] if cache is None else ["--cache", str(cache)])


audit.add_command(apply)


def _plan(values: dict[str, Any], cache: Path, building: Any) -> Plan:
    """Plan a run on all training images; what the user left open is chosen for audits, not for retrieval."""
    from gridbench.audit.audit import default_epochs
    from gridbench.config import make_config
    from gridbench.plan import make_plan

    # Nothing is retrieved, so no network needs descriptors that chi-square can compare.
    values = {"method": "bce", "train_size": 0, "distance": "euclidean", **values}
    plan = make_plan(make_config(values), cache, building)
    if values.get("epochs") is None and plan.config.epochs:
        plan = make_plan(make_config({**values, "epochs": default_epochs(plan.config.epochs)}), cache)
    return plan


def _print(found: Audit, listed: Path, page: Path, where: Sequence[str]) -> None:
    """Print what was found, how far it can be trusted, and what to do next."""
    from rich.table import Table

    from gridbench.core.console import Console

    document = found.document
    config, rate = document["config"], document["noise_rate"]
    loss = "" if config["loss"] == config["method"] else f" with {config['loss']}"
    console = Console()
    console.print(
        f"Audited {document['labels']} labels of {document['images']} training images of {document['dataset']}: "
        f"{len(document['folds'])} folds of {min(document['folds'])} to {max(document['folds'])} images, "
        f"{config['method']}{loss}, {config['epochs']} epochs, {document['seconds']:.0f} s.",
        highlight=False,
    )
    console.print(f"Kept together in a fold: {document['together']}.", highlight=False)
    for words, name in (
        ("true labels missing", "missing"),
        ("given labels wrong", "wrong"),
        ("noise rate", "rate"),
    ):
        low, high = rate[f"{name}_interval"]
        console.print(
            f"Estimated {words}: {100 * rate[name]:.0f} % (95 % interval {100 * low:.0f} to {100 * high:.0f})",
            highlight=False,
        )
    if document["calibration"]:
        console.print(_calibration(document, Table))
    console.print(f"List:   {listed}\nPage:   {page}", highlight=False, soft_wrap=True)
    if found.injected:
        console.print(
            "The labels hold noise that was put in on purpose; to correct your own, audit without --slnir."
        )
    else:
        apply_it = ["gridbench", "audit", "apply", str(found.folder), "--top", "5%", "--out", "corrected"]
        console.print(
            f"Next:   open the page, decide, export; or {shlex.join([*apply_it, *where])}\n"
            f"How good is the list? {typed_command()} --slnir 10",
            highlight=False,
            soft_wrap=True,
        )


def _calibration(document: dict[str, Any], table_class: Any) -> Any:
    """Return the table of precision and recall against prevalence."""
    from gridbench.audit.calibration import SHARES

    injected = document["injected"]
    table = table_class(
        title=f"Injected noise ({injected['noise']}, {injected['slnir']} %): precision (recall) of the first, percent",
        title_justify="left",
    )
    for heading in ("labels", "by", "prevalence", *(f"{100 * share:g} %" for share in SHARES)):
        table.add_column(heading, justify="left" if heading in ("labels", "by") else "right")
    words = {"all": "all", "wrong": "given", "missing": "not given"}
    for kind, rankings in document["calibration"].items():
        for name, scored in rankings.items():
            if scored["prevalence"] is None:
                continue
            cells = [_cell(row) for row in scored["rows"]]
            table.add_row(words[kind], name, f"{100 * scored['prevalence']:.1f}", *cells)
    return table


def _cell(row: dict[str, Any]) -> str:
    recall = "" if row["recall"] is None else f" ({100 * row['recall']:.0f})"
    return f"{100 * row['precision']:.1f}{recall}"
