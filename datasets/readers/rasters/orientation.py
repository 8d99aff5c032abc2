"""EXIF orientation of images, and turning them upright."""

from __future__ import annotations

import io
import re
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.rasters.tiff import Tag, number_in, read_directories

__all__ = ["exif_orientation", "orientation_in", "upright"]

# Larger than any real block: such a file is made to exhaust the memory.
_MOST_EXIF = 1 << 16


def exif_orientation(value: object) -> int:
    """Return the EXIF orientation, 1 if it is missing or invalid."""
    text = str(value)
    return int(text) if re.fullmatch("[1-8]", text) else 1


def orientation_in(file: BinaryIO, start: int, length: int) -> int:
    """Return the EXIF orientation in a block of a file, 1 if it is missing or invalid.

    Args:
        file: The file, opened for reading bytes.
        start: Where the block begins.
        length: Its length in bytes; more than 64 KiB are not read.
    """
    file.seek(start)
    block = file.read(min(length, _MOST_EXIF)).removeprefix(b"Exif\x00\x00")
    try:
        return exif_orientation(number_in(read_directories(io.BytesIO(block), 1)[0], Tag.ORIENTATION, 1))
    except (ValueError, IndexError):
        return 1


def upright(pixels: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Turn stored pixels so that they are seen upright.

    Args:
        pixels: (bands, H, W) as stored.
        orientation: EXIF orientation, 1 to 8.
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(1, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, :, ::-1]
    return np.ascontiguousarray(pixels)
