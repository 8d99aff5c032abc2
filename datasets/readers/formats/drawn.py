"""Common representation of annotation exports: objects with outlines or run-length encodings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Annotations", "Drawn", "Outlines", "ellipse", "rectangle"]

_CORNERS_OF_AN_ELLIPSE = 64
_FARTHEST = 2**31
# As many as a picture may have; see `gridbench.datasets.readers.rasters.inspection`.
_MOST_PIXELS = 2**27


@dataclass(frozen=True)
class Drawn:
    """One object in an image, in pixels.

    Attributes:
        label: Name of its class.
        polygons: Outlines, each a flat tuple x, y, x, y and so on; empty for a label of the whole image.
        rle: Run lengths of a mask, the first of which is off, or None.
        size: (height, width) of that mask.
        origin: (row, column) of its upper left corner in the image.
        by_rows: Whether its runs go row by row, else column by column.
        level: Objects of a higher level lie above others.
        is_box: Whether the outline is that of a box.
    """

    label: str
    polygons: tuple[tuple[float, ...], ...] = ()
    rle: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None
    origin: tuple[int, int] = (0, 0)
    by_rows: bool = False
    level: int = 0
    is_box: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        numbers = (*self.origin, *(self.size or ()), *(at for outline in self.polygons for at in outline))
        if not all(abs(number) <= _FARTHEST for number in numbers):
            raise ValueError(f"{self.label!r:.80} has coordinates out of range")
        if self.size is not None and self.size[0] * self.size[1] > _MOST_PIXELS:
            raise ValueError(f"{self.label!r:.80} has a mask of {self.size[0]:,} x {self.size[1]:,} pixels")

    @property
    def has_area(self) -> bool:
        """Whether it can be drawn."""
        return bool(self.polygons) or self.rle is not None


@dataclass(frozen=True)
class Outlines:
    """Annotated objects of one image.

    Attributes:
        objects: The objects, in the order in which they were drawn.
        size: (height, width) that their coordinates refer to, or None when the export does not say.
    """

    objects: tuple[Drawn, ...]
    size: tuple[int, int] | None


@dataclass
class Annotations:
    """Content of an annotation export.

    Attributes:
        kind: Name of the format.
        class_names: Names of the C classes, in the export's order.
        images: Name of each image's file -> its objects, in the order in which they were drawn.
        sizes: Name of each image's file -> (height, width) that the coordinates refer to, as far as it is known.
        notes: Notes for the user.
    """

    kind: str
    class_names: tuple[str, ...]
    images: dict[str, list[Drawn]]
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def rectangle(
    left: float,
    top: float,
    right: float,
    bottom: float,
    degrees: float = 0,
    about: Sequence[float] | None = None,
) -> tuple[float, ...]:
    """Return the outline of a rectangle that is turned clockwise about a point, its centre unless another is given."""
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return _turned(corners, degrees, about or ((left + right) / 2, (top + bottom) / 2))


def ellipse(x: float, y: float, across: float, down: float, degrees: float = 0) -> tuple[float, ...]:
    """Return the outline of an ellipse with the centre (x, y) and these radii, turned clockwise, as a polygon."""
    angles = [2 * math.pi * k / _CORNERS_OF_AN_ELLIPSE for k in range(_CORNERS_OF_AN_ELLIPSE)]
    corners = [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]
    return _turned(corners, degrees, (x, y))


def _turned(
    corners: Iterable[tuple[float, float]], degrees: float, about: Sequence[float]
) -> tuple[float, ...]:
    if not degrees:
        return tuple(value for corner in corners for value in corner)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x0, y0 = about
    return tuple(
        value
        for x, y in corners
        for value in (
            x0 + (x - x0) * cosine - (y - y0) * sine,
            y0 + (x - x0) * sine + (y - y0) * cosine,
        )
    )
