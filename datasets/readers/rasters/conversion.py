"""Conversion of images of different types to the common form of an archive."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.rasters.form import Form
from gridbench.datasets.readers.rasters.raster import Raster, colours_of
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError

__all__ = ["fit", "missing_pixels", "range_findings"]

_FULL = {1: 255, 2: 85, 4: 17}
"""Bits of a grey value -> factor by which its largest number is white, as in a file of 8 bits."""
_LITTLE = 0.01
"""Share of --value-range below which an image that is stored is likely to be of another unit than the range."""


def missing_pixels(raster: Raster) -> NDArray[np.bool_] | None:
    """Return (H, W) which pixels have no data, or None when all have.

    A pixel has none where a band is NaN or infinite or has the number that its file declares as no data. Where that
    number is the smallest or largest of an unsigned type, which colours also have, all bands must have it.
    """
    pixels = raster.pixels
    if raster.nodata is None and pixels.dtype.kind in "ui":
        return None
    found = np.zeros(pixels.shape[1:], dtype=np.bool_)
    if pixels.dtype.kind in "fc":
        found |= ~np.isfinite(pixels).all(0)
    if raster.nodata is not None and raster.palette is None:
        equal = pixels == raster.nodata
        limit = np.iinfo(pixels.dtype.name).max if pixels.dtype.kind == "u" else None
        found |= equal.all(0) if limit is not None and raster.nodata in (0, limit) else equal.any(0)
    return found if found.any() else None


def fit(raster: Raster, form: Form, path: Path) -> NDArray[np.generic]:
    """Return the pixels of an image in the archive's form; those without data are filled.

    Raises:
        Unreadable: It has other bands or another type, or numbers that cannot be stored.
    """
    pixels = raster.pixels
    missing = missing_pixels(raster)
    if missing is not None:
        pixels = _filled(pixels, missing, form.nodata, path)
    if raster.palette is not None:
        pixels = np.asarray(colours_of(raster))
    elif raster.bits in _FULL and pixels.dtype == np.uint8:
        pixels = np.asarray(pixels, np.uint8) * np.uint8(_FULL[raster.bits])
    if raster.alpha is not None and (form.alpha or form.chosen is not None):
        pixels = np.insert(pixels, raster.alpha_band, raster.alpha, axis=0)
    if form.chosen is not None:
        if max(form.chosen) >= len(pixels):
            raise Unreadable(path, f"has {len(pixels)} bands, and --bands asks for {max(form.chosen) + 1}")
        pixels = pixels[list(form.chosen)]
    if pixels.dtype.name not in form.source_dtypes:
        raise Unreadable(path, f"holds {pixels.dtype.name}, the other images {', '.join(form.source_dtypes)}")
    if len(pixels) == 1 and form.bands == 3:
        pixels = np.repeat(pixels, 3, axis=0)
    if len(pixels) != form.bands:
        raise Unreadable(path, f"has {len(pixels)} bands, the other images {form.bands}")
    if form.value_range is not None:
        low, high = form.value_range
        stretched = np.rint((pixels.astype(np.float64) - low) / (high - low) * 65535.0)
        return stretched.clip(0, 65535).astype(np.uint16)
    limit = np.iinfo(form.dtype).max
    if pixels.dtype.name != form.dtype and (pixels.min() < 0 or pixels.max() > limit):
        raise Unreadable(
            path,
            f"holds numbers from {pixels.min()} to {pixels.max()}; 0 to {limit} can be stored (--value-range)",
        )
    return pixels.astype(form.dtype, copy=False)


def range_findings(raster: Raster, form: Form) -> Counter[str]:
    """Count the numbers of an image that a range of values clips, and an image that hardly uses the range."""
    findings: Counter[str] = Counter()
    if form.value_range is None:
        return findings
    low, high = form.value_range
    values = np.asarray(raster.pixels, dtype=np.float64)
    clipped = int(((values < low) | (values > high)).sum())
    if clipped:
        findings[f"numbers outside --value-range {low:g} {high:g}, clipped to it"] += clipped
    if values.size and np.nanmax(values) - np.nanmin(values) < _LITTLE * (high - low):
        findings[
            f"images whose numbers fill less than {100 * _LITTLE:g} % of --value-range {low:g} {high:g}"
        ] += 1
    return findings


def _filled(
    pixels: NDArray[np.generic], missing: NDArray[np.bool_], nodata: str, path: Path
) -> NDArray[np.generic]:
    if missing.all():
        raise Unreadable(path, "has no pixel with data")
    filled = pixels.copy()
    for band in filled:
        value = (
            float(band[~missing].astype(np.float64).mean()) if nodata in ("mean", "drop") else float(nodata)
        )
        if pixels.dtype.kind in "ui":
            limits = np.iinfo(pixels.dtype.name)
            if not limits.min <= value <= limits.max:
                raise InputError(f"--nodata {nodata} is not a number of {pixels.dtype.name} images.")
            value = round(value)
        band[missing] = value
    return filled
