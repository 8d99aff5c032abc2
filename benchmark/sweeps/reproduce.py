"""Requirements of the paper's tables and figures, and caveats about the reproduced results."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gridbench.datasets import Archive, Recipe, open_archive
from gridbench.datasets.cache import prepared_names
from gridbench.datasets.dataset import Progress
from gridbench.datasets.open import recipes_of
from gridbench.errors import InputError, counted
from gridbench.leaderboard.figures.bars import ablation_panels, count_bars
from gridbench.leaderboard.figures.curves import noise_curves
from gridbench.leaderboard.figures.epochs import detection_curves, loss_curves
from gridbench.leaderboard.figures.sensitivity import sensitivity_maps
from gridbench.leaderboard.paper.reproduced import detection_sheets, loss_sheets, paper_sheets
from gridbench.leaderboard.records.runs import Collection as RunCollection
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.stats.statistics import FEWEST_SEEDS
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell, sheets_of
from gridbench.leaderboard.tables.table import Table, tables_of
from gridbench.registry import DATASETS, LOSSES
from gridbench.sweeps.grid import pair_of
from gridbench.sweeps.paper import ARCHIVES, MODES, Exhibit, settings_of
from gridbench.training.backbone import BackboneSpec
from gridbench.training.parameter_counts import ParameterCounts, count_parameters

__all__ = [
    "Source",
    "cautions",
    "counts_of",
    "datasets_for",
    "needs_maps",
    "refuse_missing",
    "requirements",
    "result_of",
    "source_of",
]


@dataclass(frozen=True)
class Source:
    """The archive that a table or figure is run on.

    Attributes:
        name: Its name.
        archive: The archive; None while it is not prepared.
        recipes: Its recipes by level of labels.
        of_paper: Which of the paper's archives it is; empty for any other.
    """

    name: str
    archive: Archive | None
    recipes: Mapping[str, Recipe]
    of_paper: str

    @property
    def missing(self) -> str:
        """The command that prepares the archive, in a sentence; empty if the archive exists."""
        if self.archive is not None:
            return ""
        return f"The archive {self.name!r} is not prepared. Prepare it with: {ARCHIVES[self.name].prepare}"


def source_of(name: str, cache: Path, progress: Progress | None = None) -> Source:
    """Look up an archive by name; archives of the paper need not be prepared yet.

    Raises:
        InputError: The name is neither a data set nor one of the paper's archives.
    """
    if name in ARCHIVES and name not in DATASETS and name not in prepared_names(cache):
        return Source(name, None, recipes_of(name, name), name)
    archive = open_archive(name, cache, progress)
    return Source(
        name, archive, recipes_of(name, archive.kind), archive.kind if archive.kind in ARCHIVES else ""
    )


def _expected(settings: Iterable[Mapping[str, Any]], source: Source) -> Iterator[dict[str, Any]]:
    """Yield the settings that the time of the runs depends on, without opening an archive."""
    for values in settings:
        method, loss = pair_of(values.get("method"), values.get("loss"))
        recipe = source.recipes[loss.task.level if loss else "scene"]
        yield {
            "dataset": source.name,
            "method": method.name,
            "loss": loss.name if loss else None,
            "backbone": recipe.backbone,
            "train_size": recipe.train_size or 0,
            "batch_size": recipe.batch_size,
            "epochs": values.get("epochs") or recipe.epochs,
        }


def levels_of(shown: Exhibit) -> set[str]:
    """Return the levels of labels that a table or figure learns from: scene, pixel, or both."""
    losses = {loss for part in shown.parts for loss in part.get("loss", part["method"]).split(",")}
    return {LOSSES.get(loss).task.level for loss in losses}


def needs_maps(shown: Exhibit) -> bool:
    """Return whether a table or figure learns from label maps."""
    return "pixel" in levels_of(shown)


def cautions(shown: Exhibit, source: Source, seeds: Sequence[str], epochs: int | None) -> list[str]:
    """Return caveats about the numbers of a table or figure: other data, fewer epochs, few seeds."""
    said = []
    if source.of_paper not in shown.datasets:
        of = " and ".join(shown.datasets)
        said.append(
            f"The paper shows this for {of}; here it is {source.name}, so only trends can be compared."
        )
    elif source.archive is not None and len(source.archive) != ARCHIVES[source.of_paper].images:
        images = ARCHIVES[source.of_paper].images
        said.append(f"The archive has {len(source.archive):,} images; the paper's has {images:,}.")
    full = {source.recipes[level].epochs for level in levels_of(shown) if level in source.recipes}
    if epochs is not None and full and epochs < max(full):
        of = " and ".join(str(number) for number in sorted(full))
        what = (
            "this shows that everything runs, and nothing about the methods"
            if 2 * epochs < max(full)
            else "the numbers are those of a shorter training"
        )
        said.append(f"{counted(epochs, 'epoch')} instead of the recipe's {of}: {what}.")
    if shown.parts and len(seeds) < FEWEST_SEEDS:
        few = counted(len(seeds), "seed")
        said.append(f"{few}: with fewer than {FEWEST_SEEDS}, no difference between methods is resolved.")
    return said


def counts_of(source: Source) -> list[ParameterCounts]:
    """Count the parameters of the networks that GRID builds on an archive, for each task (Fig. 8).

    Raises:
        InputError: The archive has label maps of a size for which no network can be built.
    """
    counts = []
    facts = ARCHIVES.get(source.name)
    for level, recipe in source.recipes.items():
        if level not in ("scene", "pixel"):
            continue
        if source.archive is not None:
            bands, classes, size = source.archive.bands, source.archive.num_classes, source.archive.image_size
        else:
            assert facts is not None
            bands, classes, size = facts.bands, facts.classes, (facts.side, facts.side)
        if recipe.crop:
            size = (recipe.crop, recipe.crop)
        spec = BackboneSpec(recipe.backbone, bands, size, output_stride=recipe.output_stride)
        tasks = dict.fromkeys(
            LOSSES.get(name).task.name for name in LOSSES if LOSSES.get(name).task.level == level
        )
        counts += count_parameters(spec, classes, tasks=tuple(tasks))
    return counts


def datasets_for(shown: Exhibit, wanted: str | None) -> tuple[str, ...]:
    """Return the archives to run a table or figure on: the requested one, or all that the paper shows."""
    return (wanted,) if wanted else shown.datasets


def requirements(
    shown: Exhibit, source: Source, seeds: Sequence[str], epochs: int | None
) -> list[dict[str, Any]]:
    """Return what the runs of a table or figure on one archive will look like."""
    base = {} if epochs is None else {"epochs": epochs}
    return list(_expected(settings_of(shown, source.name, seeds, base), source))


def refuse_missing(source: Source) -> None:
    """Refuse to compute on a missing archive.

    Raises:
        InputError: With the command that prepares it.
    """
    if source.missing:
        raise InputError(source.missing)


def result_of(
    shown: Exhibit, source: Source, ids: Collection[str], runs: Path
) -> tuple[list[Sheet], dict[str, Figure]]:
    """Gather the records of a table or figure, and lay them out.

    Args:
        shown: The table or figure.
        source: The archive that it was run on.
        ids: Identities of the runs that belong to it; no other is looked at.
        runs: The folder of records.

    Returns:
        The sheets to print, and the figures by what tells them apart (an empty name where there is one).
    """
    if shown.kind == "parameters":
        return _counted(shown, source)
    found = collect(runs)
    own = [run for run in found.runs if run.id in ids and not run.origin]
    # Scene labels come first, as in the paper.
    tables = sorted(
        tables_of(RunCollection(own)),
        key=lambda table: table.cells[0].text("kind"),
        reverse=True,
    )
    if shown.kind == "ablation":
        panels = ablation_panels(tables, "parameters.mode", MODES.split(","))
        figures = [] if panels is None else [("", panels)]
    else:
        figures = [pair for table in tables for pair in _DRAWN[shown.kind](table)]
    if shown.kind in ("sensitivity", "comparison"):
        sheets = paper_sheets(shown.reported, tables, source.of_paper in shown.datasets)
    elif shown.kind == "detection":
        sheets = detection_sheets(tables)
    elif shown.kind == "losses":
        sheets = loss_sheets(tables)
    else:
        sheets = [sheet for table in tables for sheet in sheets_of(table)]
    return sheets, _named(figures)


def _noise_curves(table: Table) -> list[tuple[str, Figure]]:
    figure = noise_curves(table)
    return [] if figure is None else [("", figure)]


_DRAWN: Mapping[str, Callable[[Table], list[tuple[str, Figure]]]] = {
    "sensitivity": sensitivity_maps,
    "comparison": _noise_curves,
    "detection": detection_curves,
    "losses": loss_curves,
}


def _named(figures: Sequence[tuple[str, Figure]]) -> dict[str, Figure]:
    """Give figures names that every file system accepts; a single one needs none."""
    if len(figures) == 1:
        return {"": figures[0][1]}
    named: dict[str, Figure] = {}
    for name, figure in figures:
        plain = "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "figure"
        while plain in named:
            plain += "-again"
        named[plain] = figure
    return named


def _counted(shown: Exhibit, source: Source) -> tuple[list[Sheet], dict[str, Figure]]:
    counts = {row.task: row for row in counts_of(source)}
    backbones = " and ".join(dict.fromkeys(recipe.backbone for recipe in source.recipes.values()))
    lines = [
        (
            (task,),
            (
                *(
                    SheetCell(f"{number:,}")
                    for number in (row.backbone, row.discriminative, row.generative, row.hybrid)
                ),
                SheetCell(f"{100 * row.backbone / row.hybrid:.1f}"),
                SheetCell(f"+{100 * (row.hybrid / row.discriminative - 1):.1f}"),
            ),
        )
        for task, row in counts.items()
    ]
    columns = (
        "backbone",
        "discriminative",
        "generative",
        "hybrid",
        "backbone's share (%)",
        "hybrid adds (%)",
    )
    title = f"{source.name}: trainable parameters of {backbones}"
    sheet = Sheet(
        title, "counted from the networks, which nothing was trained for", ("task",), columns, tuple(lines)
    )
    bars = {
        task: {kind: getattr(row, kind) for kind in ("discriminative", "generative", "hybrid", "backbone")}
        for task, row in counts.items()
    }
    return [sheet], {"": count_bars(title, bars)}
