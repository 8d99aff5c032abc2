"""Turns mask files of any encoding into label maps: values, palette indices, colours, or a band for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import IGNORE
from gridbench.datasets.readers.rasters.raster import Raster, colours_of
from gridbench.datasets.readers.source_files import Unreadable

__all__ = ["Codebook", "Colour", "MaskContent", "count_content", "cover"]

Colour = tuple[int, int, int]
# Stands for values and colours of no class; 255 is `IGNORE`, so there are at most 254 classes.
_UNKNOWN = 254
_LISTED = 20
_LARGEST = 2**31
# Pixels of 8 and 16 bits are looked up in a table of all numbers of 16 bits.
_TABLE = 1 << 16


@dataclass
class Codebook:
    """Looks up the class of mask values and of colours.

    Args:
        values: Value in one-band masks -> class, None to ignore.
        colours: Colour -> class, None to ignore; when there are any, palette and colour masks are read by colour.
        one_hot: Whether masks have a band for each class instead.
    """

    values: Mapping[int, int | None]
    colours: Mapping[Colour, int | None]
    one_hot: bool = False

    def __post_init__(self) -> None:
        self._by_value = np.full(_TABLE, _UNKNOWN, dtype=np.uint8)
        for value, target in self.values.items():
            if 0 <= value < _TABLE:
                self._by_value[value] = IGNORE if target is None else target
        self._by_colour: NDArray[np.uint8] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"values": dict(self.values), "colours": dict(self.colours), "one_hot": self.one_hot}

    def __setstate__(self, state: dict[str, Mapping[int, int | None]]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def decode(self, raster: Raster, path: Path) -> tuple[NDArray[np.uint8], dict[str, int]]:
        """Return the label map of a mask, and how many pixels have each value or colour without a class.

        Args:
            raster: The mask as read.
            path: Its file, for messages.

        Returns:
            (H, W) uint8, 255 where no class is known, and a count for each unknown value.

        Raises:
            Unreadable: It has colours and no colours are known, or numbers that are not classes.
        """
        if self.one_hot:
            return _class_of_bands(_all_bands(raster), path), {}
        rgb = colours_of(raster)
        if rgb is not None and raster.palette is None and _is_grey(rgb) and not self.colours:
            rgb, raster = None, replace(raster, pixels=raster.pixels[:1])
        if rgb is not None and (self.colours or raster.palette is None):
            return self._decode_colours(rgb, path, _visible(raster))
        band, known = _whole_numbers(raster, path)
        known = _both(known, _visible(raster))
        found = self._classes_of(band)
        if known is not None:
            found[~known] = IGNORE
        unknown = found == _UNKNOWN
        counts = _count(band[unknown].astype(np.int64), str) if unknown.any() else {}
        found[unknown] = IGNORE
        return found, counts

    def _classes_of(self, band: NDArray[Any]) -> NDArray[np.uint8]:
        if band.dtype in (np.uint8, np.uint16):
            return np.asarray(self._by_value[band])
        values, places = np.unique(band, return_inverse=True)
        targets = [self.values.get(int(value), _UNKNOWN) for value in values]
        table = np.array([IGNORE if target is None else target for target in targets], dtype=np.uint8)
        return np.asarray(table[places.reshape(band.shape)])

    def _decode_colours(
        self, rgb: NDArray[np.uint8], path: Path, visible: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.uint8], dict[str, int]]:
        if not self.colours:
            raise Unreadable(path, "is a colour mask, and the class table gives no colours")
        if self._by_colour is None:
            self._by_colour = np.full(1 << 24, _UNKNOWN, dtype=np.uint8)
            for (red, green, blue), target in self.colours.items():
                self._by_colour[red << 16 | green << 8 | blue] = IGNORE if target is None else target
        packed = _packed(rgb)
        found = self._by_colour[packed]
        if visible is not None:
            found[~visible] = IGNORE
        unknown = found == _UNKNOWN
        counts = _count(packed[unknown], lambda code: f"#{code:06X}") if unknown.any() else {}
        found[unknown] = IGNORE
        return found, counts


@dataclass
class MaskContent:
    """Content of one or more mask files.

    Attributes:
        files: Encoding (`values`, `palette`, `colours`, `greys`, `bands`) -> number of files.
        values: Value of one-band masks -> pixels.
        indices: Index of palette masks -> pixels.
        greys: Value of masks of three equal bands -> pixels.
        colours: Colour of palette and colour masks -> pixels.
        bands: Number of bands -> files, for masks with a band for each class.
        on: Band of such masks, counted from 0 -> pixels in which it is on; -1 for pixels in which none is.
        palette: Index in use -> colours that palettes give it.
        nodata: Numbers that files declare as no data.
        beside_255: Values in files of one band that hold 255, too.
        hidden: Indices in use that a palette makes fully transparent.
        missing: Pixels that are NaN, or no data by a number that could be no class.
        transparent: Pixels that are fully transparent, or masked out by their file.
        lossy: Files that were saved with loss, as JPEG is, which does not keep values.
        unreadable: Files that cannot be read, and why.
    """

    files: Counter[str] = field(default_factory=Counter)
    values: Counter[int] = field(default_factory=Counter)
    indices: Counter[int] = field(default_factory=Counter)
    greys: Counter[int] = field(default_factory=Counter)
    colours: Counter[Colour] = field(default_factory=Counter)
    bands: Counter[int] = field(default_factory=Counter)
    on: Counter[int] = field(default_factory=Counter)
    palette: dict[int, set[Colour]] = field(default_factory=dict)
    nodata: set[float] = field(default_factory=set)
    beside_255: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    missing: int = 0
    transparent: int = 0
    lossy: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)


def count_content(raster: Raster, path: Path, content: MaskContent) -> None:
    """Add what a mask holds to what others hold.

    Raises:
        Unreadable: It holds numbers that can be no classes.
    """
    if raster.nodata is not None:
        content.nodata.add(raster.nodata)
    content.lossy += raster.lossy
    bands = _all_bands(raster)
    if _is_one_hot_like(bands):
        found = _class_of_bands(bands, path).astype(np.int64)
        counts = dict(zip(*(part.tolist() for part in np.unique(found, return_counts=True)), strict=True))
        content.on.update({-1 if band == IGNORE else band: count for band, count in counts.items()})
        content.files["bands"] += 1
        content.bands[len(bands)] += 1
        return
    rgb = colours_of(raster)
    visible = _visible(raster)
    if visible is not None:
        content.transparent += int((~visible).sum())
    if rgb is None or raster.palette is not None or _is_grey(rgb):
        band, known = _whole_numbers(raster, path)
        if known is not None:
            content.missing += int((~known if visible is None else visible & ~known).sum())
        known = _both(known, visible)
        if known is not None:
            band = band[known]
        values = _tally(band)
        if raster.palette is not None:
            content.files["palette"] += 1
            content.indices.update(values)
            content.hidden |= raster.hidden & values.keys()
            for value, pixels in values.items():
                content.palette.setdefault(value, set()).add(_colour(raster.palette[value]))
                content.colours[_colour(raster.palette[value])] += pixels
        else:
            content.files["values" if rgb is None else "greys"] += 1
            (content.values if rgb is None else content.greys).update(values)
            if 255 in values:
                content.beside_255 |= values.keys()
        return
    content.files["colours"] += 1
    packed = _packed(rgb)
    for code, pixels in _tally(packed if visible is None else packed[visible]).items():
        content.colours[(code >> 16, code >> 8 & 255, code & 255)] += pixels


def cover(label_map: NDArray[np.uint8], classes: int) -> NDArray[np.float64]:
    """Return (C,) the share of a label map's pixels, ignored ones included, that each class covers."""
    counts = np.bincount(label_map.reshape(-1), minlength=256)[:classes]
    return np.asarray(counts / max(label_map.size, 1))


