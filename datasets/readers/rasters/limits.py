"""Size limits of raster files: pixels, bands and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridbench.datasets.readers.rasters.raster_header import Header
from gridbench.datasets.readers.source_files import Unreadable

__all__ = ["LIMITS", "Limits", "check_memory", "check_size", "check_sizes", "limits_for"]

_RATIO_FROM = 1 << 26


@dataclass(frozen=True)
class Limits:
    """Limits beyond which a file is rejected.

    Attributes:
        pixels: Most pixels of an image; as a whole it may take 16 bytes for each of them. 11,585 px a side unless
            more are asked for, so that a tile of Sentinel-2 (10,980 px) fits.
        bands: Most bands over all pages.
        ratio: How many times its file's size an image of 64 MiB or more may have; None for any. Deflate reaches
            1032, so only sparse files and runs of one value have more.
    """

    pixels: int = 1 << 27
    bands: int = 1024
    ratio: int | None = 2000


LIMITS = Limits()


def limits_for(pixels: int | None) -> Limits:
    """Return the limits for images of up to the given number of pixels; None for the default limits."""
    return LIMITS if pixels is None else Limits(pixels=pixels, ratio=None)


def check_sizes(path: Path, header: Header, limits: Limits) -> None:
    """Refuse a file by the sizes that its first bytes give.

    Raises:
        Unreadable: A page is too large.
    """
    for height, width, bands, itemsize in header.sizes:
        check_size(path, height, width, bands, itemsize, header.bytes, limits)


def check_size(
    path: Path, height: int, width: int, bands: int, itemsize: int, file_bytes: int, limits: Limits
) -> None:
    """Refuse an image that is empty, too large, or much larger than its file.

    Raises:
        Unreadable: With the option that raises the limit.
    """
    if height < 1 or width < 1 or bands < 1:
        raise Unreadable(path, f"is {height} x {width} pixels of {bands} bands")
    if bands > limits.bands:
        raise Unreadable(path, f"has {bands:,} bands; at most {limits.bands:,} are read")
    if height * width > limits.pixels:
        raise Unreadable(
            path,
            f"is {height:,} x {width:,} pixels; more than {limits.pixels:,} are read only with "
            f"--max-pixels {height * width}",
        )
    size = height * width * bands * itemsize
    if limits.ratio is not None and size > max(_RATIO_FROM, limits.ratio * file_bytes):
        raise Unreadable(
            path,
            f"is {height:,} x {width:,} pixels in {file_bytes:,} bytes, more than {limits.ratio:,} times as large "
            f"as its file; it is read only with --max-pixels {height * width}",
        )


def check_memory(path: Path, pages: Sequence[Any], limits: Limits) -> None:
    """Refuse a file that needs too much memory when it is read as a whole.

    Raises:
        Unreadable: With the options that read it.
    """
    size = sum(math.prod((p.count, p.height, p.width, np.dtype(p.dtypes[0]).itemsize)) for p in pages)
    if size > 16 * limits.pixels:
        raise Unreadable(
            path,
            f"takes {size:,} bytes as a whole; more than {16 * limits.pixels:,} are read only with "
            f"--max-pixels {-(-size // 16)}, or in parts with --tile",
        )
