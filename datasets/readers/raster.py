"""Reads one raster file of any format that GDAL knows, and says plainly when it cannot."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Raster",
    "Shape",
    "Unreadable",
    "digest_of",
    "quick_raster_access",
    "read_bytes",
    "read_raster",
    "read_shape",
]

# Without a handler of its own rasterio's messages would be printed beside the ones that users are given.
logging.getLogger("rasterio").addHandler(logging.NullHandler())

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"


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


class Shape(NamedTuple):
    """What the head of a raster file tells.

    Attributes:
        bands: Number of bands without transparency; 3 for a palette file.
        height: Rows.
        width: Columns.
        dtype: Type of the stored numbers.
    """

    bands: int
    height: int
    width: int
    dtype: str


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


def read_raster(path: Path, driver: str | None = None) -> Raster:
    """Read every band of a file but those that say how transparent it is; within `quick_raster_access`.

    Args:
        path: The file.
        driver: GDAL's name of the only format that it may have, which spares trying others; None for any.

    Raises:
        Unreadable: The file is missing, empty, cut short, or of no known format.
    """
    with _opened(path, driver) as source:
        meanings = source.colorinterp
        pixels = np.asarray(source.read(_visible(meanings)))
        return Raster(pixels, _palette(source, meanings))


def read_shape(path: Path) -> Shape:
    """Return the shape of a file without reading its pixels; within `quick_raster_access`.

    Raises:
        Unreadable: As `read_raster`, as far as the head of the file tells.
    """
    with _opened(path) as source:
        meanings = source.colorinterp
        bands = 3 if _palette(source, meanings) is not None else len(_visible(meanings))
        return Shape(bands, source.height, source.width, source.dtypes[0])


@contextmanager
def _opened(path: Path, driver: str | None = None) -> Iterator[Any]:
    import rasterio
    from rasterio.errors import RasterioError

    _check(path)
    try:
        with rasterio.open(path, driver=driver) as source:
            yield source
    except (RasterioError, OSError, ValueError) as error:
        raise Unreadable(path, _reason(error)) from error


def _visible(meanings: Sequence[Any]) -> list[int]:
    from rasterio.enums import ColorInterp

    bands = [i + 1 for i, meaning in enumerate(meanings) if meaning != ColorInterp.alpha]
    return bands or [1]


def _palette(source: Any, meanings: Sequence[Any]) -> NDArray[np.uint8] | None:
    from rasterio.enums import ColorInterp

    if len(meanings) != 1 or meanings[0] != ColorInterp.palette:
        return None
    palette = np.zeros((256, 3), dtype=np.uint8)
    for value, colour in source.colormap(1).items():
        if value < 256:
            palette[value] = colour[:3]
    return palette


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        Unreadable: It is missing, empty or cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Unreadable(path, "is missing") from None
    except OSError as error:
        raise Unreadable(path, error.strerror or str(error)) from error
    if not content:
        raise Unreadable(path, "is empty")
    return content


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
    if path.suffix.lower() == ".png" and not _png_is_whole(path, size):
        raise Unreadable(path, "is cut short")


def _png_is_whole(path: Path, size: int) -> bool:
    """Look for the end of a PNG file: GDAL reads one that is cut short as black without a word."""
    with path.open("rb") as file:
        if file.read(len(_PNG_START)) != _PNG_START:
            return True
        file.seek(max(0, size - 64))
        if _PNG_END in file.read():
            return True
        position = len(_PNG_START)
        while position + 12 <= size:
            file.seek(position)
            head = file.read(8)
            if head[4:] == b"IEND":
                return True
            position += 12 + int.from_bytes(head[:4], "big")
    return False


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"cannot be read ({' '.join(str(cause).split())})"