def _visible(raster: Raster) -> NDArray[np.bool_] | None:
    """Return where a mask is not fully transparent or masked out; None for everywhere."""
    if raster.alpha is None or raster.alpha.min(initial=1) > 0:
        return raster.valid
    return _both(raster.alpha != 0, raster.valid)


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _all_bands(raster: Raster) -> NDArray[np.generic]:
    """Return the bands of a file, including the transparency band unless it is opaque everywhere."""
    if raster.alpha is None or raster.alpha.max(initial=0) > 1:
        return raster.pixels
    return np.insert(raster.pixels, raster.alpha_band, raster.alpha, axis=0)


def _is_one_hot_like(bands: NDArray[np.generic]) -> bool:
    """Whether a file has a band for each class: two, or five and more bands, or three and four of 0 and 1."""
    if len(bands) not in (3, 4) or bands.dtype != np.uint8:
        return len(bands) > 1
    return int(bands.max(initial=0)) <= 1 and not bool((bands == bands[0]).all())


def _class_of_bands(bands: NDArray[np.generic], path: Path) -> NDArray[np.uint8]:
    """Return the active band of each pixel, 255 without one."""
    values = np.unique(bands)
    if len(values) > 2 or (len(values) == 2 and values[0] != 0) or len(bands) > _UNKNOWN:
        raise Unreadable(
            path,
            f"has {len(bands)} bands that hold {', '.join(map(str, values[:5]))}, so they are not bands of "
            "single classes",
        )
    on = bands != 0
    several = int((on.sum(0) > 1).sum())
    if several:
        raise Unreadable(path, f"has {len(bands)} bands, and in {several} pixels more than one of them is on")
    return np.where(on.any(0), on.argmax(0), IGNORE).astype(np.uint8)


