"""Properties of raster files that are known before they are decoded, and the reasons to refuse a file by them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Animated", "CutShort", "Header", "Refused"]


class Header(NamedTuple):
    """Properties of a file that are read before it is decoded.

    Attributes:
        driver: GDAL's name of the format.
        bytes: Size of the file.
        sizes: (height, width, bands, bytes a number) of each page; empty where the driver
            reads no more than its head on opening.
        pages: Number of each TIFF directory that is an image of its own, not an overview or a mask.
        orientation: EXIF orientation; that of a JPEG is left to the driver.
        nodata: Number that means no data, or None.
        colours: What the bands of a PNG are: `"grey"`, `"rgb"`, `"palette"`, `"grey+alpha"` or `"rgb+alpha"`; empty for
            other formats.
        bits: Bits of a number of the first page of a PNG or TIFF; 0 for other formats.
        lossy: Whether it is compressed in a way that changes numbers.
        masked: Whether a TIFF holds a mask of the pixels that have data, beside its pages, or a PNG names a colour that
            is transparent.
        transparent: That colour, one number for each band.
    """

    driver: str
    bytes: int
    sizes: tuple[tuple[int, int, int, int], ...] = ()
    pages: tuple[int, ...] = (0,)
    orientation: int = 1
    nodata: float | None = None
    colours: str = ""
    bits: int = 0
    lossy: bool = False
    masked: bool = False
    transparent: tuple[int, ...] = ()


class Refused(ValueError):
    """An undamaged file that is refused; the message continues a sentence about the file."""


class CutShort(Refused):
    """A file that ends before its content does."""

    def __init__(self) -> None:
        super().__init__("is cut short")


class Animated(Refused):
    """A file of several frames."""

    def __init__(self) -> None:
        super().__init__("is an animation of several frames; save the one that is meant as an image")
