"""The layout of an archive and of one sample, as passed from readers to the archive writer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbench.core.labels import IGNORE

__all__ = ["IGNORE", "SPLITS", "Georeference", "GroupLayout", "Layout", "Sample"]

SPLITS = ("train", "val", "test")
"""The splits in the order of their stored codes 0, 1, 2."""


@dataclass(frozen=True)
class GroupLayout:
    """The bands that share one resolution.

    Attributes:
        name: Short name, part of a file name, such as `"10m"`.
        bands: Band names in stored order.
        height: Rows.
        width: Columns.
        dtype: `"uint8"` or `"uint16"`.
    """

    name: str
    bands: tuple[str, ...]
    height: int
    width: int
    dtype: str


@dataclass(frozen=True)
class Layout:
    """Layout of the samples of an archive.

    Attributes:
        groups: Resolution groups, the finest first.
        class_names: Names of the C classes.
        map_size: (H, W) of the label maps, or None without maps.
        clean_labels: Whether a second, clean set of scene labels is stored.
        sources: Whether the hash of each sample's source files is stored.
        clean_maps: Whether a second, clean set of label maps is stored.
    """

    groups: tuple[GroupLayout, ...]
    class_names: tuple[str, ...]
    map_size: tuple[int, int] | None = None
    clean_labels: bool = False
    sources: bool = False
    clean_maps: bool = False


class Georeference(NamedTuple):
    """Where an image lies.

    Attributes:
        crs: Coordinate reference system as text, such as `"EPSG:32640"` or WKT; None where the file names none.
        transform: (a, b, c, d, e, f): x = a column + b row + c and y = d column + e row + f, for corners of pixels.
    """

    crs: str | None
    transform: tuple[float, float, float, float, float, float]

    def window(self, top: float, left: float, rows: float = 1, columns: float = 1) -> Georeference:
        """Return the georeference of a part of the image.

        Args:
            top: Number of rows above the part.
            left: Number of columns left of the part.
            rows: Height of a pixel of the part in rows of the image: 2 where it was reduced to half.
            columns: Width of a pixel of the part in columns of the image.

        Example:
            >>> Georeference("EPSG:32640", (10, 0, 500, 0, -10, 900)).window(2, 3, 2, 2).transform
            (20, 0, 530, 0, -20, 880)
        """
        a, b, c, d, e, f = self.transform
        corner = a * left + b * top + c, d * left + e * top + f
        return Georeference(self.crs, (a * columns, b * rows, corner[0], d * columns, e * rows, corner[1]))


@dataclass(frozen=True)
class Sample:
    """One image with its labels.

    Attributes:
        images: One (bands, H, W) array for each group of the layout.
        scene_labels: (C,) in {0, 1}.
        label_map: (H, W) class of each pixel, 255 = none; None without maps.
        clean_scene_labels: (C,) in {0, 1}, or None.
        source: sha256 over the bytes of the files that it was read from, or empty.
        clean_label_map: (H, W) true class of each pixel, 255 = none; None without clean maps.
    """

    images: tuple[NDArray[np.generic], ...]
    scene_labels: NDArray[np.generic]
    label_map: NDArray[np.generic] | None = None
    clean_scene_labels: NDArray[np.generic] | None = None
    source: bytes = b""
    clean_label_map: NDArray[np.generic] | None = None
