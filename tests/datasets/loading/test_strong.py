"""Strong augmentation: maps follow images, nothing but the generator decides, and any number of bands will do."""

import numpy as np
import pytest
import torch

from gridbench.core.labels import IGNORE
from gridbench.datasets.loading import strong
from gridbench.datasets.loading.strong import gaussian_blur, strong_augment


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, 5, 24, 36, generator=generator), torch.randint(
        0, 7, (64, 24, 36), generator=generator
    )


def only(monkeypatch, *kept):
    """Switch off every operation but those that are named."""
    for name in ("ROTATION", "SHEAR", "TRANSLATION", "GAIN", "BRIGHTNESS", "BLUR", "CUT_OUT"):
        if name not in kept:
            monkeypatch.setattr(strong, name, 0.0)


def test_strength_zero_changes_nothing(batch):
    images, maps = strong_augment(*batch, 0.0, np.random.default_rng(0))
    assert torch.equal(images, batch[0])
    assert torch.equal(maps, batch[1])


def test_the_generator_alone_decides(batch):
    torch.manual_seed(1)
    first = strong_augment(*batch, 0.7, np.random.default_rng(5))
    torch.manual_seed(2)
    second = strong_augment(*batch, 0.7, np.random.default_rng(5))
    other = strong_augment(*batch, 0.7, np.random.default_rng(6))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("bands", [1, 2, 3, 13])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (32, 32), (40, 64)])
def test_any_bands_and_size(bands, size):
    images = torch.randn(9, bands, *size)
    changed, maps = strong_augment(images, None, 1.0, np.random.default_rng(0))
    assert maps is None
    assert changed.shape == images.shape
    assert changed.dtype == torch.float32
    assert torch.isfinite(changed).all()


def test_no_images():
    images, maps = strong_augment(torch.ones(0, 3, 8, 8), torch.ones(0, 8, 8), 1.0, np.random.default_rng(0))
    assert images.shape == (0, 3, 8, 8)
    assert maps.shape == (0, 8, 8)


def test_maps_move_with_their_images(monkeypatch):
    only(monkeypatch, "ROTATION", "SHEAR", "TRANSLATION", "CUT_OUT")
    # Each class is a block of 8 pixels whose value in the image is the class, so that away from edges they must agree.
    blocks = torch.arange(1, 17).view(4, 4).repeat_interleave(8, 0).repeat_interleave(8, 1)
    maps = blocks.expand(40, 32, 32).clone()
    images, moved = strong_augment(maps[:, None].float(), maps, 1.0, np.random.default_rng(3))
    inside = moved != IGNORE
    assert 0.2 < inside.float().mean() < 0.95
    agree = (images[:, 0] - moved).abs() < 0.02
    assert agree[inside].float().mean() > 0.6
    whole = images[:, 0] == images[:, 0].round()
    clear = inside & whole & (images[:, 0] > 0)
    assert (images[:, 0] == moved)[clear].float().mean() > 0.97
    assert set(moved.unique().tolist()) <= {*range(1, 17), IGNORE}


def test_a_translation_by_hand(monkeypatch):
    only(monkeypatch, "TRANSLATION", "ROTATION")
    monkeypatch.setattr(strong, "ROTATION", 1e-9)

    class Fixed:
        """Draws a move to the right by a quarter of the side, and nothing else."""

        def random(self, shape):
            return np.array([[0.0], [1.0], [1.0], [1.0], [1.0]])

        def uniform(self, low, high, shape):
            return (
                np.array([[1.0], [0.0], [0.25 / 0.45], [0.0], [0.0], [0.0]])[: shape[0]]
                if low
                else np.zeros(shape)
            )

    maps = torch.arange(8).expand(1, 8, 8).clone()
    images, moved = strong_augment(maps[:, None].float(), maps, 1.0, Fixed())
    # What is seen at a column is what lay a quarter of 8 pixels to its right.
    assert moved[0, 0].tolist() == [2, 3, 4, 5, 6, 7, IGNORE, IGNORE]
    assert images[0, 0, 3].tolist() == pytest.approx([2, 3, 4, 5, 6, 7, 0, 0], abs=1e-4)


def test_gain_and_brightness_by_hand(monkeypatch, batch):
    only(monkeypatch, "GAIN", "BRIGHTNESS")
    images = batch[0]
    changed, _ = strong_augment(images, None, 1.0, np.random.default_rng(1))
    mean = images.mean((2, 3), keepdim=True)
    gain = (changed - changed.mean((2, 3), keepdim=True)).std((2, 3)) / (images - mean).std((2, 3))
    shift = changed.mean((2, 3)) - mean[:, :, 0, 0]
    # One gain and one shift for all bands of an image, within their ranges, and untouched for half of the images.
    assert (gain - gain[:, :1]).abs().max() < 1e-4
    assert (shift - shift[:, :1]).abs().max() < 1e-4
    assert 0.1 - 1e-4 < gain.min() < 0.6
    assert 1.4 < gain.max() < 1.9 + 1e-4
    assert shift.abs().max() < 1.0 + 1e-4
    assert 0.3 < ((gain[:, 0] - 1).abs() < 1e-4).float().mean() < 0.7


def test_blur_keeps_the_mean_of_a_flat_image_and_smooths(monkeypatch):
    only(monkeypatch, "BLUR")
    monkeypatch.setattr(strong, "BLUR", 1 / 16)
    flat = torch.full((16, 2, 32, 32), 3.0)
    assert torch.allclose(strong_augment(flat, None, 1.0, np.random.default_rng(0))[0], flat, atol=1e-5)
    noise = torch.randn(64, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    smoothed, _ = strong_augment(noise, None, 1.0, np.random.default_rng(0))
    spread = smoothed.std((1, 2, 3))
    changed = ~torch.isclose(spread, noise.std((1, 2, 3)))
    assert 0.3 < changed.float().mean() < 0.7
    assert (spread[changed] < noise.std((1, 2, 3))[changed]).all()


def test_blur_against_scipy(monkeypatch):
    from scipy.ndimage import gaussian_filter

    only(monkeypatch)
    image = torch.randn(1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    ours = gaussian_blur(image.clone(), torch.tensor([1.3]), 6)[0, 0].numpy()
    theirs = gaussian_filter(image[0, 0].numpy(), 1.3, mode="mirror", radius=6)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_cut_out_hides_squares(monkeypatch):
    only(monkeypatch, "CUT_OUT")
    images, maps = torch.ones(200, 3, 20, 20), torch.zeros(200, 20, 20, dtype=torch.int64)
    changed, hidden = strong_augment(images, maps, 1.0, np.random.default_rng(0))
    assert torch.equal(changed[:, 0] == 0, hidden == IGNORE)
    assert torch.equal(changed[:, 0], changed[:, 2])
    rows, columns = (hidden == IGNORE).any(2).sum(1), (hidden == IGNORE).any(1).sum(1)
    assert rows.max() <= 10
    assert columns.max() <= 10
    assert 0.2 < (rows > 0).float().mean() < 0.6


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_outside_its_range(strength):
    with pytest.raises(ValueError, match="allowed is 0 to 1"):
        strong_augment(torch.ones(1, 1, 4, 4), None, strength, np.random.default_rng(0))


def test_what_is_given_stays_as_it_is(batch):
    before = [each.clone() for each in batch]
    images, maps = strong_augment(*batch, 1.0, np.random.default_rng(0))
    assert not torch.equal(images, before[0])
    assert not torch.equal(maps, before[1])
    assert all(map(torch.equal, batch, before))
