"""Pictures that are programs, bombs, or no files at all: refused fast, with nothing read beside the file itself."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
import rasterio
from PIL import Image

from gridbench.datasets.readers.files import raster_files
from gridbench.datasets.readers.rasters.limits import Limits
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import read_raster, read_shape
from gridbench.datasets.readers.source_files import Unreadable

SECRET = 171


@pytest.fixture(scope="module")
def server():
    """A server on this machine that counts who asks it for something."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()


def vrt(source, driver=""):
    return (
        '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        f"</VRTRasterBand></VRTDataset>{driver}"
    )


RAW_VRT = (
    '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1" subClass="VRTRawRasterBand">'
    '<SourceFilename relativeToVRT="0">{secret}</SourceFilename></VRTRasterBand></VRTDataset>'
)
PROGRAMS = {
    "vrt": lambda secret, url: vrt(secret),
    "raw vrt": lambda secret, url: RAW_VRT.format(secret=secret),
    "vrt over http": lambda secret, url: vrt(f"/vsicurl/{url}/a.png"),
    "vrt behind blanks": lambda secret, url: " \n" + vrt(secret),
    "gti": lambda secret, url: (
        f"<GDALTileIndexDataset><IndexDataset>{secret}</IndexDataset></GDALTileIndexDataset>"
    ),
    "wms": lambda secret, url: (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{url}</ServerUrl></Service></GDAL_WMS>'
    ),
    "wcs": lambda secret, url: f"<WCS_GDAL><ServiceURL>{url}</ServiceURL></WCS_GDAL>",
    "wmts": lambda secret, url: f"<GDAL_WMTS><GetCapabilitiesUrl>{url}</GetCapabilitiesUrl></GDAL_WMTS>",
    "envi": lambda secret, url: "ENVI\nsamples = 8\nlines = 8\nbands = 1\ndata type = 1\n",
    "ascii grid": lambda secret, url: "ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 1\n1 2\n",
    "xyz": lambda secret, url: "0 0 1\n1 0 2\n0 1 3\n1 1 4\n",
    "mrf": lambda secret, url: (
        f'<MRF_META><Raster><Size x="8" y="8"/></Raster><DataFile>{secret}</DataFile></MRF_META>'
    ),
    "geojson": lambda secret, url: '{"type": "FeatureCollection", "features": []}',
    "isis": lambda secret, url: f"Object = IsisCube\n  ^Core = {secret}\nEnd_Object\nEnd\n",
    "pds": lambda secret, url: f"PDS_VERSION_ID = PDS3\n^IMAGE = {secret}\nEND\n",
    "svg": lambda secret, url: f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}"/></svg>',
    "stacta": lambda secret, url: '{"type": "Feature", "stac_version": "1.0.0", "asset_templates": {}}',
}


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg", ".vrt", ""])
def test_a_description_of_other_files_is_no_image(kind, ending, tmp_path, server):
    url, asked = server
    secret = tmp_path / "secret"
    secret.write_bytes(bytes([SECRET]) * 64)
    path = tmp_path / f"evil{ending}"
    path.write_text(PROGRAMS[kind](secret, url))
    before = len(asked)
    for read in (read_raster, read_shape):
        with pytest.raises(Unreadable, match="is not an image in a supported format"):
            read(path)
    assert len(asked) == before


