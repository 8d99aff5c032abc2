"""Inspection of raster files before they are passed to a driver: format, sizes and completeness."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import BinaryIO

from gridbench.datasets.readers.rasters.orientation import exif_orientation, orientation_in
from gridbench.datasets.readers.rasters.raster_header import Animated, CutShort, Header, Refused
from gridbench.datasets.readers.rasters.tiff import (
    Tag,
    end_of_data,
    nodata_of,
    number_in,
    page_size,
    read_directories,
)
from gridbench.datasets.readers.source_files import SIGNATURE_BYTES, Unreadable, driver_of
from gridbench.errors import reason_of

__all__ = ["read_header"]

# Larger than any real image: such a file is made to exhaust the memory.
_MOST_PAGES = 1024
# Bits of TIFF's tag NewSubfileType: 1 for a page that is a smaller copy of another, 4 for a mask of transparency.
_MASK = 4
_REDUCED_OR_MASK = 1 | _MASK
# TIFF's tag PhotometricInterpretation: numbers that are not brightness, or one that falls as they rise.
_OTHER_COLOURS = {
    0: "stores white as 0 and black as the largest number (MINISWHITE); save it with black as 0",
    **dict.fromkeys((8, 9, 10), "stores colours as CIELAB; save it as RGB"),
    **dict.fromkeys((32844, 32845), "stores colours as logarithms (LogLuv); save it as RGB"),
}
# TIFF's tag Compression: 6 for JPEG in its first form, 7 for that of TIFF's Technical Note 2.
_TIFF_JPEG = (6, 7)
_J2K_SIZES = b"\xff\x4f\xff\x51"
_J2K_CODING = b"\xff\x52"
# Colour types of the PNG specification, with the bands that GDAL makes of them.
_PNG_COLOURS = {
    0: ("grey", 1),
    2: ("rgb", 3),
    3: ("palette", 1),
    4: ("grey+alpha", 2),
    6: ("rgb+alpha", 4),
}


def read_header(file: BinaryIO, path: Path) -> Header:
    """Read what must be known before a driver opens a file.

    Args:
        file: The file, opened for reading bytes.
        path: Its path, for messages.

    Raises:
        Unreadable: It is not in a supported format, is damaged, or is cut short.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(SIGNATURE_BYTES)
    driver = driver_of(head)
    if driver is None:
        raise Unreadable(
            path,
            "is not an image in a supported format (PNG, JPEG, TIFF, JPEG 2000, BMP, GIF, WebP, binary PGM or PPM)",
        )
    header = Header(driver, size)
    try:
        match driver:
            case "GTiff":
                return _tiff_header(file, header)
            case "PNG":
                return _png_header(file, header)
            case "WEBP":
                return _webp_header(file, header)
            case "JP2OpenJPEG":
                return _jpeg2000_header(file, header)
            case "JPEG":
                _check_jpeg_end(file, size)
                return header._replace(lossy=True)
            case "BIGGIF":
                width, height = struct.unpack_from("<HH", head, 6)
                _refuse_animated_gif(file)
                return header._replace(sizes=((height, width, 1, 1),))
            case "PNM":
                _check_length(size, _pnm_bytes(file))
            case "BMP":
                _check_length(size, _bmp_bytes(file))
    except (ValueError, struct.error, KeyError, IndexError, TypeError, OSError) as error:
        raise Unreadable(
            path, str(error) if isinstance(error, Refused) else f"is damaged ({reason_of(error, path)})"
        ) from error
    return header


def _check_length(size: int, needed: int) -> None:
    if size < needed:
        raise CutShort


def _tiff_header(file: BinaryIO, header: Header) -> Header:
    directories = read_directories(file, _MOST_PAGES + 1)
    if len(directories) > _MOST_PAGES:
        raise ValueError(f"more than {_MOST_PAGES} pages")
    images = [
        i for i, page in enumerate(directories) if not number_in(page, Tag.SUBFILE, 0) & _REDUCED_OR_MASK
    ] or [0]
    if not directories:
        raise ValueError("no page")
    sizes = []
    for page in directories:
        sizes.append(page_size(page))
        if end_of_data(page) > header.bytes:
            raise CutShort
    for i in images:
        if reason := _OTHER_COLOURS.get(number_in(directories[i], Tag.PHOTOMETRIC, 1)):
            raise Refused(reason)
    bands = sum(sizes[i][2] for i in images)
    first = directories[images[0]]
    height, width, _, itemsize = sizes[images[0]]
    return header._replace(
        sizes=((height, width, bands, itemsize), *(size for i, size in enumerate(sizes) if i not in images)),
        pages=tuple(images),
        orientation=exif_orientation(number_in(first, Tag.ORIENTATION, 1)),
        nodata=nodata_of(first),
        bits=number_in(first, Tag.BITS, 1),
        lossy=number_in(first, Tag.COMPRESSION, 1) in _TIFF_JPEG,
        masked=any(number_in(page, Tag.SUBFILE, 0) & _MASK for page in directories),
    )


