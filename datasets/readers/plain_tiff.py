"""Decodes the plainest kind of TIFF, one band of uncompressed 16-bit strips, straight from its bytes.

BigEarthNet's bands are such files, and opening one with GDAL takes ten times as long as reading it. Anything else,
and anything that does not add up, is left to GDAL.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

__all__ = ["decode_plain_tiff"]

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS = 256, 257, 258, 259, 262, 273
_SAMPLES, _COUNTS, _PREDICTOR, _TILE_OFFSETS, _FORMAT = 277, 279, 317, 324, 339
_SIZES = {3: ("H", 2), 4: ("I", 4)}
_BLACK_IS_ZERO = 1


def decode_plain_tiff(content: bytes) -> NDArray[np.uint16] | None:
    """Return the (H, W) pixels of a file, or None when it is not of the plainest kind or not whole.

    Args:
        content: All bytes of the file.
    """
    try:
        return _decode(content)
    except (struct.error, KeyError, ValueError):
        return None


def _decode(content: bytes) -> NDArray[np.uint16] | None:
    if content[:4] != b"II*\x00":
        return None
    tags = _tags(content)
    expected = {_BITS: (16,), _COMPRESSION: (1,), _PHOTOMETRIC: (_BLACK_IS_ZERO,)}
    defaults = {_SAMPLES: (1,), _FORMAT: (1,), _PREDICTOR: (1,)}
    if any(tags[tag] != value for tag, value in expected.items()) or _TILE_OFFSETS in tags:
        return None
    if any(tags.get(tag, value) != value for tag, value in defaults.items()):
        return None
    (width,), (height,) = tags[_WIDTH], tags[_HEIGHT]
    offsets, counts = tags[_OFFSETS], tags[_COUNTS]
    if len(offsets) != len(counts) or sum(counts) != 2 * width * height:
        return None
    if any(offset + count > len(content) for offset, count in zip(offsets, counts, strict=True)):
        return None
    strips = b"".join(content[offset : offset + count] for offset, count in zip(offsets, counts, strict=True))
    return np.frombuffer(strips, dtype="<u2").astype(np.uint16).reshape(height, width)


def _tags(content: bytes) -> dict[int, tuple[int, ...]]:
    """Return the whole-number tags of the only directory; a second directory is a ValueError."""
    (start,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, start)
    tags = {}
    for i in range(entries):
        place = start + 2 + 12 * i
        tag, kind, count = struct.unpack_from("<HHI", content, place)
        if kind not in _SIZES:
            continue
        code, size = _SIZES[kind]
        where = place + 8
        if count * size > 4:
            (where,) = struct.unpack_from("<I", content, where)
        tags[tag] = struct.unpack_from(f"<{count}{code}", content, where)
    (following,) = struct.unpack_from("<I", content, start + 2 + 12 * entries)
    if following:
        raise ValueError("more than one image")
    return tags
