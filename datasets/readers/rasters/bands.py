"""What the bands of a file mean: names, transparency, palettes, and masks of the pixels that have data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.rasters.orientation import upright
from gridbench.datasets.readers.rasters.raster_header import Header

__all__ = ["alpha_band_of", "is_palette", "names_of", "palette_of", "valid_pixels"]

_COLOURS = ("red", "green", "blue", "alpha")


def names_of(descriptions: Sequence[str | None], meanings: Sequence[Any]) -> tuple[str, ...]:
    """Return the description of each band, else the colour of each; nothing where a band lacks both."""
    for names in (descriptions, [meaning.name for meaning in meanings if meaning.name in _COLOURS]):
        if len(names) == len(meanings) and all(names):
            return tuple(map(str, names))
    return ()


def alpha_band_of(meanings: Sequence[Any]) -> int:
    """Return the position of the band that a file declares as transparency, -1 without one."""
    from rasterio.enums import ColorInterp

    found = [i for i, meaning in enumerate(meanings) if meaning == ColorInterp.alpha]
    return found[0] if found and len(meanings) > 1 else -1


def valid_pixels(
    first: Any, pixels: NDArray[np.generic], header: Header, window: Any, rows: tuple[int, int] | None
) -> NDArray[np.bool_] | None:
    """Return where upright pixels are neither masked out by their TIFF nor of the transparent colour of their PNG."""
    if header.transparent:
        clear = np.array(header.transparent)[:, None, None]
        return np.asarray((pixels != clear).any(0))
    if not header.masked:
        return None
    mask = upright(first.read_masks(1, window=window)[None], header.orientation)[0] != 0
    return np.asarray(mask[rows[0] : rows[1]] if rows is not None and header.orientation != 1 else mask)


def is_palette(meanings: Sequence[Any]) -> bool:
    """Whether the numbers of a file are indices of its palette, by the meaning of its bands."""
    from rasterio.enums import ColorInterp

    return len(meanings) == 1 and meanings[0] == ColorInterp.palette


def palette_of(source: Any, meanings: Sequence[Any]) -> tuple[NDArray[np.uint8] | None, frozenset[int]]:
    """Return the colours of a palette file, and the indices that are fully transparent; none for any other file."""
    if not is_palette(meanings):
        return None, frozenset()
    palette = np.zeros((256 if source.dtypes[0] == "uint8" else 65536, 3), dtype=np.uint8)
    colours = source.colormap(1)
    for value, colour in colours.items():
        if value < len(palette):
            palette[value] = colour[:3]
    return palette, frozenset(value for value, colour in colours.items() if len(colour) > 3 and not colour[3])
