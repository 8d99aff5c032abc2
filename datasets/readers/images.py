"""Conversion of images of different types to a common form."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.masks.codebook import colours_of
from gridbench.datasets.readers.raster import LIMITS, Limits, Raster, Shape, Unreadable, read_raster
from gridbench.errors import InputError, counted

__all__ = [
    "Form",
    "check_range",
    "choose_form",
    "fit",
    "missing_pixels",
    "nodata_policy",
    "range_findings",
    "transparency_is_data",
]

_LOOKED_AT = 20
_FULL = {1: 255, 2: 85, 4: 17}
"""Bits of a grey value -> factor by which its largest number is white, as in a file of 8 bits."""
_LITTLE = 0.01
"""Share of --value-range below which an image that is stored is likely to be of another unit than the range."""


@dataclass(frozen=True)
class Form:
    """Common form to which all images are converted.

    Attributes:
        bands: Number of bands.
        dtype: Stored type, `"uint8"` or `"uint16"`.
        source_dtypes: Types of files that are taken.
        value_range: (low, high) that is stretched to 0 to 65535, or None to store the numbers as they are.
        nodata: Treatment of pixels without data: `"drop"` leaves their image or tile out, `"mean"` gives them the
            mean of the band's other pixels, a number as text gives them that number.
        alpha: Whether a band that files declare as transparency is a band like the others.
        chosen: Positions of the bands to take, counted over all pages and with the transparency; None for all.
        limits: Size limits of a file.
    """

    bands: int
    dtype: str
    source_dtypes: tuple[str, ...]
    value_range: tuple[float, float] | None = None
    nodata: str = "drop"
    alpha: bool = False
    chosen: tuple[int, ...] | None = None
    limits: Limits = LIMITS


def nodata_policy(text: str) -> str:
    """Return what `--nodata` says.

    Raises:
        InputError: It is neither `drop` nor `mean` nor a finite number.
    """
    word = text.strip().lower()
    try:
        known = word in ("drop", "mean") or math.isfinite(float(word))
    except ValueError:
        known = False
    if not known:
        raise InputError(f"--nodata is drop, mean or a number, not {text!r}.")
    return word


def check_range(value_range: tuple[float, float] | None) -> None:
    """Refuse a range of numbers that cannot be stretched.

    Raises:
        InputError: It is not two finite numbers, the lower one first.
    """
    if value_range is None:
        return
    low, high = value_range
    width = high - low
    # Their difference may be infinite, or so small that what pixels are multiplied by is.
    if not (0 < width < math.inf and math.isfinite(65535 / width)):
        raise InputError(
            f"--value-range {low:g} {high:g} must be two finite numbers, the lower one first, and so must their "
            "difference."
        )


def choose_form(
    shapes: Sequence[Shape],
    value_range: tuple[float, float] | None,
    nodata: str = "drop",
    alpha: bool = False,
    chosen: tuple[int, ...] | None = None,
    limits: Limits = LIMITS,
) -> tuple[Form, list[str]]:
    """Choose the bands and the type that all images are brought to.

    Args:
        shapes: Shape of each readable image, at least one.
        value_range: What the user wants stretched to the stored range, or None.
        nodata: What becomes of pixels without data, as in `Form`.
        alpha: Whether transparency is a band like the others.
        chosen: Positions of the bands to take, or None for all.
        limits: Size limits of a file.

    Returns:
        The form, and sentences about what the images hold beyond their plain bands and about those of another kind.

    Raises:
        InputError: The numbers are no whole numbers and no range was given, or no image has the chosen bands.
    """
    notes = _peculiarities(shapes, nodata, alpha, chosen)
    _refuse_other_order(shapes)
    dtypes = Counter(shape.dtype for shape in shapes)
    common = dtypes.most_common(1)[0][0]
    if value_range is not None:
        taken, dtype = tuple(dtypes), "uint16"
    elif common.startswith(("float", "complex")):
        raise InputError(
            f"The images hold {common} numbers, and archives hold whole numbers. Say which range is stretched "
            "to 0 to 65535: --value-range LOW HIGH."
        )
    else:
        taken, dtype = (common,), "uint8" if common == "uint8" else "uint16"
        if len(dtypes) > 1:
            notes.append(f"images of several types: {_counted(dtypes)}; only {common} is taken")
    if chosen is not None:
        most = max(shape.bands + shape.alpha for shape in shapes)
        if max(chosen) >= most or min(chosen) < 0:
            wanted = ",".join(str(band + 1) for band in chosen)
            raise InputError(f"--bands {wanted}: the images have bands 1 to {most}.")
        return Form(len(chosen), dtype, taken, value_range, nodata, alpha, chosen, limits), notes
    bands = Counter(shape.bands + (shape.alpha and alpha) for shape in shapes)
    target = bands.most_common(1)[0][0]
    if set(bands) == {1, 3}:
        target = 3
    if len(bands) > 1:
        grey = ", grey ones are repeated in each band" if target == 3 and 1 in bands else ""
        notes.append(f"images with several numbers of bands: {_counted(bands)}; {target} are taken{grey}")
    return Form(target, dtype, taken, value_range, nodata, alpha, None, limits), notes


def transparency_is_data(paths: Iterable[Path], limits: Limits = LIMITS) -> bool:
    """Return whether a TIFF's band that is declared as transparency holds measurements, such as near infrared.

    GDAL declares the fourth band of every uint8 file so by default. Transparency that is one holds
    nothing but 0 and the largest number.

    Args:
        paths: Files with such a band, of which some are looked at.
        limits: Size limits of a file.
    """
    listed = list(paths)
    for path in listed[:: max(1, len(listed) // _LOOKED_AT)]:
        try:
            alpha = read_raster(path, limits=limits).alpha
        except Unreadable:
            continue
        if alpha is not None and not _is_transparency(alpha):
            return True
    return False


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
                raise InputError(f"--nodata {nodata} is no number of {pixels.dtype.name} images.")
            value = round(value)
        band[missing] = value
    return filled


def _peculiarities(
    shapes: Sequence[Shape], nodata: str, alpha: bool, chosen: tuple[int, ...] | None
) -> list[str]:
    """Return sentences about pages, orientation, transparency and declared no data."""
    notes = []
    pages = Counter(shape.pages for shape in shapes if shape.pages > 1)
    if pages:
        notes.append(f"TIFF files of several pages, read as bands one after the other: {_counted(pages)}")
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
            f"images that declare a scale and offset of their numbers: {_counted(scalings)}; the numbers are read "
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
            f"images that declare a number as no data: {_counted(declared)}; pixels with it have no class, and "
            f"{what.get(nodata, f'they get {nodata}')} (--nodata drop|mean|VALUE)"
        )
    return notes


def _refuse_other_order(shapes: Sequence[Shape]) -> None:
    """Refuse images whose files give names in common to their bands, and not the same ones in the same order."""
    orders = sorted({shape.names for shape in shapes if shape.names})
    # Names that match no other file, such as t1_B2 and t2_B2, are no evidence.
    for one, other in itertools.combinations(orders[:_LOOKED_AT], 2):
        if len(one) == len(other) and set(one) & set(other):
            raise InputError(
                f"The bands of some images are called {', '.join(one)}, and those of others {', '.join(other)}. "
                "Bring them into one order, or correct the names."
            )


def _is_transparency(band: NDArray[np.generic]) -> bool:
    largest = np.iinfo(band.dtype.name).max if band.dtype.kind in "ui" else 1
    return bool(((band == 0) | (band == largest)).all())


def _counted(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in counts.most_common())
