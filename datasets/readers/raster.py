"""Reading of raster files; all untrusted image files are decoded in this module.

A file is a regular file, decoded by the one driver that its first bytes name. Small files are decoded from memory and
large ones by their absolute path, so that no name is ever taken for a virtual file system or a description of other
files; side-car files and the network are never looked at. Sizes are checked before pixels are read.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.raster_header import Header, exif_orientation, read_header, upright
from gridbench.datasets.readers.raster_limits import (
    LIMITS,
    Limits,
    check_memory,
    check_size,
    check_sizes,
    limits_for,
)
from gridbench.datasets.readers.source_files import IN_MEMORY, Unreadable, open_regular

__all__ = [
    "LIMITS",
    "Limits",
    "Raster",
    "Shape",
    "Unreadable",
    "limits_for",
    "quick_raster_access",
    "read_raster",
    "read_shape",
]

# Without a handler of its own rasterio's messages would be printed beside the ones that users are given.
logging.getLogger("rasterio").addHandler(logging.NullHandler())

_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_CACHEMAX": 256,
    # No file may have curl's or another file system fetch something: these names and endings never occur.
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_HTTP_TIMEOUT": 1,
}


_COLOURS = ("red", "green", "blue", "alpha")


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


@contextmanager
def quick_raster_access() -> Iterator[None]:
    """Set GDAL up once for many files; otherwise it is set up for each file, which takes longer."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings(), rasterio.Env(**_OPTIONS):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


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
        Unreadable: The file is missing, empty, cut short, too large, no regular file, or of no format that is read.
    """
    with open_regular(path) if content is None else io.BytesIO(content) as file:
        header = read_header(file, path)
        check_sizes(path, header, limits)
        with _pages(file, path, header, limits, content is not None) as (pages, header):
            first = pages[0]
            if rows is None or header.orientation != 1:
                check_memory(path, pages, limits)
            window = (
                None if rows is None or header.orientation != 1 else ((rows[0], rows[1]), (0, first.width))
            )
            meanings = first.colorinterp
            alpha_band = _alpha_band(meanings) if len(pages) == 1 else -1
            layers = [np.asarray(page.read(window=window)) for page in pages]
            pixels = layers[0] if len(layers) == 1 else np.concatenate(layers)
            pixels = upright(pixels, header.orientation)
            if rows is not None and header.orientation != 1:
                pixels = pixels[:, rows[0] : rows[1]]
            alpha = None
            if alpha_band >= 0:
                alpha, pixels = pixels[alpha_band], np.delete(pixels, alpha_band, 0)
            palette, hidden = _palette(first, meanings) if len(pages) == 1 else (None, frozenset())
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
                _valid(first, pixels, header, window, rows),
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
        with _pages(file, path, header, limits, content is not None) as (pages, header):
            first = pages[0]
            meanings = first.colorinterp
            alpha = len(pages) == 1 and _alpha_band(meanings) >= 0
            bands = sum(page.count for page in pages) - alpha
            if len(pages) == 1 and _is_palette(meanings):
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
                _names(first.descriptions, meanings) if len(pages) == 1 else (),
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


@contextmanager
def _pages(
    file: BinaryIO, path: Path, header: Header, limits: Limits, known: bool
) -> Iterator[tuple[list[Any], Header]]:
    """Open the pages of a file with the driver that its first bytes name.

    Args:
        file: The file, or its bytes.
        path: Its path.
        header: What its first bytes tell.
        limits: Size limits of the file.
        known: Whether its bytes are in memory, so that the path is not opened.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.io import DatasetReader, MemoryFile

    ready = rasterio.env.hasenv() and rasterio.env.getenv().get("GDAL_GEOREF_SOURCES") == "INTERNAL"
    pages: list[Any] = []
    with nullcontext() if ready else quick_raster_access():
        memory = MemoryFile(_all_of(file, path)) if known or header.bytes <= IN_MEMORY else None
        name = str(path.absolute()) if memory is None else memory.name
        if memory is None and name.startswith("/vsi"):
            raise Unreadable(path, "lies in a folder whose name GDAL takes for a virtual file system")
        try:
            names = (
                [f"GTIFF_DIR:{page + 1}:{name}" for page in header.pages] if len(header.pages) > 1 else [name]
            )
            for each in names:
                # Not rasterio.open: that also looks for credentials of cloud storage, for each file anew.
                pages.append(DatasetReader(each, driver=header.driver, sharing=False))
            _check_pages(path, pages, header, limits)
            orientation = header.orientation
            if header.driver == "JPEG":
                orientation = exif_orientation(pages[0].tags().get("EXIF_Orientation"))
            yield pages, header._replace(orientation=orientation)
        except (RasterioError, OSError, ValueError, MemoryError) as error:
            raise Unreadable(path, _reason(error)) from error
        finally:
            for page in pages:
                page.close()
            if memory is not None:
                memory.close()


