"""`gridbench list`: what there is to choose from."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import click

from gridbench.cli.options import plugin_option
from gridbench.core.terminal import escape, say

__all__ = ["listing"]


@click.group(name="list")
def listing() -> None:
    """List methods, losses, noise models, metrics, data sets or backbones."""


def _print_registry(registry: Any, name: str | None, summary: Callable[[str], str] | None = None) -> None:
    from rich.table import Table

    from gridbench.core.console import Console

    console = Console()
    if name is not None:
        _print_component(console, registry, name)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("name")
    table.add_column("what it is")
    outside = any(registry.origin(each) != "gridbench" for each in registry)
    if outside:
        table.add_column("from")
    for each in registry:
        origin = registry.origin(each)
        table.add_row(each, (summary or registry.summary)(each), *([origin] if outside else []))
    console.print(table)


def _print_component(console: Any, registry: Any, name: str) -> None:
    """Print one component: its documentation, and its parameters with range, default and where the default is from."""
    from rich.table import Table

    from gridbench.parameters import describe

    component = registry.get(name)
    summary = registry.summary(name)
    say(f"{name}: {summary}")
    for paragraph in _paragraphs(component):
        if paragraph != summary:
            say(f"\n{paragraph}")
    say("")
    losses = getattr(component, "losses", None)
    if losses:
        say("supports " + ("every loss" if losses == ("*",) else ", ".join(losses)))
    if recipe := getattr(component, "recipe", None):
        settings = ", ".join(f"{setting} {value}" for setting, value in recipe.items())
        say(f"its own recipe (--recipe own): {settings}")
    if levels := getattr(component, "levels", None):
        from gridbench.noise.core.model import LEVELS

        say("corrupts " + ", ".join(LEVELS.get(level, level) for level in levels))
    rows = describe(component.Parameters) if hasattr(component, "Parameters") else []
    if not rows:
        say("no parameters")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("parameter", "default", "allowed", "what it is", "default from"):
        table.add_column(column)
    for parameter, kind, default, spec in rows:
        unset = "none" if spec.source == "yours" else "derived"
        shown = unset if default is None else str(default)
        table.add_row(parameter, shown, spec.allowed(kind), spec.help, spec.source)
    console.print(table)
    for parameter, _, _, spec in rows:
        if spec.search:
            values = ", ".join(
                f"{value:g}" if isinstance(value, float) else str(value) for value in spec.search
            )
            say(f"sweep --select {parameter} tries {values}", indent=2)


def _paragraphs(component: Any) -> list[str]:
    """Return the paragraphs of the documentation of a component's class, each in one line; examples are left out."""
    kind = component if inspect.isclass(component) else type(component)
    text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
    paragraphs = re.split(r"\n\s*\n", text) if text else []
    return [escape(" ".join(each.split())) for each in paragraphs if not re.match(r"\s*>{3} ", each)]


@listing.command()
@click.argument("name", required=False)
@plugin_option
def methods(name: str | None) -> None:
    """List the training strategies, or one with its parameters."""
    from gridbench.registry import METHODS

    if name is None:
        _print_catalogue()
    else:
        _print_registry(METHODS, name)


def _print_catalogue() -> None:
    """Print the catalogue of methods; methods that it lacks are shown with the first line of their documentation."""
    from rich.table import Table

    from gridbench.core.console import Console
    from gridbench.methods.catalogue import CATALOGUE
    from gridbench.methods.losses import BUILT_IN
    from gridbench.registry import METHODS

    console = Console()
    table = Table(box=None, pad_edge=False)
    others = Table(box=None, pad_edge=False, show_header=False)
    # As wide as their longest words: none is cut, and all fit in 80 columns.
    widths = {"name": 12, "labels": 8, "idea": 16, "passes": 6, "keeps": 9, "extra": 6, "paper": 9}
    for heading, width in widths.items():
        table.add_column(heading, width=width)
    privileged = {"may": "slnir", "clean": "clean labels", "": ""}
    for each in METHODS:
        entry = CATALOGUE.get(each)
        if entry is not None:
            rest = (entry.cost, entry.state, privileged[entry.privileged], entry.paper)
            table.add_row(each, entry.labels, entry.idea, *rest)
        elif each not in BUILT_IN:
            origin = METHODS.origin(each)
            others.add_row(each, METHODS.summary(each), "" if origin == "gridbench" else origin)
    console.print(table)
    if others.row_count:
        console.print(others)
    say(f"plain training with one loss (1F 1B): {', '.join(sorted(BUILT_IN))}")
    say(
        "passes: forward (F) and backward (B) of a step. extra: extra information; slnir is the noise rate, if a "
        "parameter is slnir."
    )


@listing.command()
@click.argument("name", required=False)
@plugin_option
def losses(name: str | None) -> None:
    """List the losses, or one with its parameters."""
    from gridbench.registry import LOSSES

    _print_registry(LOSSES, name)


@listing.command()
@click.argument("name", required=False)
@plugin_option
def noise(name: str | None) -> None:
    """List the noise models, or one with its parameters."""
    from gridbench.registry import NOISE

    _print_registry(NOISE, name)


