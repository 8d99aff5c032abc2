"""Draws the objects of annotation tools as label maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.formats.drawn import Drawn, Outlines

__all__ = ["OVERLAPS", "Drawing", "draw"]

OVERLAPS = ("later", "smaller")
"""Which of two objects that overlap is seen: the one that the export lists later, or the one of the smaller area."""
_FARTHEST = 1e7
"""Largest coordinate in pixels that is drawn; beyond what GDAL can draw, it silently draws nothing."""


@dataclass(frozen=True)
class Drawing:
    """Objects to draw in the label map of one image.

    Attributes:
        outlines: The objects.
        classes: Class of each.
        outside: Class of the pixels of no object, or 255.
        overlap: One of OVERLAPS; objects of a higher level lie above others whatever it says.
    """

    outlines: Outlines
    classes: tuple[int, ...]
    outside: int
    overlap: str = "later"


def draw(drawing: Drawing, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a label map; a pixel belongs to an outline when its centre lies inside.

    Args:
        drawing: What is drawn.
        size: (height, width) that the coordinates refer to.

    Returns:
        (H, W) classes.

    Raises:
        ValueError: Run lengths are of another size, or coordinates are not numbers of pixels.
    """
    label_map = np.full(size, drawing.outside, dtype=np.uint8)
    order = [k for k, each in enumerate(drawing.outlines.objects) if each.has_area]
    if drawing.overlap == "smaller":
        order.sort(key=lambda k: -_area(drawing.outlines.objects[k]))
    order.sort(key=lambda k: drawing.outlines.objects[k].level)
    for k in order:
        _burn(label_map, drawing.outlines.objects[k], drawing.classes[k])
    return label_map


def _burn(label_map: NDArray[np.uint8], each: Drawn, value: int) -> None:
    if each.rle is not None and each.size is not None:
        (height, width), (row, column) = each.size, each.origin
        part = label_map[row : row + height, column : column + width]
        if min(row, column) < 0 or part.shape != each.size:
            raise ValueError(
                f"has run lengths of {height} x {width} pixels at ({row}, {column}), and the image is "
                f"{label_map.shape[0]} x {label_map.shape[1]}"
            )
        runs = np.array(each.rle, dtype=np.int64)
        flat = np.zeros(height * width, dtype=np.bool_)
        flat[: int(runs.sum())] = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        part[flat.reshape(height, width) if each.by_rows else flat.reshape(width, height).T] = value
        return
    from rasterio.features import rasterize

    rings = [[_points(outline)] for outline in each.polygons]
    rasterize([({"type": "MultiPolygon", "coordinates": rings}, value)], out=label_map)


def _points(outline: tuple[float, ...]) -> list[tuple[float, float]]:
    """Return a closed ring of (x, y)."""
    if not all(abs(at) <= _FARTHEST for at in outline):
        raise ValueError("has coordinates that lie in no image")
    points = list(zip(outline[::2], outline[1::2], strict=True))
    return points if points[0] == points[-1] else [*points, points[0]]


def _area(each: Drawn) -> float:
    if each.rle is not None:
        return float(sum(each.rle[1::2]))
    total = 0.0
    for outline in each.polygons:
        x, y = np.array(_points(outline)).T
        total += abs(float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]))) / 2
    return total
