"""Choice of the common form to which all images of an archive are converted: bands and type."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.rasters.limits import LIMITS, Limits
from gridbench.datasets.readers.rasters.peculiarities import listed, peculiarities
from gridbench.datasets.readers.rasters.raster import Shape, read_raster
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError

__all__ = ["Form", "check_range", "choose_form", "nodata_policy", "transparency_is_data"]

_LOOKED_AT = 20


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
        InputError: The numbers are not whole numbers and no range was given, or no image has the chosen bands.
    """
    notes = peculiarities(shapes, nodata, alpha, chosen)
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
            notes.append(f"images of several types: {listed(dtypes)}; only {common} is taken")
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
        notes.append(f"images with several numbers of bands: {listed(bands)}; {target} are taken{grey}")
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


def _refuse_other_order(shapes: Sequence[Shape]) -> None:
    """Refuse images whose files give names in common to their bands, and not the same ones in the same order."""
    orders = sorted({shape.names for shape in shapes if shape.names})
    # Names that match no other file, such as t1_B2 and t2_B2, are not evidence.
    for one, other in itertools.combinations(orders[:_LOOKED_AT], 2):
        if len(one) == len(other) and set(one) & set(other):
            raise InputError(
                f"The bands of some images are called {', '.join(one)}, and those of others {', '.join(other)}. "
                "Bring them into one order, or correct the names."
            )


def _is_transparency(band: NDArray[np.generic]) -> bool:
    largest = np.iinfo(band.dtype.name).max if band.dtype.kind in "ui" else 1
    return bool(((band == 0) | (band == largest)).all())
