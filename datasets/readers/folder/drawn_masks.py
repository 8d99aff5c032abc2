"""Label maps that are drawn from the outlines of an annotation tool's export, for `--draw-masks`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence

from gridbench.datasets.archive.layout import IGNORE
from gridbench.datasets.readers.folder.labels import MatchedTable
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.formats.drawing import Drawing
from gridbench.datasets.readers.formats.drawn import Outlines
from gridbench.datasets.readers.tables.class_table import ClassTable
from gridbench.errors import InputError, counted

__all__ = ["drawing_digest", "drawings_of", "with_background"]


_ROUNDING = 1
"""Pixels by which tools round boxes beyond their image."""


def with_background(table: ClassTable, options: FolderOptions) -> ClassTable:
    """Return the classes with that of the pixels outside all objects, if it was named."""
    if options.background is None or options.background in table.names:
        return table
    return dataclasses.replace(table, names=(*table.names, options.background))


def drawings_of(
    labels: MatchedTable | None, table: ClassTable, options: FolderOptions
) -> tuple[dict[str, Drawing], list[str]]:
    """Return the drawing for each image, and a description of it.

    Args:
        labels: The export.
        table: The classes, with that of the background.
        options: What the user said.

    Raises:
        InputError: The labels come from no export, or nothing in it can be drawn.
    """
    outlines = None if labels is None else labels.table.outlines
    if labels is None or outlines is None:
        raise InputError(
            "--draw-masks draws the outlines of an export of COCO, Label Studio or CVAT; name it with --labels FILE."
        )
    _refuse_shares(outlines)
    _refuse_corners(outlines)
    place = {name: c for c, name in enumerate(table.names)}
    outside = IGNORE if options.background is None else place[options.background]
    overlap = options.overlap or "later"
    drawings = {
        key: Drawing(
            outlines[row], tuple(place[each.label] for each in outlines[row].objects), outside, overlap
        )
        for key, row in labels.row_of.items()
    }
    return drawings, _sentences(outlines, options)


def _refuse_shares(outlines: Sequence[Outlines]) -> None:
    """Refuse outlines in shares of the image's sides, which would cover no pixel.

    Raises:
        InputError: All coordinates lie between 0 and 1.
    """
    shapes = [shape for image in outlines for each in image.objects for shape in each.polygons]
    if shapes and all(0 <= at <= 1 for shape in shapes for at in shape):
        raise InputError(
            "--draw-masks: all coordinates lie between 0 and 1. They are read as pixels: multiply shares of the "
            "image's sides by its width and height."
        )


def _refuse_corners(outlines: Sequence[Outlines]) -> None:
    """Refuse boxes that reach beyond their images, while all lie within them if read as two corners.

    Raises:
        InputError: With one of the boxes.
    """
    beyond = None
    for image in outlines:
        for each in image.objects:
            if not each.is_box or image.size is None:
                continue
            height, width = image.size
            outline = each.polygons[0]
            left, top, right, bottom = (*outline[:2], max(outline[::2]), max(outline[1::2]))
            box = left, top, right - left, bottom - top
            if not (box[2] > left and box[3] > top and box[2] <= width and box[3] <= height):
                return
            if right > width + _ROUNDING or bottom > height + _ROUNDING:
                beyond = beyond or (box, width, height)
    if beyond is not None:
        box, width, height = beyond
        shown = ", ".join(f"{at:g}" for at in box)
        raise InputError(
            f"--draw-masks: the box {shown} reaches beyond its image of {width} x {height} pixels. A box is left, top, "
            "width and height; all boxes lie in their images if read as left, top, right and bottom. If they are "
            "corners, subtract left from right and top from bottom."
        )


def _sentences(outlines: Sequence[Outlines], options: FolderOptions) -> list[str]:
    kinds: Counter[str] = Counter()
    for each in (one for image in outlines for one in image.objects):
        shape = "boxes" if each.is_box else "outlines"
        kinds[("run lengths" if each.rle else shape) if each.has_area else "without"] += 1
    without = kinds.pop("without", 0)
    if not kinds:
        raise InputError(
            "--draw-masks: no annotation has an outline, run lengths or a box; labels of whole images, lines and "
            "points cannot be drawn."
        )
    top = "the smaller one" if options.overlap == "smaller" else "the one that is listed later"
    outside = "no class" if options.background is None else f"the class {options.background!r}"
    lines = [
        f"masks: drawn from {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}"
        + (" (filled as rectangles)" if kinds["boxes"] else ""),
        f"  where two overlap, {top} is seen (--overlap later|smaller), unless the export gives a z-order",
        f"  pixels outside of all are {outside} (--background NAME)",
    ]
    if without:
        lines.append(
            f"  not drawn: {counted(without, 'label')} of whole images, lines, points or brush strokes"
        )
    return lines


def drawing_digest(drawings: Mapping[str, Drawing]) -> str:
    """Return a sha256 over everything that is drawn."""
    content = {key: dataclasses.asdict(drawing) for key, drawing in sorted(drawings.items())}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
