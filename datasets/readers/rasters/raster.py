"""Reading of raster files: their pixels, or their shape alone.

A file is a regular file, decoded by the one driver that its first bytes name. Sizes are checked before pixels are read.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.rasters.bands import (
    alpha_band_of,
    is_palette,
    names_of,
    palette_of,
    valid_pixels,
)
from gridbench.datasets.readers.rasters.inspection import read_header
from gridbench.datasets.readers.rasters.limits import LIMITS, Limits, check_memory, check_sizes
from gridbench.datasets.readers.rasters.opening import open_pages
from gridbench.datasets.readers.rasters.orientation import upright
from gridbench.datasets.readers.rasters.raster_header import Header
from gridbench.datasets.readers.source_files import Unreadable, open_regular

__all__ = ["Raster", "Shape", "colours_of", "read_raster", "read_shape"]


@dataclass(frozen=True)
class Raster:
    """The content of a raster file, seen upright.

    Attributes:
        pixels: (bands, H, W) as stored; palette files hold indices.
        palette: (256 or 65536, 3) uint8 colours of a palette file, else None.
        alpha: (H, W) of the band that the file declares as transparency, which is not in `pixels`; None without one.
        alpha_band: Position of that band in the file.
        valid: (H, W) where a TIFF's mask, or the transparent colour of a PNG, leaves pixels; None without either.
        nodata: Number that means no data, or None when the file declares none.
        orientation: EXIF orientation that the stored pixels were turned by, 1 for none.
        driver: GDAL's name of the format; empty for what was no file.
        hidden: Indices of a palette file whose colours are fully transparent.
        bits: Bits of a stored number of a PNG or TIFF, 0 for other formats; 1, 2 and 4 bits are read into uint8 as they
            are.
        lossy: Whether it is compressed in a way that changes numbers.
    """

    pixels: NDArray[np.generic]
    palette: NDArray[np.uint8] | None
    alpha: NDArray[np.generic] | None = None
    alpha_band: int = -1
    nodata: float | None = None
    orientation: int = 1
    driver: str = ""
    hidden: frozenset[int] = frozenset()
    bits: int = 0
    lossy: bool = False
    valid: NDArray[np.bool_] | None = None


class Shape(NamedTuple):
    """Properties in the header of a raster file.

    Attributes:
        bands: Number of bands over all pages without transparency; 3 for a palette file.
        height: Rows, seen upright.
        width: Columns, seen upright.
        dtype: Type of the stored numbers.
        alpha: Whether a further band is declared as transparency.
        pages: Number of pages of a TIFF.
        orientation: EXIF orientation, 1 for upright.
        nodata: Number that means no data, or None.
        driver: GDAL's name of the format.
        transform: Six coefficients (a, b, c, d, e, f) from pixels to coordinates, or None without georeference.
        crs: Coordinate reference system as text, or None.
        names: Name that the file gives to each band; empty when it does not name all.
        scaling: (factor, offset) that the file declares for each band; empty for (1, 0) throughout.
        masked: Whether the file holds a mask of the pixels that have data, or names a colour that is transparent.
    """

    bands: int
    height: int
    width: int
    dtype: str
    alpha: bool = False
    pages: int = 1
    orientation: int = 1
    nodata: float | None = None
    driver: str = ""
    transform: tuple[float, ...] | None = None
    crs: str | None = None
    names: tuple[str, ...] = ()
    scaling: tuple[tuple[float, float], ...] = ()
    masked: bool = False


def read_raster(
    path: Path,
    rows: tuple[int, int] | None = None,
    limits: Limits = LIMITS,
    content: bytes | None = None,
) -> Raster:
    """Read every band of every page of a file.

    Args:
        path: The file.
        rows: First row and the row after the last, counted in the upright image; None for all.
        limits: Size limits of the file.
        content: Its bytes, if they are already known or are part of another file; the path is then used in messages
            only.

    Returns:
        The pixels, upright.

    Raises:
        Unreadable: The file is missing, empty, cut short, too large, not a regular file, or not in a supported format.
    """
    with open_regular(path) if content is None else io.BytesIO(content) as file:
        header = read_header(file, path)
        check_sizes(path, header, limits)
        with open_pages(file, path, header, limits, content is not None) as (pages, header):
            first = pages[0]
            if rows is None or header.orientation != 1:
                check_memory(path, pages, limits)
            window = (
                None if rows is None or header.orientation != 1 else ((rows[0], rows[1]), (0, first.width))
            )
            meanings = first.colorinterp
            alpha_band = alpha_band_of(meanings) if len(pages) == 1 else -1
            layers = [np.asarray(page.read(window=window)) for page in pages]
            pixels = layers[0] if len(layers) == 1 else np.concatenate(layers)
            pixels = upright(pixels, header.orientation)
            if rows is not None and header.orientation != 1:
                pixels = pixels[:, rows[0] : rows[1]]
            alpha = None
            if alpha_band >= 0:
                alpha, pixels = pixels[alpha_band], np.delete(pixels, alpha_band, 0)
            palette, hidden = palette_of(first, meanings) if len(pages) == 1 else (None, frozenset())
            return Raster(
                pixels,
                palette,
                alpha,
                alpha_band,
                header.nodata,
                header.orientation,
                header.driver,
                hidden,
                header.bits,
                header.lossy,
                valid_pixels(first, pixels, header, window, rows),
            )


def read_shape(path: Path, limits: Limits = LIMITS, content: bytes | None = None) -> Shape:
    """Return the shape of a file without reading its pixels.

    Raises:
        Unreadable: As `read_raster`, as far as the head of the file tells.
    """
    with open_regular(path) if content is None else io.BytesIO(content) as file:
        header = read_header(file, path)
        check_sizes(path, header, limits)
        if header.colours:
            return _png_shape(header)
        with open_pages(file, path, header, limits, content is not None) as (pages, header):
            first = pages[0]
            meanings = first.colorinterp
            alpha = len(pages) == 1 and alpha_band_of(meanings) >= 0
            bands = sum(page.count for page in pages) - alpha
            if len(pages) == 1 and is_palette(meanings):
                bands = 3
            height, width = first.height, first.width
            if header.orientation > 4:
                height, width = width, height
            transform = None if first.transform.is_identity else tuple(first.transform)[:6]
            crs = None if first.crs is None else str(first.crs)
            scaling = tuple(zip(first.scales, first.offsets, strict=True))
            return Shape(
                bands,
                height,
                width,
                first.dtypes[0],
                alpha,
                len(pages),
                header.orientation,
                header.nodata,
                first.driver,
                transform,
                crs,
                names_of(first.descriptions, meanings) if len(pages) == 1 else (),
                () if set(scaling) == {(1.0, 0.0)} else scaling,
                header.masked,
            )


def _png_shape(header: Header) -> Shape:
    """Return the shape of a PNG from its first chunk, without the driver."""
    height, width, bands, itemsize = header.sizes[0]
    if header.orientation > 4:
        height, width = width, height
    alpha = header.colours.endswith("alpha")
    bands = 3 if header.colours == "palette" else bands - alpha
    dtype = "uint8" if itemsize == 1 else "uint16"
    return Shape(
        bands,
        height,
        width,
        dtype,
        alpha,
        orientation=header.orientation,
        driver=header.driver,
        masked=header.masked,
    )


def colours_of(raster: Raster) -> NDArray[np.uint8] | None:
    """Return the (3, H, W) colours of a palette or colour file, None for a file of one band without a palette.

    Raises:
        Unreadable: A pixel has an index beyond the palette.
    """
    if raster.palette is not None:
        if int(raster.pixels[0].max(initial=0)) >= len(raster.palette):
            raise Unreadable(
                "",
                f"holds the index {raster.pixels[0].max()}, and its palette has {len(raster.palette)} colours",
            )
        return np.ascontiguousarray(raster.palette[raster.pixels[0]].transpose(2, 0, 1))
    if len(raster.pixels) in (3, 4) and raster.pixels.dtype == np.uint8:
        return raster.pixels[:3].astype(np.uint8)
    return None
