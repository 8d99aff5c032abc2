"""Checks that a georeferenced mask lies where its image does, and finds one that is stored south up."""

from __future__ import annotations

from pathlib import Path

from gridbench.datasets.readers.rasters.limits import LIMITS, Limits
from gridbench.datasets.readers.rasters.raster import Shape, read_shape
from gridbench.datasets.readers.source_files import Unreadable, format_of

__all__ = ["GEOREFERENCED", "directions"]

GEOREFERENCED = {"GTiff", "JP2OpenJPEG"}
_TOLERANCE = 0.01
"""Largest difference of two places, in pixels of the image: rounding in files, not a shift."""


def directions(image: Path, mask: Path, limits: Limits = LIMITS) -> tuple[bool, bool]:
    """Return whether the rows and whether the columns of a mask run against those of its image.

    Args:
        image: The image's file.
        mask: The mask's file.
        limits: Size limits of a file.

    Returns:
        (False, False) where not both files have a georeference: they are taken as they are.

    Raises:
        Unreadable: Both files say where they lie, and it is not the same place.
    """
    if not {format_of(image), format_of(mask)} <= GEOREFERENCED:
        return False, False
    one, other = read_shape(image, limits), read_shape(mask, limits)
    if (
        one.transform is None
        or other.transform is None
        or (one.height, one.width) != (other.height, other.width)
    ):
        return False, False
    if one.crs is not None and other.crs is not None and one.crs != other.crs:
        raise Unreadable(mask, f"is in {_short(other.crs)}, its image in {_short(one.crs)}")
    found = [
        (rows, columns) for rows in (1, -1) for columns in (1, -1) if _same_place(one, other, rows, columns)
    ]
    if not found:
        raise Unreadable(
            mask,
            f"lies elsewhere than its image: upper left {_corner(other)} with pixels of {_pixel(other)}, the image "
            f"{_corner(one)} with pixels of {_pixel(one)}",
        )
    rows, columns = found[0]
    return rows < 0, columns < 0


def _same_place(image: Shape, mask: Shape, rows: int, columns: int) -> bool:
    """Whether the corners of both coincide when the mask is read in these directions."""
    height, width = image.height, image.width
    pixel = max(abs(value) for value in (image.transform or ())[:2] + (image.transform or ())[3:5])
    for row, column in ((0, 0), (0, width), (height, 0)):
        x, y = _place(image, row, column)
        u, v = _place(mask, row if rows > 0 else height - row, column if columns > 0 else width - column)
        if max(abs(x - u), abs(y - v)) > _TOLERANCE * pixel:
            return False
    return True


def _place(shape: Shape, row: int, column: int) -> tuple[float, float]:
    a, b, c, d, e, f = shape.transform or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    return a * column + b * row + c, d * column + e * row + f


def _corner(shape: Shape) -> str:
    x, y = _place(shape, 0, 0)
    return f"({x:.10g}, {y:.10g})"


def _pixel(shape: Shape) -> str:
    a, _, _, _, e, _ = shape.transform or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    return f"{a:.6g} x {e:.6g}"


def _short(crs: str) -> str:
    return crs if len(crs) <= 40 else crs[:37] + "..."
