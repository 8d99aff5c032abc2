"""Shared part of the readers of DLRSD and UC Merced: scene labels and their disagreements, sizes, the split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbench.datasets.archive.layout import GroupLayout, Layout
from gridbench.datasets.readers.base import Plan, Unit, listed
from gridbench.datasets.readers.landuse.classes import CLASS_NAMES, parse_name, split_of
from gridbench.datasets.readers.landuse.files import LandUseFiles
from gridbench.datasets.readers.landuse.labels import (
    LabelSource,
    disagreements,
    find_label_sources,
    read_label_source,
)
from gridbench.datasets.readers.landuse.unit import LandUseUnit, read_landuse_unit
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import read_shape
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError, counted

__all__ = ["LandUseOptions", "plan_land_use"]

_LISTED_DISAGREEMENTS = 1000


@dataclass(frozen=True)
class LandUseOptions:
    """How the folders are to be read.

    Attributes:
        labels: File of scene labels to use; None to find the most trusted one.
        labels_from_maps: Whether scene labels are the classes of the label map instead (DLRSD).
        map_base: Index of the first class in maps of plain indices; None to find out.
    """

    labels: Path | None = None
    labels_from_maps: bool = False
    map_base: int | None = None


def plan_land_use(
    kind: str,
    roots: Sequence[Path],
    files: LandUseFiles,
    names: list[str],
    options: LandUseOptions,
    base: int | None,
    trust: Sequence[str],
) -> Plan:
    """Plan the images of UC Merced that were found, with or without label maps.

    Args:
        kind: Name of the reader.
        roots: Folders to look for label files in.
        files: Photographs and maps; their notes are added to.
        names: Names of the images to pack, sorted.
        options: What the user said.
        base: Index of the first class in maps of plain indices, or None.
        trust: Ends of names of label files, the most trusted first.

    Raises:
        InputError: Labels are missing, or nothing can be read.
    """
    report: dict[str, Any] = {"source": [str(root) for root in roots], "notes": files.notes}
    chosen = None
    if not options.labels_from_maps:
        chosen, report["label_sources"] = _labels(
            roots, sorted(files.photographs), options, trust, files.notes
        )
        absent = [name for name in names if name not in chosen.labels]
        files.notes += listed("image", "without scene labels, left out", absent)
        unseen = sorted(set(chosen.labels) - set(files.photographs))
        files.notes += listed("row", "of scene labels without an image", unseen)
        names = [name for name in names if name in chosen.labels]
    if not names:
        raise InputError("No image has everything that it needs: " + "; ".join(files.notes) + ".")
    size = _usual_size([files.photographs[name] for name in names])
    units = []
    for position, name in enumerate(names):
        labels = None if chosen is None else tuple(int(value) for value in chosen.labels[name])
        unit = LandUseUnit(files.photographs[name], files.maps.get(name), labels, base, size)
        units.append(Unit((position,), unit))
    layout = Layout(
        (GroupLayout("rgb", ("red", "green", "blue"), *size, "uint8"),),
        CLASS_NAMES,
        size if files.maps else None,
        sources=True,
    )
    split = [split_of(_number(name)) for name in names]
    report["reading"] = _reading(files, names, base, chosen, options)
    settings = {
        "labels_from_maps": options.labels_from_maps,
        "map_base": base,
        "labels": None if chosen is None else _digest(chosen, names),
    }
    return Plan(kind, layout, names, split, units, read_landuse_unit, settings, report)


def _reading(
    files: LandUseFiles,
    names: Sequence[str],
    base: int | None,
    chosen: LabelSource | None,
    options: LandUseOptions,
) -> list[str]:
    """Return what was understood, one line each."""
    lines = [f"photographs: {len(files.photographs)}, label maps: {len(files.maps)}, packed: {len(names)}"]
    if files.maps:
        plain = "by colour or palette" if base is None else f"plain indices count the classes from {base}"
        said = " (--map-base)" if options.map_base is not None else ""
        lines.append(f"label maps: {plain}{said}; 255 is not a class")
    if chosen is not None:
        lines.append(
            f"labels: {chosen.path.name}, {counted(len(chosen.labels), 'row')}, {len(CLASS_NAMES)} classes by name"
        )
    else:
        lines.append("labels: the classes of the label maps (--labels-from-maps)")
    lines.append("split: by the number in the file's name, by the paper's 70/10/20 rule")
    return lines


def _labels(
    roots: Sequence[Path],
    images: Sequence[str],
    options: LandUseOptions,
    trust: Sequence[str],
    notes: list[str],
) -> tuple[LabelSource, list[dict[str, Any]]]:
    sources, unusable = find_label_sources(roots, images, trust)
    notes += unusable
    if options.labels is not None:
        first = read_label_source(options.labels, images)
        sources = [
            first,
            *(source for source in sources if source.path.resolve() != options.labels.resolve()),
        ]
    if not sources:
        raise InputError(
            f"There is no file of multi-labels below {', '.join(map(str, roots))} (such as LandUse_Multilabeled.txt "
            "or multi-labels.xlsx); name it with --labels FILE."
        )
    rows: list[dict[str, Any]] = [
        {"file": str(sources[0].path), "images": len(sources[0].labels), "used": True}
    ]
    for other in sources[1:]:
        differences = disagreements(sources[0], other)
        rows.append(
            {
                "file": str(other.path),
                "images": len(other.labels),
                "used": False,
                "disagreements": len(differences),
                "listed": differences[:_LISTED_DISAGREEMENTS],
            }
        )
        verdict = (
            f"differs in {counted(len(differences), 'label')}" if differences else "agrees in every label"
        )
        notes.append(f"{other.path.name} {verdict} with {sources[0].path.name}, which is used")
    return sources[0], rows


def _usual_size(photographs: Sequence[Path]) -> tuple[int, int]:
    sizes: Counter[tuple[int, int]] = Counter()
    with quick_raster_access():
        for path in photographs:
            try:
                shape = read_shape(path)
            except Unreadable:
                continue
            sizes[(shape.height, shape.width)] += 1
    if not sizes:
        raise InputError(f"None of the {len(photographs)} photographs can be read.")
    return sizes.most_common(1)[0][0]


def _digest(chosen: LabelSource, names: Sequence[str]) -> str:
    return hashlib.sha256(b"".join(chosen.labels[name].tobytes() for name in names)).hexdigest()


def _number(name: str) -> int:
    parsed = parse_name(name)
    assert parsed is not None
    return parsed[1]
