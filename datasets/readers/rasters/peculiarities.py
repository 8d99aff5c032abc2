"""Descriptions of what images hold beyond their plain bands: pages, orientation, transparency, masks, no data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gridbench.datasets.readers.rasters.raster import Shape
from gridbench.errors import counted

__all__ = ["listed", "peculiarities"]


def peculiarities(
    shapes: Sequence[Shape], nodata: str, alpha: bool, chosen: tuple[int, ...] | None
) -> list[str]:
    """Return sentences about pages, orientation, transparency and declared no data."""
    notes = []
    pages = Counter(shape.pages for shape in shapes if shape.pages > 1)
    if pages:
        notes.append(f"TIFF files of several pages, read as bands one after the other: {listed(pages)}")
    turned = sum(shape.orientation != 1 for shape in shapes)
    if turned:
        notes.append(
            f"{counted(turned, 'image')} turned upright, as the EXIF orientation says; so is a mask with one"
        )
    transparent = sum(shape.alpha for shape in shapes)
    if transparent and chosen is None:
        first = next(shape for shape in shapes if shape.alpha)
        without = ",".join(str(band + 1) for band in range(first.bands))
        notes.append(
            f"{counted(transparent, 'image')} with a band declared as transparency (alpha) that holds more than 0 "
            "and its largest "
            f"number: it is read as a band; --bands {without} leaves it out"
            if alpha
            else f"{counted(transparent, 'image')} with a band declared as transparency (alpha): it is not read; "
            f"--bands {without},{first.bands + 1} reads it"
        )
    scalings = Counter(
        " / ".join(f"{a:g}, {b:g}" for a, b in dict.fromkeys(s.scaling)) for s in shapes if s.scaling
    )
    if scalings:
        differ = len(scalings) > 1 or scalings.total() < len(shapes)
        notes.append(
            f"images that declare a scale and offset of their numbers: {listed(scalings)}; the numbers are read "
            f"without them{', so a number does not mean the same in every image' if differ else ''}"
        )
    masked = sum(shape.masked for shape in shapes)
    if masked:
        notes.append(
            f"{counted(masked, 'image')} with a mask of the pixels that have data, which is not read: all are read as "
            "data. Give the others a number that the file declares as no data"
        )
    swapped = sum(shape.names[:3] == ("blue", "green", "red") for shape in shapes)
    if swapped:
        notes.append(
            f"{counted(swapped, 'image')} whose bands are declared as blue, green, red: they are read in this order "
            "(--bands 3,2,1 turns it)"
        )
    declared = Counter(f"{shape.nodata:g}" for shape in shapes if shape.nodata is not None)
    if declared:
        what = {"drop": "their images or tiles are left out", "mean": "they get the mean of their band"}
        notes.append(
            f"images that declare a number as no data: {listed(declared)}; pixels with it have no class, and "
            f"{what.get(nodata, f'they get {nodata}')} (--nodata drop|mean|VALUE)"
        )
    return notes


def listed(counts: Counter[str] | Counter[int]) -> str:
    """Return each value with its count, the most frequent first."""
    return ", ".join(f"{value} ({count})" for value, count in counts.most_common())
