"""Opening of raster files with GDAL; all untrusted image files are opened in this module.

Small files are decoded from memory and large ones by their absolute path, so that no name is ever taken for a virtual
file system or a description of other files; side-car files and the network are never looked at.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gridbench.datasets.readers.rasters.bands import is_palette
from gridbench.datasets.readers.rasters.limits import Limits, check_size
from gridbench.datasets.readers.rasters.orientation import exif_orientation
from gridbench.datasets.readers.rasters.raster_header import Header
from gridbench.datasets.readers.source_files import IN_MEMORY, Unreadable

__all__ = ["open_pages", "quick_raster_access"]

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


@contextmanager
def quick_raster_access() -> Iterator[None]:
    """Set GDAL up once for many files; otherwise it is set up for each file, which takes longer."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings(), rasterio.Env(**_OPTIONS):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


@contextmanager
def open_pages(
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
    if len(pages) > 1 and any(is_palette(page.colorinterp) for page in pages):
        raise Unreadable(path, "has several pages with palettes")
    bands = sum(page.count for page in pages)
    itemsize = np.dtype(first.dtypes[0]).itemsize if first.dtypes[0] != "complex_int16" else 4
    check_size(path, first.height, first.width, bands, itemsize, header.bytes, limits)


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"cannot be read ({' '.join(str(cause).split()) or type(cause).__name__})"
