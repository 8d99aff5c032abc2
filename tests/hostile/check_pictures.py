"""Pictures whose headers lie."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from inputs import bomb


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


RAW = (
    '<VRTDataset rasterXSize="4" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
    '<SourceFilename relativetoVRT="0">{}</SourceFilename><ImageOffset>0</ImageOffset></VRTRasterBand></VRTDataset>'
)
HERE = RAW.format("precious/notes.json").encode()
PROGRAMS: dict[str, Callable[[], bytes]] = {
    "a VRT after a mark of order": lambda: b"\xef\xbb\xbf" + HERE,
    "a VRT after blanks": lambda: b" \n\t" * 3000 + HERE,
    "a VRT in UTF-16": lambda: HERE.decode().encode("utf-16"),
    "a packed VRT": lambda: gzip.compress(HERE),
    "a VRT behind a PNG": lambda: png() + HERE,
    "a VRT in a text of a PNG": lambda: png(chunk(b"tEXt", b"xml:GDAL\0" + HERE)),
    "a VRT in a tag of a TIFF": lambda: (
        tiff([*SHAPE, *STRIPS[:3], (279, 4, 1, 64), (42112, 2, len(HERE), 200)]) + HERE
    ),
    "a pipeline": lambda: (
        b'{"type": "gdal_streamed_alg", "command_line": "gdal raster convert precious/notes.json x"}'
    ),
    "an index of tiles": lambda: (
        b"<GDALTileIndexDataset><IndexDataset>precious</IndexDataset></GDALTileIndexDataset>"
    ),
    "a map service": lambda: (
        b'<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:1/x</ServerUrl></Service></GDAL_WMS>'
    ),
    "a coverage service": lambda: b"<WCS_GDAL><ServiceURL>http://127.0.0.1:1/x</ServiceURL></WCS_GDAL>",
    "a drawing": lambda: b'<svg><image href="file:///etc/passwd"/></svg>',
    "a document": lambda: b"%PDF-1.4\n1 0 obj<</F(/etc/passwd)/S/Launch>>endobj",
    "HDF5 with outer files": lambda: b"\x89HDF\r\n\x1a\n" + bytes(500),
    "netCDF": lambda: b"CDF\x01" + bytes(100),
    "FITS": lambda: b"SIMPLE  =                    T" + b" " * 3000,
    "an archive of files": lambda: bomb("precious/notes.json", 1),
    "an empty PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd)run",
    "a picture of Windows that is a VRT": lambda: b"BM" + HERE,
    "an icon": lambda: b"\0\0\1\0\1\0" + bytes(40),
}


def own(folder: Path, more: dict[str, bytes]) -> None:
    """Write seven pictures with a table of labels, of which `more` replaces or adds some."""
    from PIL import Image

    (folder / "mine" / "images").mkdir(parents=True)
    for i in range(7):
        Image.new("L", (8, 8), 30 * i).save(folder / "mine" / "images" / f"i{i}.png")
    for name, content in more.items():
        (folder / "mine" / "images" / name).write_bytes(content)
    rows = "".join(f"i{i}.png,{i % 2},{1 - i % 2}\n" for i in range(7))
    (folder / "mine" / "labels.csv").write_text("file,x,y\n" + rows)


OWN = ["data", "prepare", "folder", "--data", "mine", "--name", "n", "--cache", "c", "--workers", "1"]


def no_secrets(folder: Path) -> None:
    """The first bytes of the file that a picture names are in no file that was packed."""
    assert not [
        path for path in (folder / "c").rglob("*") if path.is_file() and b"mine"[::-1] in path.read_bytes()
    ]
    assert not [path for path in (folder / "c").rglob("*.npy") if b"mine" in path.read_bytes()]


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("name", ["i6.png", "i6.tif"])
def test_a_picture_that_is_a_program_reads_no_file(check, tmp_path, kind, name):
    own(tmp_path, {name: PROGRAMS[kind]()})
    check(*OWN, codes=(0, 2))
    no_secrets(tmp_path)


@pytest.mark.parametrize("suffix", [".aux.xml", ".ovr", ".msk", ".wld", ".tfw", ".vrt", ".xml", ".rrd"])
@pytest.mark.parametrize("form", ["TIFF", "PNG"])
def test_no_file_beside_a_picture_is_read(check, tmp_path, suffix, form):
    import os

    own(tmp_path, {})
    images = tmp_path / "mine" / "images"
    (images / f"i6.png{suffix}").write_bytes(HERE)
    os.mkfifo(images / f"i5.png{suffix}")
    os.mkfifo(images / f"i5{suffix}")
    check(*OWN, codes=(0, 2))
    no_secrets(tmp_path)


PLACES = [
    "/vsicurl/http://127.0.0.1:1/x.tif", "vrt://i0.png?bands=1", "/etc/passwd", "../../precious/notes.json",
    "GTIFF_DIR:1:i0.png", "/dev/zero", "/proc/self/environ", "/vsizip/x.zip/a.png", 'NETCDF:"x":y', "$HOME/a.png",
    "https://127.0.0.1:1/a.png", "\\\\host\\share\\a.png", "file:///etc/passwd", "~/.ssh/id_rsa",
    "i0.png\0", "/dev/fd/0",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_table_names_no_file_elsewhere(check, tmp_path, place):
    own(tmp_path, {})
    table = tmp_path / "mine" / "labels.csv"
    table.write_text(table.read_text().replace("i6.png", f'"{place}"' if '"' not in place else place))
    check(*OWN, codes=(0, 2))
    no_secrets(tmp_path)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_mask_that_is_a_program_reads_no_file(check, tmp_path, kind):
    own(tmp_path, {})
    (tmp_path / "mine" / "labels.csv").unlink()
    (tmp_path / "mine" / "classes.txt").write_text("a\nb\n")
    (tmp_path / "mine" / "masks").mkdir()
    for i in range(7):
        content = (tmp_path / "mine" / "images" / "i0.png").read_bytes() if i else PROGRAMS[kind]()
        (tmp_path / "mine" / "masks" / f"i{i}.png").write_bytes(content)
    check(*OWN, codes=(0, 2))
    no_secrets(tmp_path)
