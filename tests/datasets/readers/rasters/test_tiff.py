from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import read_raster
from gridbench.datasets.readers.rasters.tiff import decode_plain_tiff, read_directories

PIXELS = np.random.default_rng(0).integers(0, 65536, (1, 37, 23)).astype(np.uint16)


def write(path, pixels=PIXELS, **more):
    profile = {"driver": "GTiff", "width": pixels.shape[2], "height": pixels.shape[1], "count": len(pixels)}
    with (
        quick_raster_access(),
        rasterio.open(path, "w", dtype=pixels.dtype.name, **{**profile, **more}) as sink,
    ):
        sink.write(pixels)
    return path.read_bytes()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"nodata": 0},
        {"blockysize": 4},
        {"crs": "EPSG:32634", "transform": rasterio.Affine(10, 0, 0, 0, -10, 0)},
    ],
)
def test_plain_strips_are_read_as_gdal_reads_them(tmp_path, more):
    np.testing.assert_array_equal(decode_plain_tiff(write(tmp_path / "a.tif", **more)), PIXELS[0])


@pytest.mark.parametrize(
    "more",
    [
        {"compress": "deflate"},
        {"compress": "lzw", "predictor": 2},
        {"tiled": True, "blockxsize": 16, "blockysize": 16},
        {"endianness": "BIG"},
        {"photometric": "MINISWHITE"},
        {"BIGTIFF": "YES"},
    ],
)
def test_every_other_kind_is_left_to_gdal(tmp_path, more):
    assert decode_plain_tiff(write(tmp_path / "a.tif", **more)) is None


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "uint32"])
def test_other_types_are_left_to_gdal(tmp_path, dtype):
    assert decode_plain_tiff(write(tmp_path / "a.tif", np.ones((1, 5, 5), dtype))) is None


def test_several_bands_are_left_to_gdal(tmp_path):
    assert decode_plain_tiff(write(tmp_path / "a.tif", np.ones((2, 5, 5), np.uint16))) is None


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 0.999))
def test_a_file_that_is_cut_short_is_never_decoded(tmp_path_factory, share):
    content = write(tmp_path_factory.mktemp("t") / "a.tif")
    assert decode_plain_tiff(content[: int(len(content) * share)]) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_no_error(content):
    assert decode_plain_tiff(content) is None
    assert decode_plain_tiff(b"II*\x00" + content) is None


def test_a_directory_beyond_any_file_is_damage():
    for place in (2**63, 2**64 - 1):
        with pytest.raises(ValueError):
            read_directories(io.BytesIO(b"II+\0" + struct.pack("<HHQ", 8, 0, place)), 2)


def test_the_real_bands_are_plain_and_equal(samples):
    files = sorted(samples.glob("bigearthnet-v*/**/*_B*.tif"))
    assert len(files) > 100
    with quick_raster_access():
        for path in files:
            np.testing.assert_array_equal(decode_plain_tiff(path.read_bytes()), read_raster(path).pixels[0])
