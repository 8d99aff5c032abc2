"""Reads the directories of a TIFF file, and decodes the plainest kind of TIFF straight from its bytes.

BigEarthNet's bands are plain files (one band of uncompressed 16-bit strips), and opening one with GDAL takes ten times
as long as reading it. Directories are also read before GDAL sees a file, so that sizes can be checked first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Directory",
    "Tag",
    "decode_plain_tiff",
    "end_of_data",
    "nodata_of",
    "number_in",
    "page_size",
    "read_directories",
]

Directory = Mapping[int, tuple[int, ...] | bytes]
"""Tag -> its whole numbers, or its bytes where it is a text."""


class Tag:
    """Numbers of the tags that are read (TIFF 6.0; 42113 is GDAL's)."""

    SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS = 254, 256, 257, 258, 259, 262, 273
    ORIENTATION, SAMPLES, COUNTS, PREDICTOR, TILE_WIDTH, TILE_HEIGHT = 274, 277, 279, 317, 322, 323
    TILE_OFFSETS, TILE_COUNTS, EXTRA_SAMPLES, FORMAT, NODATA = 324, 325, 338, 339, 42113


_READ = frozenset(value for name, value in vars(Tag).items() if name.isupper())
_SIZES = {1: ("B", 1), 2: ("s", 1), 3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}
_BLACK_IS_ZERO = 1
_DEFAULTS: Directory = {Tag.SAMPLES: (1,), Tag.FORMAT: (1,), Tag.PREDICTOR: (1,), Tag.ORIENTATION: (1,)}
_PLAIN: Directory = {
    Tag.BITS: (16,),
    Tag.COMPRESSION: (1,),
    Tag.PHOTOMETRIC: (_BLACK_IS_ZERO,),
    **_DEFAULTS,
}
_MOST_NUMBERS = 1 << 22
# Larger than any real tile: such a file is made to exhaust the memory.
_MOST_TILE_PIXELS = 1 << 26


def read_directories(file: BinaryIO, most: int) -> list[Directory]:
    """Return the directories of a TIFF file or an EXIF block, one for each page.

    Args:
        file: A seekable file at any position, opened for reading bytes.
        most: Number of directories after which reading stops.

    Raises:
        ValueError: It is not a TIFF, or a directory lies outside the file or follows itself.
    """

    def read(place: int, size: int) -> bytes:
        file.seek(place)
        return file.read(size)

    try:
        return _directories(read, most)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"its directories are damaged ({error})") from error


