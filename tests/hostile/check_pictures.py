"""Pictures whose headers lie."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import pytest


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, side: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * side * (side + 1) if side < 10**4 else b"\0" * 1000)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(tags: list[tuple[int, int, int, int]], next_ifd: int = 0) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_ifd) + bytes(64)


def scans(count: int) -> bytes:
    """A progressive JPEG of 1024 x 1024 whose last scan is there so many times."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (1024, 1024), 128).save(out, "JPEG", progressive=True)
    content = out.getvalue()
    last = content.rindex(b"\xff\xda")
    return content[:last] + content[last:-2] * count + content[-2:]


def animated(form: str, frames: int) -> bytes:
    """A picture of so many different frames."""
    from PIL import Image

    pictures = [Image.new("RGB", (256, 256), (i % 256, i // 256, 0)) for i in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, form, save_all=True, append_images=pictures[1:])
    return out.getvalue()


SHAPE = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
STRIPS = [(273, 4, 1, 100), (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
ZEROS = zlib.compress(bytes(2**28))
PICTURES: dict[str, Callable[[], bytes]] = {
    "directories in a circle": lambda: tiff(SHAPE + STRIPS, next_ifd=8),
    "a directory beyond the end": lambda: tiff(SHAPE + STRIPS, next_ifd=2**31),
    "a strip beyond the end": lambda: tiff([*SHAPE, (273, 4, 1, 2**31), *STRIPS[1:]]),
    "a strip of gigabytes": lambda: tiff([*SHAPE, *STRIPS[:3], (279, 4, 1, 2**32 - 1)]),
    "a billion strips": lambda: tiff([*SHAPE, (273, 4, 2**30, 100), *STRIPS[1:]]),
    "no directory": lambda: b"II*\0" + struct.pack("<I", 2**32 - 1),
    "pixels of 64,000 bits": lambda: tiff([*SHAPE[:2], (258, 3, 1, 64_000), *SHAPE[3:], *STRIPS]),
    "text of 256 MiB": lambda: png(chunk(b"zTXt", b"a\0\0" + ZEROS)),
    "a profile of 256 MiB": lambda: png(chunk(b"iCCP", b"a\0\0" + ZEROS)),
    "wide PNG": lambda: png(side=2**31 - 1),
    "a chunk that is too long": lambda: png(struct.pack(">I", 2**31 - 1) + b"tEXt"),
    "wide JPEG": lambda: (
        b"\xff\xd8\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 65_500, 65_500) + b"\x01\x01\x11\x00\xff\xd9"
    ),
    "JPEG of markers": lambda: b"\xff\xd8" + b"\xff\xe0\x00\x02" * 500_000,
    "GIF of 100,000 frames": lambda: (
        b"GIF89a\x08\x00\x08\x00\x80\x00\x00"
        + bytes(6)
        + b"\x2c\x00\x00\x00\x00\x08\x00\x08\x00\x00\x02\x02\x4c\x01\x00" * 100_000
        + b";"
    ),
    "WebP of 2^24 pixels a side": lambda: (
        b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + b"\x0a\0\0\0\x02" + b"\xff" * 9
    ),
    "animated WebP": lambda: animated("WEBP", 400),
    "JPEG of 2,000 scans": lambda: scans(2000),
    "PNG of 200,000 chunks": lambda: png(*[chunk(b"tEXt", b"a\0b")] * 200_000),
    "animated PNG": lambda: animated("PNG", 400),
    "TIFF of 400 pages": lambda: animated("TIFF", 400),
    "BMP of negative size": lambda: (
        b"BM" + bytes(16) + struct.pack("<iiiHH", 40, -8, -(2**31), 1, 24) + bytes(40)
    ),
    "PPM of 10^18 pixels": lambda: b"P6 1000000000 1000000000 255\n" + bytes(100),
    "JP2 without boxes": lambda: b"\x00\x00\x00\x0cjP  \r\n\x87\n" + b"\xff" * 100,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_hostile_picture_is_left_out(check, tmp_path, kind):
    from PIL import Image

    (tmp_path / "mine" / "images").mkdir(parents=True)
    for i in range(6):
        Image.new("L", (8, 8), 40 * i).save(tmp_path / "mine" / "images" / f"i{i}.png")
    (tmp_path / "mine" / "images" / "i6.png").write_bytes(PICTURES[kind]())
    rows = "".join(f"i{i}.png,{i % 2},{1 - i % 2}\n" for i in range(7))
    (tmp_path / "mine" / "labels.csv").write_text("file,x,y\n" + rows)
    words = ["data", "prepare", "folder", "--data", "mine", "--name", "n", "--cache", "c", "--workers", "1"]
    check(*words, codes=(0, 2))
