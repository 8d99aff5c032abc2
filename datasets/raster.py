"""Reads one raster file of any format that GDAL knows, and says plainly when it cannot."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Raster", "Unreadable", "digest_of", "quick_raster_access", "read_raster", "read_shape"]

# Without a handler of its own rasterio's messages would be printed beside the ones that users are given.
logging.getLogger("rasterio").addHandler(logging.NullHandler())


class Unreadable(Exception):
    """A source file that cannot be read as what it should be.

    Attributes:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, str]]:
        return Unreadable, (self.path, self.reason)


@dataclass(frozen=True)
class Raster:
    """The content of a raster file.

    Attributes:
        pixels: (bands, H, W) as stored; palette files hold indices.
        palette: (256, 3) uint8 colours of a palette file, else None.
    """

    pixels: NDArray[np.generic]
    palette: NDArray[np.uint8] | None


@contextmanager
def quick_raster_access() -> Iterator[None]:
    """Keep GDAL from listing folders and looking for side-car files, and rasterio from warning about plain images."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO"),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def read_raster(path: Path) -> Raster:
    """Read every band of a file; call it within `quick_raster_access`.

    Raises:
        Unreadable: The file is missing, empty, cut short, or of no known format.
    """
    import rasterio
    from rasterio.enums import ColorInterp
    from rasterio.errors import RasterioError

    _check(path)
    try:
        with rasterio.open(path) as source:
            pixels = np.asarray(source.read())
            palette = None
            if source.count == 1 and source.colorinterp[0] == ColorInterp.palette:
                palette = np.zeros((256, 3), dtype=np.uint8)
                for value, colour in source.colormap(1).items():
                    if value < 256:
                        palette[value] = colour[:3]
    except (RasterioError, OSError, ValueError) as error:
        raise Unreadable(path, _reason(error)) from error
    return Raster(pixels, palette)


def read_shape(path: Path) -> tuple[int, int, int, str]:
    """Return (bands, height, width, dtype) of a file without reading its pixels; within `quick_raster_access`.

    Raises:
        Unreadable: As `read_raster`, as far as the head of the file tells.
    """
    import rasterio
    from rasterio.errors import RasterioError

    _check(path)
    try:
        with rasterio.open(path) as source:
            return source.count, source.height, source.width, source.dtypes[0]
    except (RasterioError, OSError, ValueError) as error:
        raise Unreadable(path, _reason(error)) from error


def digest_of(paths: Iterable[Path]) -> bytes:
    """Return the sha256 over the bytes of some files, one after the other.

    Raises:
        Unreadable: A file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise Unreadable(path, error.strerror or str(error)) from error
    return digest.digest()


def _check(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError:
        raise Unreadable(path, "is missing") from None
    if size == 0:
        raise Unreadable(path, "is empty")


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"cannot be read ({' '.join(str(cause).split())})"