@listing.command()
def metrics() -> None:
    """List the metrics of a record, which --metric accepts, with the data on which each is based."""
    from rich.table import Table

    from gridbench.core.console import Console
    from gridbench.leaderboard.records.metric_info import LAST, LAST_EPOCHS, METRICS

    table = Table(box=None, pad_edge=False)
    for column in ("name", "better", "what it is"):
        table.add_column(column, no_wrap=column == "name")
    for each in METRICS:
        table.add_row(each.name, each.unit.better, f"{each.of}: {each.words}")
    console = Console()
    console.print(table)
    for prefix, images in (("validation/", "validation images"), ("unseen/", "validation images as queries")):
        first, *_, last = (each.name for each in METRICS if prefix in each.splits)
        say(f"{prefix}{first} to {prefix}{last}: the same for {images}")
    say(f"{LAST}NAME: the same after the last epoch, in runs that --select best scored with their best one")
    say(f"{LAST_EPOCHS}NAME: the mean over the last epochs, in runs with --last-epochs")


@listing.command()
@click.option(
    "--cache",
    type=click.Path(file_okay=False),
    default=None,
    metavar="DIR",
    help="Folder of packed archives.",
)
@plugin_option
def datasets(cache: str | None) -> None:
    """List the built-in data sets and the archives prepared from the user's own files."""
    from pathlib import Path

    from gridbench.datasets.cache import default_cache, prepared_names
    from gridbench.registry import DATASETS

    _print_registry(DATASETS, None, lambda each: str(DATASETS.get(each).summary))
    folder = Path(cache) if cache else default_cache()
    prepared = [name for name in prepared_names(folder) if name not in DATASETS]
    say(f"prepared in {folder}: {', '.join(prepared) or 'none'}")


@listing.command()
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option(
    "--probe",
    is_flag=True,
    help="Build each model, and show the width and sign of its descriptors and the usable distances.",
)
@click.option(
    "--bands", type=click.IntRange(min=1), default=3, show_default=True, help="Number of bands for --probe."
)
@click.option(
    "--size",
    type=click.IntRange(min=8),
    default=64,
    show_default=True,
    help="Side of the images in pixels for --probe.",
)
def backbones(patterns: tuple[str, ...], probe: bool, bands: int, size: int) -> None:
    """List timm models whose name matches a PATTERN, such as 'resnet*'."""
    import timm

    from gridbench.errors import InputError

    names = []
    for pattern in patterns or ("*",):
        found = [pattern] if timm.is_model(pattern) and probe else timm.list_models(_widened(pattern))
        if not found:
            raise InputError(f"No timm model matches {pattern!r}. Try 'resnet*'.")
        names += found
    if not probe:
        click.echo("\n".join(dict.fromkeys(names)))
        return
    from gridbench.training.backbone_survey import survey_backbones

    click.echo("| backbone | descriptor width | sign | feature map | verdict |\n|---|---|---|---|---|")
    for row in survey_backbones(dict.fromkeys(names), bands, size):
        width, maps = row.width or "", row.map_width or ""
        click.echo(f"| {row.name} | {width} | {row.sign} | {maps} | {' '.join(row.verdict.split())} |")


@listing.command()
@click.option("--backbone", default="densenet121", show_default=True, metavar="NAME", help="Any timm model.")
@click.option("--classes", type=click.IntRange(min=1), default=17, show_default=True, metavar="N")
@click.option("--bands", type=click.IntRange(min=1), default=3, show_default=True, metavar="N")
@click.option(
    "--size",
    type=click.IntRange(min=1),
    default=224,
    show_default=True,
    metavar="PIXELS",
    help="Side of the images and label maps in pixels, as the network sees them.",
)
@click.option(
    "--latent",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    metavar="N",
    help="Latent dimension of the VAE.",
)
@click.option("--output-stride", type=click.IntRange(1, 64), metavar="N", help="Stride of the feature map.")
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Only this task; can be repeated.")
def parameters(
    backbone: str,
    classes: int,
    bands: int,
    size: int,
    latent: int,
    output_stride: int | None,
    tasks: tuple[str, ...],
) -> None:
    """Count trainable parameters: backbone, discriminative only, generative only, and both (GRID).

    \b
    The defaults are the paper's network on DLRSD; the one on BigEarthNet:
      gridbench list parameters --classes 19 --bands 10 --size 120
    """  # noqa: D301
    from rich.table import Table

    from gridbench.core.console import Console
    from gridbench.training.backbone import BackboneSpec
    from gridbench.training.parameter_counts import count_parameters

    spec = BackboneSpec(backbone, bands, (size, size), output_stride=output_stride)
    rows = count_parameters(spec, classes, latent=latent, tasks=tasks)
    table = Table(
        title=f"{backbone}, {classes} classes, {bands} bands, {size} px", title_justify="left", box=None
    )
    table.add_column("task")
    for column in ("backbone", "discriminative", "generative", "hybrid", "hybrid adds"):
        table.add_column(column, justify="right")
    for row in rows:
        numbers = (row.backbone, row.discriminative, row.generative, row.hybrid)
        more = 100 * (row.hybrid / row.discriminative - 1)
        table.add_row(row.task, *(f"{number:,}" for number in numbers), f"+{more:.1f} %")
    Console().print(table)


def _widened(pattern: str) -> str:
    return pattern if "*" in pattern else f"*{pattern}*"