def _all_of(file: BinaryIO, path: Path) -> bytes:
    file.seek(0)
    try:
        return file.read()
    except OSError as error:
        raise Unreadable(path, error.strerror or str(error)) from error


def _check_pages(path: Path, pages: Sequence[Any], header: Header, limits: Limits) -> None:
    first = pages[0]
    if any((p.height, p.width, p.dtypes[0]) != (first.height, first.width, first.dtypes[0]) for p in pages):
        raise Unreadable(path, "has pages of several sizes or types")
    if len(pages) > 1 and any(_is_palette(page.colorinterp) for page in pages):
        raise Unreadable(path, "has several pages with palettes")
    bands = sum(page.count for page in pages)
    itemsize = np.dtype(first.dtypes[0]).itemsize if first.dtypes[0] != "complex_int16" else 4
    check_size(path, first.height, first.width, bands, itemsize, header.bytes, limits)


def _names(descriptions: Sequence[str | None], meanings: Sequence[Any]) -> tuple[str, ...]:
    """Return the description of each band, else the colour of each; nothing where a band lacks both."""
    for names in (descriptions, [meaning.name for meaning in meanings if meaning.name in _COLOURS]):
        if len(names) == len(meanings) and all(names):
            return tuple(map(str, names))
    return ()


def _alpha_band(meanings: Sequence[Any]) -> int:
    from rasterio.enums import ColorInterp

    found = [i for i, meaning in enumerate(meanings) if meaning == ColorInterp.alpha]
    return found[0] if found and len(meanings) > 1 else -1


def _valid(
    first: Any, pixels: NDArray[np.generic], header: Header, window: Any, rows: tuple[int, int] | None
) -> NDArray[np.bool_] | None:
    """Return where upright pixels are neither masked out by their TIFF nor of the transparent colour of their PNG."""
    if header.transparent:
        clear = np.array(header.transparent)[:, None, None]
        return np.asarray((pixels != clear).any(0))
    if not header.masked:
        return None
    mask = upright(first.read_masks(1, window=window)[None], header.orientation)[0] != 0
    return np.asarray(mask[rows[0] : rows[1]] if rows is not None and header.orientation != 1 else mask)


def _is_palette(meanings: Sequence[Any]) -> bool:
    from rasterio.enums import ColorInterp

    return len(meanings) == 1 and meanings[0] == ColorInterp.palette


def _palette(source: Any, meanings: Sequence[Any]) -> tuple[NDArray[np.uint8] | None, frozenset[int]]:
    """Return the colours of a palette file, and the indices that are fully transparent; none for any other file."""
    if not _is_palette(meanings):
        return None, frozenset()
    palette = np.zeros((256 if source.dtypes[0] == "uint8" else 65536, 3), dtype=np.uint8)
    colours = source.colormap(1)
    for value, colour in colours.items():
        if value < len(palette):
            palette[value] = colour[:3]
    return palette, frozenset(value for value, colour in colours.items() if len(colour) > 3 and not colour[3])


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"cannot be read ({' '.join(str(cause).split()) or type(cause).__name__})"
