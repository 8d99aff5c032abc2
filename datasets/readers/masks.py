"""Turns mask files of any encoding into label maps: indices, palette indices, or colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import IGNORE
from gridbench.datasets.readers.raster import Raster, Unreadable

__all__ = ["Codebook", "colours_of", "cover"]

_UNKNOWN = 254
_LISTED = 20


@dataclass
class Codebook:
    """Looks up the class of mask values and of colours.

    Args:
        values: Value in one-band masks -> class, None to ignore.
        colours: Colour -> class, None to ignore; when there are any, palette and colour masks are read by colour.
    """

    values: Mapping[int, int | None]
    colours: Mapping[tuple[int, int, int], int | None]

    def __post_init__(self) -> None:
        self._by_value = np.full(1 << 16, _UNKNOWN, dtype=np.uint8)
        for value, target in self.values.items():
            if 0 <= value < len(self._by_value):
                self._by_value[value] = IGNORE if target is None else target
        self._by_colour: NDArray[np.uint8] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"values": dict(self.values), "colours": dict(self.colours)}

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
            Unreadable: It has colours and no colours are known, or no whole numbers from 0 to 65535.
        """
        rgb = colours_of(raster)
        if rgb is not None and (self.colours or raster.palette is None):
            return self._decode_colours(rgb, path)
        band = raster.pixels[0]
        if band.dtype.kind not in "uib" or int(band.max(initial=0)) > 65535 or int(band.min(initial=0)) < 0:
            raise Unreadable(path, f"is no mask: it holds {band.dtype.name} numbers outside 0 to 65535")
        found = self._by_value[band]
        unknown = found == _UNKNOWN
        counts = _count(band[unknown].astype(np.int64), str) if unknown.any() else {}
        found[unknown] = IGNORE
        return found, counts

    def _decode_colours(self, rgb: NDArray[np.uint8], path: Path) -> tuple[NDArray[np.uint8], dict[str, int]]:
        if not self.colours:
            raise Unreadable(path, "is a colour mask, and the class table gives no colours")
        if self._by_colour is None:
            self._by_colour = np.full(1 << 24, _UNKNOWN, dtype=np.uint8)
            for (red, green, blue), target in self.colours.items():
                self._by_colour[red << 16 | green << 8 | blue] = IGNORE if target is None else target
        wide = rgb.astype(np.int64)
        packed = wide[0] << 16 | wide[1] << 8 | wide[2]
        found = self._by_colour[packed]
        unknown = found == _UNKNOWN
        counts = _count(packed[unknown], lambda code: f"#{code:06X}") if unknown.any() else {}
        found[unknown] = IGNORE
        return found, counts


def colours_of(raster: Raster) -> NDArray[np.uint8] | None:
    """Return the (3, H, W) colours of a palette or colour file, None for a file of one band without a palette."""
    if raster.palette is not None:
        return np.ascontiguousarray(raster.palette[raster.pixels[0]].transpose(2, 0, 1))
    if len(raster.pixels) in (3, 4) and raster.pixels.dtype == np.uint8:
        return raster.pixels[:3].astype(np.uint8)
    return None


def cover(label_map: NDArray[np.uint8], classes: int) -> NDArray[np.float64]:
    """Return (C,) the share of a label map's pixels, ignored ones included, that each class covers."""
    counts = np.bincount(label_map.reshape(-1), minlength=256)[:classes]
    return np.asarray(counts / max(label_map.size, 1))


def _count(codes: NDArray[np.int64], word: object) -> dict[str, int]:
    values, counts = np.unique(codes, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_LISTED]
    return {word(int(values[i])): int(counts[i]) for i in order}  # type: ignore[operator]
