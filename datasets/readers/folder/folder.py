"""Reader for the user's own archive: a folder of images with a table of labels, masks, or both."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gridbench.datasets.archive.layout import GroupLayout, Layout
from gridbench.datasets.dataset import Progress, silent
from gridbench.datasets.readers.base import Plan, Unit, listed
from gridbench.datasets.readers.folder.sources import (
    FolderOptions,
    FolderSources,
    find_sources,
    keep_complete,
)
from gridbench.datasets.readers.folder.unit import FolderUnit, Treatment, read_folder_unit, tile_corners
from gridbench.datasets.readers.images import choose_form
from gridbench.datasets.readers.masks import Codebook
from gridbench.datasets.readers.raster import Shape, Unreadable, quick_raster_access, read_raster, read_shape
from gridbench.datasets.readers.splitting import parse_shares, read_split, split_by_shares
from gridbench.datasets.readers.tables import LabelTable
from gridbench.errors import InputError

__all__ = ["FolderOptions", "plan_folder"]

_MASKS_LOOKED_AT = 50


def plan_folder(root: Path, options: FolderOptions, progress: Progress = silent) -> Plan:
    """Find out what a user's folder holds and plan how it is packed.

    Args:
        root: The folder.
        options: What the user said about it.
        progress: Told how far it is.

    Raises:
        InputError: Something is missing or contradicts itself; the message says which option helps.
    """
    sources = find_sources(root, options)
    keys = keep_complete(sources)
    shapes = _shapes(sources, keys, progress)
    readable = [shape for shape in shapes.values() if isinstance(shape, Shape)]
    if not readable:
        raise InputError(f"None of the {len(keys)} images can be read; the first: {shapes[keys[0]]}")
    form, notes = choose_form(readable, options.value_range)
    sources.notes += notes
    size = _size_in_archive(readable, options, sources)
    _refuse_shifted_masks(sources, keys)
    treatment = Treatment(
        form=form,
        size=size,
        tile=options.tile,
        codebook=None if sources.masks is None else Codebook(sources.table.values, sources.table.colours),
        classes=len(sources.table.names),
        min_cover=options.min_cover,
        min_labelled=options.min_labelled,
        labels_from_masks=sources.labels is None or options.tile is not None,
    )
    names, owners, units = _units(sources, keys, shapes, treatment)
    plain = tuple(f"band {i + 1}" for i in range(form.bands))
    bands = ("red", "green", "blue") if form.bands == 3 else plain
    layout = Layout(
        (GroupLayout("image", bands, *size, form.dtype),),
        sources.table.names,
        None if sources.masks is None else size,
        sources.clean is not None or (sources.clean_masks is not None and treatment.labels_from_masks),
        sources=True,
        clean_maps=sources.clean_masks is not None,
    )
    split = _split(sources, owners, options)
    report = {"notes": sources.notes, "source": str(root)}
    return Plan("folder", layout, names, split, units, read_folder_unit, _settings(options, sources), report)


def _units(
    sources: FolderSources,
    keys: Sequence[str],
    shapes: Mapping[str, Shape | Unreadable],
    treatment: Treatment,
) -> tuple[list[str], list[str], list[Unit]]:
    """Return the names of the samples, the image that each is cut from, and the units of work."""
    names: list[str] = []
    owners: list[str] = []
    units: list[Unit] = []
    small: list[str] = []
    for key in keys:
        parts = _names_in_image(key, shapes[key], treatment.tile)
        if not parts:
            small.append(key)
            continue
        unit = FolderUnit(
            sources.images[key],
            None if sources.masks is None else sources.masks[key],
            None if sources.labels is None else sources.labels.labels(key),
            None if sources.clean is None else sources.clean.labels(key),
            treatment,
            None if sources.clean_masks is None else sources.clean_masks[key],
        )
        units.append(Unit(tuple(range(len(names), len(names) + len(parts))), unit))
        names += parts
        owners += [key] * len(parts)
    sources.notes += listed("images smaller than a tile, left out", small)
    return names, owners, units


def _shapes(sources: FolderSources, keys: Sequence[str], progress: Progress) -> dict[str, Shape | Unreadable]:
    shapes: dict[str, Shape | Unreadable] = {}
    with quick_raster_access():
        for done, key in enumerate(keys):
            try:
                shapes[key] = read_shape(sources.images[key])
            except Unreadable as error:
                shapes[key] = error
            progress(done + 1, len(keys), "looking at the images")
    return shapes


def _size_in_archive(
    shapes: Sequence[Shape], options: FolderOptions, sources: FolderSources
) -> tuple[int, int]:
    if options.tile is not None:
        if options.resize is not None:
            raise InputError("Give --tile or --resize, not both.")
        if sources.masks is None or sources.clean is not None:
            raise InputError(
                "The labels of a whole image say nothing about its parts: --tile needs masks, and takes no "
                "--clean-labels."
            )
        largest = max(min(shape.height, shape.width) for shape in shapes)
        if options.tile > largest:
            raise InputError(
                f"No tile of {options.tile} px fits; the largest image has a side of {largest} px."
            )
        return options.tile, options.tile
    if options.resize is not None:
        return options.resize, options.resize
    sizes = Counter((shape.height, shape.width) for shape in shapes)
    if len(sizes) > 1:
        listed = ", ".join(f"{h} x {w} ({count})" for (h, w), count in sizes.most_common(4))
        more = f" and {len(sizes) - 4} more" if len(sizes) > 4 else ""
        side = min(sizes.most_common(1)[0][0])
        raise InputError(
            f"The images have several sizes: {listed}{more}. Resize them with --resize {side}, or cut them into "
            "tiles with --tile N (needs masks)."
        )
    return next(iter(sizes))


def _refuse_shifted_masks(sources: FolderSources, keys: Sequence[str]) -> None:
    """Refuse masks that plainly count the classes from 1 while the class table counts from 0."""
    count = len(sources.table.names)
    if sources.masks is None or sources.table.colours or set(sources.table.values) - {*range(count), 255}:
        return
    for what, masks in (("masks", sources.masks), ("clean masks", sources.clean_masks or {})):
        seen: set[int] = set()
        with quick_raster_access():
            for path in [masks[key] for key in keys[:_MASKS_LOOKED_AT] if key in masks]:
                try:
                    seen |= set(np.unique(read_raster(path).pixels).tolist())
                except Unreadable:
                    continue
        if 0 in seen or count not in seen:
            continue
        raise InputError(
            f"The {what} hold {min(seen)} to {count} and never 0, so they count the {count} classes from 1. Say so "
            "in a class table with the columns name and value (--classes FILE.csv)."
        )


def _names_in_image(key: str, shape: Shape | Unreadable, tile: int | None) -> list[str]:
    if tile is None or isinstance(shape, Unreadable):
        return [key]
    corners = tile_corners(shape.height, shape.width, tile)
    return [f"{key}_r{row // tile:03d}_c{column // tile:03d}" for row, column in corners]


def _split(sources: FolderSources, owners: Sequence[str], options: FolderOptions) -> list[str]:
    labels = sources.labels
    if labels is not None and "split" in labels.table.columns:
        return [read_split(labels.column("split", key)) for key in owners]
    groups = list(owners)
    if options.group_pattern is not None:
        groups = [_group(options.group_pattern, key) for key in owners]
    elif labels is not None and "group" in labels.table.columns:
        groups = [labels.column("group", key) for key in owners]
    return split_by_shares(owners, parse_shares(options.split), groups)


def _group(pattern: str, key: str) -> str:
    try:
        found = re.search(pattern, key)
    except re.error as error:
        raise InputError(f"The group pattern {pattern!r} is no regular expression: {error}.") from error
    if found is None:
        raise InputError(f"The group pattern {pattern!r} does not fit the image {key!r}.")
    return found.group(1) if found.groups() else found.group(0)


def _settings(options: FolderOptions, sources: FolderSources) -> dict[str, Any]:
    tables = {"labels": sources.labels, "clean_labels": sources.clean}
    return {
        "values": {str(value): target for value, target in sorted(sources.table.values.items())},
        "colours": {
            "#{:02X}{:02X}{:02X}".format(*c): target for c, target in sorted(sources.table.colours.items())
        },
        "tables": {
            what: _table_digest(matched.table) for what, matched in tables.items() if matched is not None
        },
        "tile": options.tile,
        "resize": options.resize,
        "min_cover": options.min_cover,
        "min_labelled": options.min_labelled,
        "value_range": options.value_range,
        "split": options.split,
        "group_pattern": options.group_pattern,
    }


def _table_digest(table: LabelTable) -> str:
    content = [table.keys, table.class_names, table.labels.tolist()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