NAMES = [
    "/vsicurl/{url}/a.png",
    "/vsizip//{folder}/a.zip/a.png",
    "zip://{folder}/a.zip!a.png",
    "zip+{url}/a.zip!a.png",
    "{url}/a.png",
    "s3://bucket/a.png",
    "/vsistdin/",
    "GTIFF_DIR:1:{folder}/a.tif",
    "JPEG_SUBFILE:0,100,{folder}/a.jpg",
    "<VRTDataset rasterXSize='8' rasterYSize='8'></VRTDataset>",
    "WMS:{url}",
    "a\x00b.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_never_more_than_a_path(name, tmp_path, server, monkeypatch):
    url, asked = server
    monkeypatch.chdir(tmp_path)
    before = len(asked)
    from pathlib import Path

    with pytest.raises(Unreadable):
        read_raster(Path(name.format(url=url, folder=tmp_path)))
    assert len(asked) == before


def test_a_file_with_the_name_of_a_program_is_read_as_what_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for name in ("GTIFF_DIR:1:a.tif", "zip:a.png", "<VRTDataset>.png"):
        path = tmp_path / name
        Image.fromarray(pixels).save(path, format="png")
        np.testing.assert_array_equal(
            read_raster(path.relative_to(tmp_path)).pixels, pixels.transpose(2, 0, 1)
        )


def test_side_cars_are_not_looked_at(tmp_path):
    pixels = np.zeros((1, 8, 8), np.uint8)
    path = tmp_path / "a.tif"
    with (
        quick_raster_access(),
        rasterio.open(path, "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8") as out,
    ):
        out.write(pixels)
    alone = read_shape(path)
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><PAMRasterBand band='1'><NoDataValue>0</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    (tmp_path / "a.tfw").write_text("2\n0\n0\n-2\n100\n100\n")
    (tmp_path / "a.tif.ovr").write_bytes(path.read_bytes())
    (tmp_path / "a.tif.msk").write_bytes(path.read_bytes())
    assert read_shape(path) == alone
    assert (alone.nodata, alone.transform) == (None, None)


def fifo(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def listening(path):
    # A socket's path has room for about a hundred characters.
    os.chdir(path.parent)
    socket.socket(socket.AF_UNIX).bind(path.name)


@pytest.mark.parametrize(
    ("make", "word"),
    [(fifo, "named pipe"), (device, "device"), (listening, "socket"), (lambda path: path.mkdir(), "folder")],
)
def test_what_is_no_regular_file_is_never_opened(make, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.png"
    make(path)
    for read in (read_raster, read_shape):
        with pytest.raises(Unreadable, match=word):
            read(path)


def png_of(width, height, bits=8, kind=0):
    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    packed = zlib.compressobj(9)
    rows = bytes(1 + width * bits // 8)
    content = b"".join([packed.compress(rows) for _ in range(min(height, 64))]) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def tiff_of(width, height, bands=1, bits=8, tile=256):
    """A sparse TIFF: no tile is there, and each counts as zeros."""
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(277, 3, 1, bands), (322, 3, 1, tile), (323, 3, 1, tile), (324, 4, 1, 0), (325, 4, 1, 0)]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\x00" + struct.pack("<IH", 8, len(entries)) + body + struct.pack("<I", 0)


def gif_of(width, height):
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";" + bytes(20)


def jp2_of(width, height, bands=1):
    sizes = struct.pack(">HHIIIIIIIIH", 41, 0, width, height, 0, 0, width, height, 0, 0, bands)
    return b"\xff\x4f\xff\x51" + sizes + b"\x07\x01\x01" * bands


def webp_of(size):
    return b"RIFF" + struct.pack("<I", 40) + b"WEBPVP8L" + struct.pack("<IBI", 5, 0x2F, size - 1) + bytes(24)


BOMBS = {
    "png": (png_of(40_000, 40_000), "pixels"),
    "png of 16 bits": (png_of(30_000, 30_000, 16, 2), "pixels"),
    "sparse tiff": (tiff_of(200_000, 200_000), "pixels"),
    "sparse tiff below the limit": (tiff_of(11_000, 11_000), "times as large"),
    "bands": (tiff_of(64, 64, 60_000), "bands"),
    "tile": (tiff_of(64, 64, tile=40_000), "tiles of"),
    "gif": (gif_of(65_000, 65_000), "pixels"),
    "jp2": (jp2_of(60_000, 60_000), "pixels"),
    "jp2 of many bands": (jp2_of(64, 64, 16_384), "bands"),
    "bmp": (
        b"BM"
        + struct.pack("<IIIIiiHHIIIIII", 100, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
        + bytes(60),
        "cut short",
    ),
    "bmp of runs": (
        b"BM"
        + struct.pack("<IIIIiiHHIIIIII", 100, 0, 54, 40, 60_000, 60_000, 1, 8, 1, 60, 0, 0, 0, 0)
        + bytes(2000),
        "",
    ),
    "ppm": (b"P6\n60000 60000\n255\n" + bytes(100), "cut short"),
    "tiff whose pages go in a circle": (tiff_of(8, 8)[:-4] + struct.pack("<I", 8), "circle"),
    "tiff of many strips": (
        b"II*\x00" + struct.pack("<IHHHIII", 8, 1, 273, 4, 0xFFFFFFFF, 8, 0),
        "damaged",
    ),
}


def limited_reader(folder):
    """Read each file of a folder in a process with bounded memory; return its answers, and its peak in MiB."""
    code = (
        "import resource, sys, time\nfrom pathlib import Path\n"
        "from gridbench.datasets.readers.rasters.opening import quick_raster_access\n"
        "from gridbench.datasets.readers.rasters.raster import read_raster, read_shape\n"
        "from gridbench.datasets.readers.source_files import Unreadable\n"
        "import rasterio\n"
        "start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    for read in (read_shape, read_raster):\n"
        "        began = time.monotonic()\n"
        "        try:\n            read(path); said = 'read'\n"
        "        except Unreadable as error:\n            said = error.reason\n"
        "        print(path.name, round(time.monotonic() - began, 2), said, sep='|')\n"
        "print('peak', (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024, sep='|')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60, check=True
    )
    rows = [line.split("|") for line in done.stdout.splitlines()]
    return rows[:-1], int(rows[-1][1])


def test_bombs_are_refused_from_their_heads(tmp_path):
    for name, (content, _) in BOMBS.items():
        (tmp_path / name).write_bytes(content)
    rows, peak = limited_reader(tmp_path)
    assert len(rows) == 2 * len(BOMBS)
    for name, seconds, said in rows:
        assert said != "read", name
        assert BOMBS[name][1] in said, (name, said)
        assert float(seconds) < 1, (name, seconds)
    assert peak < 200


def test_limits_are_raised_by_who_reads(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (300, 200)).save(path)
    with pytest.raises(Unreadable, match=r"200 x 300 pixels.*--max-pixels 60000"):
        read_raster(path, limits=Limits(pixels=59_999))
    assert read_raster(path, limits=Limits(pixels=60_000)).pixels.shape == (1, 200, 300)


def test_folders_behind_links_are_entered_once_and_fifos_are_no_images(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "here").mkdir()
    for path in (tmp_path / "real" / "a.png", tmp_path / "here" / "b"):
        Image.new("L", (8, 8)).save(path, format="png")
    os.mkfifo(tmp_path / "here" / "c")
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "here" / "round").symlink_to(tmp_path / "here")
    found = [path.relative_to(tmp_path / "here").as_posix() for path in raster_files(tmp_path / "here")]
    assert found == ["b", "linked/a.png"]


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_an_animation_is_no_image(tmp_path, ending):
    frames = [Image.fromarray(np.full((8, 8, 3), 90 * i, np.uint8)) for i in range(3)]
    path = tmp_path / f"a.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    for read in (read_shape, read_raster):
        with pytest.raises(Unreadable, match="is an animation of several frames"):
            read(path)
    frames[0].save(path)
    assert read_raster(path).pixels.shape[1:] == (8, 8)