def _is_grey(rgb: NDArray[np.uint8]) -> bool:
    return bool((rgb[0] == rgb[1]).all() and (rgb[0] == rgb[2]).all())


def _whole_numbers(raster: Raster, path: Path) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the first band as whole numbers, and where it has any; None for everywhere.

    It has none where it is NaN, or no data by a number that could be no class, such as -3.4e38.
    """
    band = raster.pixels[0]
    if band.dtype.kind in "ui":
        return band, None
    if band.dtype.kind == "b":
        return band.astype(np.uint8), None
    if band.dtype.kind != "f":
        raise Unreadable(path, f"is not a mask: it holds {band.dtype.name} numbers")
    numbers = band.astype(np.float64)
    known = ~np.isnan(numbers)
    if raster.nodata is not None and not _may_be_a_class(raster.nodata):
        known &= band != raster.nodata
    filled = np.where(known, numbers, 0)
    fits = _may_be_a_class(filled)
    if not np.all(fits):
        odd = filled[~fits][0]
        raise Unreadable(path, f"is not a mask: it holds the number {odd}; masks hold whole numbers")
    return filled.astype(np.int64), known


def _may_be_a_class(numbers: Any) -> Any:
    """Return which numbers are whole and not too large for a class."""
    return (numbers == np.rint(numbers)) & (np.abs(numbers) <= _LARGEST)


def _packed(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    red, green, blue = rgb.astype(np.int64)
    return np.asarray(red << 16 | green << 8 | blue)


def _tally(values: NDArray[Any]) -> dict[int, int]:
    """Count values; by a hash where they are wide, which is ten times as fast as sorting."""
    if values.dtype == np.uint8:
        counts = np.bincount(values.reshape(-1))
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    import pandas as pd

    series = pd.Series(values.reshape(-1)).value_counts()
    return {int(value): int(count) for value, count in zip(series.index, series.to_numpy(), strict=True)}


def _colour(row: NDArray[np.uint8]) -> Colour:
    return int(row[0]), int(row[1]), int(row[2])


def _count(codes: NDArray[np.int64], word: Callable[[int], str]) -> dict[str, int]:
    values, counts = np.unique(codes, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_LISTED]
    return {word(int(values[i])): int(counts[i]) for i in order}
