"""Reader for the user's own archive: a folder of images with a table of labels, masks, or both."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gridbench.datasets.archive.layout import SPLITS, Georeference, GroupLayout, Layout
from gridbench.datasets.dataset import Progress, silent
from gridbench.datasets.readers.base import Plan, Unit, first_lines, listed
from gridbench.datasets.readers.folder.division import groups_of, split_of
from gridbench.datasets.readers.folder.drawn_masks import drawing_digest
from gridbench.datasets.readers.folder.mask_inspection import PIXELS_AT_A_TIME, read_masks
from gridbench.datasets.readers.folder.options import DEFAULT_COVER, FolderOptions, check_options
from gridbench.datasets.readers.folder.sources import FolderSources, find_sources, keep_complete
from gridbench.datasets.readers.folder.tiles import Tiling
from gridbench.datasets.readers.folder.unit import FolderUnit, Treatment, read_folder_unit
from gridbench.datasets.readers.rasters.form import Form, choose_form, nodata_policy, transparency_is_data
from gridbench.datasets.readers.rasters.limits import Limits, limits_for
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import Shape, read_shape
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError

__all__ = ["FolderOptions", "plan_folder"]


def plan_folder(root: Path, options: FolderOptions, progress: Progress = silent) -> Plan:
    """Find out what a user's folder holds and plan how it is packed.

    Args:
        root: The folder.
        options: What the user said about it.
        progress: Progress callback.

    Raises:
        InputError: Something is missing or contradicts itself; the message says which option helps.
    """
    check_options(options)
    sources = find_sources(root, options)
    keys = keep_complete(sources)
    limits = limits_for(options.max_pixels)
    shapes = _shapes(sources, keys, limits, progress)
    readable = [shape for shape in shapes.values() if isinstance(shape, Shape)]
    if not readable:
        raise InputError(f"None of the {len(keys)} images can be read; the first: {shapes[keys[0]]}")
    form, notes = _choose_form(sources, shapes, options)
    sources.notes += notes
    size = _size_in_archive(readable, options, sources)
    masks = read_masks(sources, keys, shapes, limits, progress)
    treatment = Treatment(
        form=form,
        size=size,
        tiling=None if options.tile is None else Tiling(options.tile, options.tile_overlap or 0, options.pad),
        codebook=None if masks is None else masks.codebook,
        class_names=sources.table.names,
        min_cover=DEFAULT_COVER if options.min_cover is None else options.min_cover,
        min_labelled=options.min_labelled or 0.0,
        labels_from_masks=sources.labels is None or options.tile is not None or options.draw_masks,
    )
    names, owners, units = _units(sources, keys, shapes, treatment)
    plain = tuple(f"band {i + 1}" for i in range(form.bands))
    bands = ("red", "green", "blue") if form.bands == 3 else plain
    layout = Layout(
        (GroupLayout("image", bands, *size, form.dtype),),
        sources.table.names,
        size if sources.has_maps else None,
        sources.clean is not None or (sources.clean_masks is not None and treatment.labels_from_masks),
        sources=True,
        clean_maps=sources.clean_masks is not None,
    )
    groups = groups_of(sources, owners, options)
    split = split_of(sources, owners, groups, options)
    reading = [*sources.reading, *_label_lines(sources, owners, split, treatment)]
    report: dict[str, Any] = {"reading": reading, "notes": sources.notes, "source": str(root)}
    if masks is not None and masks.colours:
        report["class_colours"] = {
            str(c): "#{:02X}{:02X}{:02X}".format(*own) for c, own in masks.colours.items()
        }
    settings = _settings(options, sources, treatment, groups)
    places = _georeferences(keys, shapes, treatment)
    return Plan("folder", layout, names, split, units, read_folder_unit, settings, report, groups, places)


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
    area, used = 0, 0
    for key in keys:
        parts = [key]
        shape = shapes[key]
        if treatment.tiling is not None and isinstance(shape, Shape):
            parts = [f"{key}_{name}" for name in treatment.tiling.names(shape.height, shape.width)]
            area += shape.height * shape.width
            used += treatment.tiling.covered(shape.height, shape.width)
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
            drawing=None if sources.drawings is None else sources.drawings[key],
        )
        units += _in_parts(unit, shape, len(names), len(parts))
        names += parts
        owners += [key] * len(parts)
    sources.notes += listed("image", "smaller than a tile, left out", small)
    if used < area:
        sources.notes.append(
            f"tiles of {treatment.size[0]} px leave out {100 * (1 - used / area):.1f} % of the images' "
            "area, at their right and lower "
            "edges (--pad leaves out none)"
        )
    return names, owners, units


def _georeferences(
    keys: Sequence[str], shapes: Mapping[str, Shape | Unreadable], treatment: Treatment
) -> list[Georeference | None] | None:
    """Return the georeference of each sample of `_units`; None where no image has one."""
    found: list[Georeference | None] = []
    for key in keys:
        shape, tiling = shapes[key], treatment.tiling
        if not isinstance(shape, Shape):
            found.append(None)
            continue
        place = None
        # Coordinates refer to the image as stored, before its orientation is applied.
        if shape.transform is not None and shape.orientation == 1:
            place = Georeference(shape.crs, shape.transform)  # type: ignore[arg-type]
        if tiling is None:
            rows, columns = shape.height / treatment.size[0], shape.width / treatment.size[1]
            found.append(None if place is None else place.window(0, 0, rows, columns))
            continue
        corners = [(y, x) for y in tiling.starts(shape.height) for x in tiling.starts(shape.width)]
        found += [None if place is None else place.window(y, x) for y, x in corners]
    return found if any(found) else None


def _in_parts(unit: FolderUnit, shape: Shape | Unreadable, start: int, count: int) -> list[Unit]:
    """Return the units of an image that is cut into tiles, so small that none needs much memory; else one.

    Args:
        unit: All of the image.
        shape: Its shape.
        start: Position of its first sample.
        count: Number of its samples.
    """
    tiling = unit.treatment.tiling
    if tiling is None or not isinstance(shape, Shape) or shape.height * shape.width <= PIXELS_AT_A_TIME:
        return [Unit(tuple(range(start, start + count)), unit)]
    starts, across = tiling.starts(shape.height), len(tiling.starts(shape.width))
    step = max(1, PIXELS_AT_A_TIME // (tiling.side * shape.width))
    units = []
    for first in range(0, len(starts), step):
        chosen = starts[first : first + step]
        rows = (chosen[0], min(shape.height, chosen[-1] + tiling.side))
        positions = range(start + first * across, start + (first + len(chosen)) * across)
        units.append(Unit(tuple(positions), replace(unit, rows=rows)))
    return units


def _choose_form(
    sources: FolderSources, shapes: Mapping[str, Shape | Unreadable], options: FolderOptions
) -> tuple[Form, list[str]]:
    readable = {key: shape for key, shape in shapes.items() if isinstance(shape, Shape)}
    limits = limits_for(options.max_pixels)
    with quick_raster_access():
        alpha = transparency_is_data(
            (
                sources.images[key]
                for key, shape in readable.items()
                if shape.alpha and shape.driver == "GTiff"
            ),
            limits,
        )
    return choose_form(
        list(readable.values()),
        options.value_range,
        nodata_policy(options.nodata),
        alpha,
        None if options.bands is None else tuple(band - 1 for band in options.bands),
        limits,
    )


def _shapes(
    sources: FolderSources, keys: Sequence[str], limits: Limits, progress: Progress
) -> dict[str, Shape | Unreadable]:
    shapes: dict[str, Shape | Unreadable] = {}
    with quick_raster_access():
        for done, key in enumerate(keys):
            try:
                shapes[key] = read_shape(sources.images[key], limits)
            except Unreadable as error:
                shapes[key] = error
            progress(done + 1, len(keys), "looking at the images")
    return shapes


def _size_in_archive(
    shapes: Sequence[Shape], options: FolderOptions, sources: FolderSources
) -> tuple[int, int]:
    if options.tile is not None:
        if not sources.has_maps or sources.clean is not None:
            raise InputError(
                "The labels of a whole image say nothing about its parts: --tile needs masks, and takes no "
                "--clean-labels."
            )
        largest = max(min(shape.height, shape.width) for shape in shapes)
        if options.tile > largest and not options.pad:
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


def _label_lines(
    sources: FolderSources, owners: Sequence[str], split: Sequence[str], treatment: Treatment
) -> list[str]:
    """Return the number of images of each class by split, as far as it is known before a pixel is read."""
    if treatment.labels_from_masks or sources.labels is None:
        cover = f"{100 * treatment.min_cover:g} %"
        return [f"scene labels: classes that cover at least {cover} of the mask"]
    names = sources.table.names
    width = min(max(map(len, names)), 40)
    lines = [f"classes: {len(names)}, images of each in train / val / test"]
    counts = {word: Counter[int]() for word in SPLITS}
    for key, word in zip(owners, split, strict=True):
        counts[word].update(c for c, has in enumerate(sources.labels.labels(key)) if has)
    lines += first_lines(
        [
            f"  {name:{width}}  {' / '.join(str(counts[word][c]) for word in SPLITS)}"
            for c, name in enumerate(names)
        ],
        "classes",
    )
    never = [name for c, name in enumerate(names) if not any(counts[word][c] for word in SPLITS)]
    sources.notes += listed("class", "without an image", never, "classes")
    return lines


def _settings(
    options: FolderOptions, sources: FolderSources, treatment: Treatment, groups: Sequence[str] | None
) -> dict[str, Any]:
    tables = {"labels": sources.labels, "clean_labels": sources.clean}
    codebook = treatment.codebook
    return {
        "values": {}
        if codebook is None
        else {str(value): target for value, target in sorted(codebook.values.items())},
        "colours": {
            "#{:02X}{:02X}{:02X}".format(*c): target for c, target in sorted(sources.table.colours.items())
        },
        "one_hot": codebook is not None and codebook.one_hot,
        "tables": {
            what: _digest([matched.table.keys, matched.table.class_names, matched.table.labels.tolist()])
            for what, matched in tables.items()
            if matched is not None
        },
        "groups": None if groups is None else _digest(list(groups)),
        "tile": options.tile,
        "tile_overlap": options.tile_overlap,
        "pad": options.pad,
        "resize": options.resize,
        "min_cover": treatment.min_cover,
        "min_labelled": treatment.min_labelled,
        "value_range": options.value_range,
        "split": options.split,
        "group_pattern": options.group_pattern,
        "nodata": nodata_policy(options.nodata),
        "bands": options.bands,
        # Archives that were packed before outlines were drawn keep their digest.
        **({} if sources.drawings is None else {"drawn": drawing_digest(sources.drawings)}),
    }


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
