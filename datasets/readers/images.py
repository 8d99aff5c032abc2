"""Fits images of several kinds to one form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.masks import colours_of
from gridbench.datasets.readers.raster import Raster, Shape, Unreadable
from gridbench.errors import InputError

__all__ = ["Form", "choose_form", "fit"]


@dataclass(frozen=True)
class Form:
    """What every image is brought to.

    Attributes:
        bands: Number of bands.
        dtype: Stored type, `"uint8"` or `"uint16"`.
        source_dtypes: Types of files that are taken.
        value_range: (low, high) that is stretched to 0 to 65535, or None to store the numbers as they are.
    """

    bands: int
    dtype: str
    source_dtypes: tuple[str, ...]
    value_range: tuple[float, float] | None = None


def choose_form(shapes: Sequence[Shape], value_range: tuple[float, float] | None) -> tuple[Form, list[str]]:
    """Choose the bands and the type that all images are brought to.

    Args:
        shapes: Shape of each readable image, at least one.
        value_range: What the user wants stretched to the stored range, or None.

    Returns:
        The form, and sentences about images that are of another kind.

    Raises:
        InputError: The numbers are no whole numbers and no range was given.
    """
    notes = []
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
    bands = Counter(shape.bands for shape in shapes)
    target = bands.most_common(1)[0][0]
    if set(bands) == {1, 3}:
        target = 3
    if len(bands) > 1:
        grey = ", grey ones are repeated in each band" if target == 3 and 1 in bands else ""
        notes.append(f"images with several numbers of bands: {_counted(bands)}; {target} are taken{grey}")
    return Form(target, dtype, taken, value_range), notes


def fit(raster: Raster, form: Form, path: Path) -> NDArray[np.generic]:
    """Return the pixels of an image in the archive's form.

    Raises:
        Unreadable: It has other bands or another type, or numbers that cannot be stored.
    """
    pixels = raster.pixels
    if raster.palette is not None:
        pixels = np.asarray(colours_of(raster))
    if pixels.dtype.name not in form.source_dtypes:
        raise Unreadable(path, f"holds {pixels.dtype.name}, the other images {', '.join(form.source_dtypes)}")
    if len(pixels) == 1 and form.bands == 3:
        pixels = np.repeat(pixels, 3, axis=0)
    if len(pixels) != form.bands:
        raise Unreadable(path, f"has {len(pixels)} bands, the other images {form.bands}")
    if form.value_range is not None:
        return _stretch(pixels, form.value_range, path)
    limit = np.iinfo(form.dtype).max
    if pixels.dtype.name != form.dtype and (pixels.min() < 0 or pixels.max() > limit):
        raise Unreadable(
            path,
            f"holds numbers from {pixels.min()} to {pixels.max()}; 0 to {limit} can be stored (--value-range)",
        )
    return pixels.astype(form.dtype)


def _stretch(pixels: NDArray[np.generic], limits: tuple[float, float], path: Path) -> NDArray[np.generic]:
    values = pixels.astype(np.float64)
    if not np.isfinite(values).all():
        raise Unreadable(path, "holds pixels that are no numbers")
    low, high = limits
    return np.rint((values - low) / (high - low) * 65535.0).clip(0, 65535).astype(np.uint16)


def _counted(counts: Counter[str] | Counter[int]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in counts.most_common())
