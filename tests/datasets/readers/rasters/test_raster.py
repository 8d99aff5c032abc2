from __future__ import annotations

import copy
import io
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import read_raster, read_shape
from gridbench.datasets.readers.source_files import Unreadable, digest_of

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 50, 3)).astype(np.uint8)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
FORMATS = ["png", "jpg", "bmp", "gif", "webp", "ppm", "jp2", "j2k", "tif", "deflate.tif"]


@pytest.fixture(params=FORMATS)
def file(request, tmp_path):
    path = tmp_path / f"image.{request.param}"
    if request.param == "deflate.tif":
        profile = {
            "driver": "GTiff",
            "width": 50,
            "height": 60,
            "count": 3,
            "dtype": "uint8",
            "compress": "deflate",
        }
        with quick_raster_access(), rasterio.open(path, "w", **profile) as sink:
            sink.write(PIXELS.transpose(2, 0, 1))
    else:
        Image.fromarray(PIXELS).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "how", "lossy"),
    [
        ("a.jpg", {}, True),
        ("a.webp", {"quality": 50}, True),
        ("a.webp", {"lossless": True}, False),
        ("a.webp", {"quality": 50, "exif": bytes(Image.Exif())}, True),
        ("a.tif", {"compression": "jpeg"}, True),
        ("a.tif", {"compression": "tiff_lzw"}, False),
        ("a.jp2", {"irreversible": True}, True),
        ("a.jp2", {"irreversible": False}, False),
        ("a.png", {}, False),
        ("a.bmp", {}, False),
    ],
)
def test_compression_that_changes_numbers_is_known(tmp_path, name, how, lossy):
    Image.fromarray(PIXELS).save(tmp_path / name, **how)
    raster = read_raster(tmp_path / name)
    assert raster.lossy == lossy
    if not lossy:
        assert (raster.pixels == PIXELS.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("share", [0.999, 0.98, 0.5, 0.1])
def test_a_file_that_is_cut_short_is_never_read_as_something_else(file, share):
    with quick_raster_access():
        read_raster(file)
        content = file.read_bytes()
        file.write_bytes(content[: min(len(content) - 1, int(len(content) * share))])
        with pytest.raises(Unreadable) as caught:
            read_raster(file)
    assert caught.value.path == str(file)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is missing"),
        (b"", "is empty"),
        (b"text", "is not an image in a supported format"),
        (POINTER, "Git LFS"),
    ],
)
def test_what_is_no_image_is_said_plainly(tmp_path, content, reason, capfd):
    path = tmp_path / "a.tif"
    if content is not None:
        path.write_bytes(content)
    for read in (read_raster, read_shape):
        with quick_raster_access(), pytest.raises(Unreadable, match=reason):
            read(path)
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_no_image(tmp_path):
    with quick_raster_access(), pytest.raises(Unreadable):
        read_raster(tmp_path)


def test_a_png_with_bytes_behind_its_end_is_whole(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "png")
    path = tmp_path / "a.png"
    path.write_bytes(buffer.getvalue() + bytes(5000))
    with quick_raster_access():
        np.testing.assert_array_equal(read_raster(path).pixels, PIXELS.transpose(2, 0, 1))


def test_transparency_is_no_band_and_a_palette_is_three(tmp_path):
    Image.fromarray(np.dstack([PIXELS, PIXELS[:, :, 0]])).save(tmp_path / "rgba.png")
    Image.fromarray(PIXELS[:, :, :2], mode="LA").save(tmp_path / "la.png")
    Image.fromarray(PIXELS).quantize(8).save(tmp_path / "p.png")
    with quick_raster_access():
        assert read_shape(tmp_path / "rgba.png")[:5] == (3, 60, 50, "uint8", True)
        assert read_shape(tmp_path / "la.png")[:5] == (1, 60, 50, "uint8", True)
        assert read_shape(tmp_path / "p.png")[:5] == (3, 60, 50, "uint8", False)
        np.testing.assert_array_equal(read_raster(tmp_path / "la.png").pixels[0], PIXELS[:, :, 0])
        coded = read_raster(tmp_path / "p.png")
    expected = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    np.testing.assert_array_equal(coded.palette[coded.pixels[0]], expected)


def test_plain_images_raise_no_warning(file, recwarn):
    with quick_raster_access():
        read_raster(file)
    assert not [w for w in recwarn if "eoreference" in str(w.message)]


def test_the_error_travels_between_processes():
    error = copy.copy(Unreadable(Path("a/b.tif"), "is empty"))  # by the protocol that processes use
    assert (error.path, error.reason) == ("a/b.tif", "is empty")


def test_the_digest_hangs_on_every_byte(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"two")
    first = digest_of([tmp_path / "a", tmp_path / "b"])
    assert len(first) == 32
    (tmp_path / "b").write_bytes(b"twp")
    assert digest_of([tmp_path / "a", tmp_path / "b"]) != first
    with pytest.raises(Unreadable):
        digest_of([tmp_path / "c"])
