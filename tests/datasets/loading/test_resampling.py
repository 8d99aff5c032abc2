from __future__ import annotations

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from gridbench.datasets.loading.doubling import double
from gridbench.datasets.loading.resampling import cubic_matrix, resize_image
from gridbench.datasets.loading.upsampling import upsample


@pytest.fixture(scope="module")
def band() -> np.ndarray:
    rng = np.random.default_rng(3)
    smooth = np.cumsum(np.cumsum(rng.normal(0, 40, (60, 60)), 0), 1)
    return (2000 + smooth - smooth.min() + rng.normal(0, 100, (60, 60))).clip(1000, 30000).astype(np.uint16)


@pytest.mark.parametrize(("source", "target"), [(60, 120), (20, 120), (7, 15), (5, 5), (1, 4), (2, 9)])
def test_equal_to_pil_bicubic(source, target):
    image = np.random.default_rng(source).random((source, source)).astype(np.float32) * 1000
    ours = upsample(torch.from_numpy(image)[None, None], (target, target))[0, 0].numpy()
    theirs = np.asarray(Image.fromarray(image, mode="F").resize((target, target), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_equal_to_gdal_cubic_where_that_does_not_clip(band):
    profile = {"driver": "GTiff", "width": 60, "height": 60, "count": 1, "dtype": "uint16"}
    profile |= {"crs": "EPSG:32634", "transform": rasterio.Affine(20, 0, 5e5, 0, -20, 5e6)}
    with MemoryFile() as file:
        with file.open(**profile) as sink:
            sink.write(band, 1)
        with file.open() as source:
            theirs = source.read(1, out_shape=(120, 120), resampling=Resampling.cubic).astype(np.float64)
    ours = upsample(torch.from_numpy(band.astype(np.float32))[None, None], (120, 120))[0, 0].numpy()
    assert np.abs(ours - theirs).max() <= 0.51


def test_it_is_not_the_kernel_that_torch_and_opencv_use(band):
    image = torch.from_numpy(band.astype(np.float32))[None, None]
    other = torch.nn.functional.interpolate(image, size=(120, 120), mode="bicubic", align_corners=False)
    assert (upsample(image, (120, 120)) - other).abs().mean() > 5


def test_constants_and_ramps_are_kept():
    matrix = cubic_matrix(120, 60)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-12)
    ramp = matrix @ (np.arange(60) + 0.5)
    np.testing.assert_allclose(ramp[4:-4], ((np.arange(120) + 0.5) / 2)[4:-4], atol=1e-12)


def test_the_same_size_is_passed_through():
    image = torch.rand(2, 3, 5, 7)
    assert upsample(image, (5, 7)) is image


def test_each_image_of_a_batch_is_upsampled_alone():
    images = torch.rand(4, 2, 6, 6)
    whole = upsample(images, (12, 12))
    torch.testing.assert_close(whole[2, 1], upsample(images[2:3, 1:2], (12, 12))[0, 0])


def test_going_to_a_smaller_size_is_refused():
    with pytest.raises(ValueError, match="upsampling"):
        upsample(torch.zeros(1, 1, 5, 5), (4, 5))
    with pytest.raises(ValueError, match="at least one pixel"):
        cubic_matrix(3, 0)


def test_writing_into_a_part_of_a_batch_gives_the_same():
    images = torch.rand(21, 2, 6, 7)
    out = torch.zeros(21, 5, 13, 14)
    returned = upsample(images, (13, 14), out[:, 2:4])
    torch.testing.assert_close(out[:, 2:4], upsample(images, (13, 14)))
    assert returned.data_ptr() == out[:, 2:4].data_ptr()
    assert not out[:, :2].any()
    assert not out[:, 4:].any()
    assert torch.equal(upsample(images, (6, 7), torch.zeros(21, 2, 6, 7)), images)


@pytest.mark.parametrize("size", [(4, 4), (5, 9), (60, 60)])
def test_the_compiled_loop_gives_the_same(size):
    images = np.random.default_rng(0).normal(size=(2, 3, *size)).astype(np.float32)
    out = np.zeros((2, 4, 2 * size[0], 2 * size[1]), np.float32)
    double(images, out[:, 1:])
    expected = upsample(torch.from_numpy(images), (2 * size[0], 2 * size[1]))
    np.testing.assert_allclose(out[:, 1:], expected, atol=2e-6)
    assert not out[:, 0].any()


@pytest.mark.parametrize(("source", "target"), [((50, 70), (32, 32)), ((20, 30), (64, 41))])
def test_images_are_resized_by_the_matrices(source, target):
    image = np.random.default_rng(0).integers(0, 65536, (2, *source)).astype(np.uint16)
    rows, columns = cubic_matrix(target[0], source[0]), cubic_matrix(target[1], source[1])
    exact = np.rint(rows @ image.astype(np.float64) @ columns.T).clip(0, 65535)
    assert np.abs(resize_image(image, target) - exact).max() <= 1
    assert (resize_image(image, target) != exact).mean() < 0.01