def _directories(read: Callable[[int, int], bytes], most: int) -> list[Directory]:
    """Return the directories of what `read(place, size)` gives the bytes of."""
    head = read(0, 16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    if not order:
        raise ValueError("it is not a TIFF")
    (version,) = struct.unpack_from(f"{order}H", head, 2)
    large = version == 43
    word, entry, size = (f"{order}Q", 20, 8) if large else (f"{order}I", 12, 2)
    (place,) = struct.unpack_from(word, head, 8 if large else 4)
    found: list[Directory] = []
    seen: set[int] = set()
    while place and len(found) < most:
        if place in seen:
            raise ValueError("its directories go round in a circle")
        seen.add(place)
        (entries,) = struct.unpack(f"{order}{'Q' if large else 'H'}", read(place, size))
        if entries > 65535:
            raise ValueError(f"a directory has {entries} entries")
        length = entries * entry
        block = read(place + size, length + struct.calcsize(word))
        (place,) = struct.unpack_from(word, block, length)
        found.append(_tags(read, block[:length], order, large))
    return found


def _tags(read: Callable[[int, int], bytes], table: bytes, order: str, large: bool) -> Directory:
    tags: dict[int, tuple[int, ...] | bytes] = {}
    inline, count_code = (8, "Q") if large else (4, "I")
    for tag, kind, count, raw in struct.iter_unpack(f"{order}HH{count_code}{inline}s", table):
        if tag not in _READ or kind not in _SIZES:
            continue
        if count > _MOST_NUMBERS:
            raise ValueError(f"its tag {tag} has {count} values")
        code, width = _SIZES[kind]
        if count * width > inline:
            raw = read(struct.unpack(f"{order}{count_code}", raw)[0], count * width)
        if kind == 2:
            tags[tag] = raw[:count]
        else:
            tags[tag] = struct.unpack_from(f"{order}{count}{code}", raw)
    return tags


def number_in(page: Directory, tag: int, default: int | None = None) -> int:
    """Return the first number of a tag.

    Raises:
        ValueError: The directory lacks the tag, and there is no default.
    """
    values = page.get(tag, () if default is None else (default,))
    if not values:
        raise ValueError(f"it lacks the tag {tag}")
    return int(values[0])


def page_size(page: Directory) -> tuple[int, int, int, int]:
    """Return the height, width, number of bands and bytes a number of a page.

    Raises:
        ValueError: Its tiles are larger than any real ones.
    """
    bits = page.get(Tag.BITS, (1,))
    itemsize = max(-(-int(b) // 8) for b in bits) if bits else 1
    height, width = number_in(page, Tag.HEIGHT), number_in(page, Tag.WIDTH)
    tile = number_in(page, Tag.TILE_WIDTH, 1) * number_in(page, Tag.TILE_HEIGHT, 1)
    if tile > max(_MOST_TILE_PIXELS, 4 * height * width):
        raise ValueError(f"tiles of {tile:,} pixels")
    return height, width, number_in(page, Tag.SAMPLES, 1), itemsize


def end_of_data(page: Directory) -> float:
    """Return where the strips or tiles of a page end; parts that are left out have length 0."""
    tiled = Tag.TILE_OFFSETS in page
    offsets = page.get(Tag.TILE_OFFSETS if tiled else Tag.OFFSETS, ())
    counts = page.get(Tag.TILE_COUNTS if tiled else Tag.COUNTS, ())
    if not offsets or len(offsets) != len(counts):
        return 0
    ends = np.array(offsets, dtype=np.float64) + np.array(counts, dtype=np.float64)
    return float(ends.max())


def nodata_of(page: Directory) -> float | None:
    """Return the number that means no data, as GDAL writes it; None without one."""
    text = page.get(Tag.NODATA, b"")
    try:
        return float(text.split(b"\x00")[0]) if isinstance(text, bytes) else None
    except ValueError:
        return None


def decode_plain_tiff(content: bytes) -> NDArray[np.uint16] | None:
    """Return the (H, W) pixels of a file, to be read only, or None when it is not of the plainest kind or not whole.

    Args:
        content: All bytes of the file.
    """
    if content[:4] != b"II*\x00":
        return None
    try:
        (tags,) = _directories(lambda place, size: content[place : place + size], 2)
        return _decode(content, tags)
    except (KeyError, ValueError, TypeError, struct.error):
        return None


def _decode(content: bytes, tags: Directory) -> NDArray[np.uint16] | None:
    if not _PLAIN.items() <= {**_DEFAULTS, **tags}.items() or Tag.TILE_OFFSETS in tags:
        return None
    (width,), (height,) = tags[Tag.WIDTH], tags[Tag.HEIGHT]
    offsets, counts = tags[Tag.OFFSETS], tags[Tag.COUNTS]
    if len(offsets) != len(counts) or sum(counts) != 2 * width * height:
        return None
    ends = [offset + count for offset, count in zip(offsets, counts, strict=True)]
    if max(ends) > len(content):
        return None
    if list(offsets[1:]) == ends[:-1]:
        strips = memoryview(content)[offsets[0] : ends[-1]]
    else:
        strips = memoryview(b"".join(map(content.__getitem__, map(slice, offsets, ends))))
    return np.frombuffer(strips, dtype="<u2").astype(np.uint16, copy=False).reshape(height, width)