def _png_header(file: BinaryIO, header: Header) -> Header:
    """Follow the chunks of a PNG to its end: GDAL silently reads missing parts as black."""
    place, orientation = 8, 1
    transparent: tuple[int, ...] = ()
    while place + 12 <= header.bytes:
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        if place + 12 + length > header.bytes:
            break
        if place == 8:
            if kind != b"IHDR" or length != 13:
                raise ValueError("it does not begin with its sizes")
            width, height, depth, colour = struct.unpack(">IIBB", file.read(10))
            colours, bands = _PNG_COLOURS[colour]
            sizes = ((height, width, bands, -(-depth // 8)),)
        elif kind == b"acTL" and length >= 4 and int.from_bytes(file.read(4), "big") > 1:
            raise Animated
        elif kind == b"eXIf":
            orientation = orientation_in(file, place + 8, length)
        elif kind == b"tRNS" and colours in ("grey", "rgb"):
            transparent = struct.unpack(f">{bands}H", file.read(2 * bands))
        elif kind == b"IEND":
            return header._replace(
                sizes=sizes,
                colours=colours,
                orientation=orientation,
                bits=depth,
                masked=bool(transparent),
                transparent=transparent,
            )
        place += 12 + length
    raise CutShort


def _webp_header(file: BinaryIO, header: Header) -> Header:
    file.seek(4)
    whole = int.from_bytes(file.read(4), "little") + 8
    _check_length(header.bytes, whole)
    place, frames = 12, 0
    while place + 8 <= whole:
        file.seek(place)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            return header._replace(orientation=orientation_in(file, place + 8, length))
        if head[:4] == b"VP8 ":
            header = header._replace(lossy=True)
        frames += head[:4] == b"ANMF"
        if frames > 1:
            raise Animated
        place += 8 + length + length % 2
    return header


def _refuse_animated_gif(file: BinaryIO) -> None:
    """Follow the blocks of a GIF to its second image, if it has one; what is damaged is left to the driver."""

    def skip_colours(flags: int) -> None:
        if flags & 0x80:
            file.seek(3 << (flags & 7) + 1, os.SEEK_CUR)

    file.seek(6)
    screen = file.read(7)
    skip_colours(screen[4])
    images = 0
    while (kind := file.read(1)) in (b"!", b","):
        if kind == b",":
            images += 1
            if images > 1:
                raise Animated
            skip_colours(file.read(9)[8])
        # The label of an extension, and the size of the codes of an image.
        file.seek(1, os.SEEK_CUR)
        while (length := file.read(1)) not in (b"", b"\0"):
            file.seek(length[0], os.SEEK_CUR)


def _check_jpeg_end(file: BinaryIO, size: int) -> None:
    """Look for the end marker of a JPEG: decoders fill in truncated ones."""
    file.seek(0)
    end = 0
    for start in range(0, size, 1 << 20):
        file.seek(max(0, size - start - (1 << 20)))
        end = file.read(min((1 << 20) + 1, size)).rfind(b"\xff\xd9")
        if end >= 0:
            return
    raise CutShort


def _jpeg2000_header(file: BinaryIO, header: Header) -> Header:
    file.seek(0)
    head = file.read(1 << 20)
    start = head.find(_J2K_SIZES)
    if start < 0:
        raise ValueError("no code stream in its first MiB")
    width, height, left, top = struct.unpack_from(">IIII", head, start + 8)
    (bands,) = struct.unpack_from(">H", head, start + 40)
    # The last byte of the style of coding says which wavelets: 0 for those that do not keep numbers.
    coding = head.find(_J2K_CODING, start)
    lossy = coding >= 0 and head[coding + 13 : coding + 14] == b"\0"
    return header._replace(sizes=((max(0, height - top), max(0, width - left), bands, 2),), lossy=lossy)


def _pnm_bytes(file: BinaryIO) -> int:
    file.seek(0)
    head = file.read(4096)
    found = re.match(
        rb"P([56])\s+(?:#[^\n]*\n\s*)*(\d+)\s+(?:#[^\n]*\n\s*)*(\d+)\s+(?:#[^\n]*\n\s*)*(\d+)\s", head
    )
    if found is None:
        raise ValueError("no head of a PGM or PPM")
    kind, width, height, most = (int(value) for value in found.groups())
    return found.end() + width * height * (3 if kind == 6 else 1) * (2 if most > 255 else 1)


def _bmp_bytes(file: BinaryIO) -> int:
    file.seek(0)
    head = file.read(64)
    start, header = struct.unpack_from("<II", head, 10)
    if header < 40:
        return int(start)
    width, height, _, bits, compression, length = struct.unpack_from("<iiHHII", head, 18)
    if compression in (1, 2):
        return int(start + length)
    return int(start + (abs(width) * bits + 31) // 32 * 4 * abs(height))
