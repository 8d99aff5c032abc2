"""Strong augmentation for any number of bands: geometry, gain, brightness, blur and cut-out, on whole batches.

What RandAugment (Cubuk et al., 2020) does to colour photographs, restricted to what makes sense for any band and
governed by one number. Every operation is drawn for each image with probability 1/2, and its amount from a range that
grows in proportion to the strength. Nothing mixes bands: what a colour jitter would do to a near-infrared band means
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.core.labels import IGNORE

__all__ = ["DEFAULT_STRENGTH", "gaussian_blur", "strong_augment"]

DEFAULT_STRENGTH = 0.5

# The ranges at strength 1. Rotation, shear, translation and gain are those of RandAugment at magnitude 10.
ROTATION = math.pi / 6
SHEAR = 0.3
TRANSLATION = 0.45
GAIN = 0.9
BRIGHTNESS = 1.0
"""In standard deviations of a band, since images are standardised."""
BLUR = 1 / 112
"""Standard deviation per pixel of the image's side: SimCLR's largest, 2 px at 224 px (Chen et al., 2020)."""
NEGLIGIBLE = 1e-30
CUT_OUT = 0.5
"""Side of the square per side of the image, as DeVries and Taylor (2017) for CIFAR-10."""


@dataclass(frozen=True)
class _Draws:
    """Augmentation amounts for each image; every array has shape (B,), and an amount of 0 has no effect."""

    rotation: Tensor
    shear: Tensor
    right: Tensor
    down: Tensor
    gain: Tensor
    brightness: Tensor
    blur: Tensor
    cut_row: Tensor
    cut_column: Tensor
    cut_side: Tensor

    @classmethod
    def of(cls, count: int, strength: float, rng: np.random.Generator, device: torch.device) -> _Draws:
        """Draw them; all kinds are always drawn, so that the strength changes only the amounts."""
        coins = rng.random((5, count)) < 0.5
        signed = rng.uniform(-1.0, 1.0, (6, count)) * strength
        unsigned = rng.uniform(0.0, 1.0, (4, count))
        moved, gained, shifted, blurred, cut = coins
        rows = [
            signed[0] * ROTATION * moved,
            signed[1] * SHEAR * moved,
            signed[2] * TRANSLATION * moved,
            signed[3] * TRANSLATION * moved,
            signed[4] * GAIN * gained,
            signed[5] * BRIGHTNESS * shifted,
            unsigned[0] * BLUR * strength * blurred,
            unsigned[1],
            unsigned[2],
            unsigned[3] * CUT_OUT * strength * cut,
        ]
        return cls(*torch.from_numpy(np.stack(rows).astype(np.float32)).to(device))


def strong_augment(
    images: Tensor, label_maps: Tensor | None, strength: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor | None]:
    """Change images strongly, and their label maps along with them.

    Args:
        images: (B, bands, h, w) float32, standardised; any device.
        label_maps: (B, h, w) class maps on the same device, or None.
        strength: 0 (nothing changes) to 1 (rotation to 30 degrees, shear to 0.3, translation to 0.45 of a side, gain
            0.1 to 1.9, brightness to one standard deviation, blur to 2 px at 224 px, cut-out to half a side).
        rng: Source of randomness; the same state gives the same result.

    Returns:
        Images and maps of the same shapes. What moves in from outside and what is cut out is 0 in the images, which is
        the mean of standardised ones, and 255 (ignore) in the maps.

    Raises:
        ValueError: The strength is not within 0 to 1.

    Example:
        >>> images = torch.ones(2, 3, 8, 8)
        >>> same, maps = strong_augment(images, None, 0.0, np.random.default_rng(0))
        >>> bool(torch.equal(same, images)), maps
        (True, None)
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"the strength is {strength}; allowed is 0 to 1")
    if strength == 0 or not len(images):
        return images, label_maps
    draws = _Draws.of(len(images), strength, rng, images.device)
    height, width = images.shape[2:]
    # One copy that all operations change in place: to allocate memory costs more than to fill it.
    images, label_maps = images.clone(), None if label_maps is None else label_maps.clone()
    _move(images, label_maps, draws)
    mean = images.mean((2, 3), keepdim=True)
    images.sub_(mean).mul_(1 + _column(draws.gain)).add_(mean).add_(_column(draws.brightness))
    side = min(height, width)
    gaussian_blur(images, draws.blur * side, math.ceil(3 * BLUR * side))
    hidden = _squares(draws, height, width)
    images.masked_fill_(hidden[:, None], 0.0)
    return images, None if label_maps is None else label_maps.masked_fill_(hidden, IGNORE)


def _column(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def _move(images: Tensor, label_maps: Tensor | None, draws: _Draws) -> None:
    """Rotate, shear and translate images in place, by bilinear interpolation, and maps by the nearest pixel."""
    moved = (draws.rotation != 0).nonzero().squeeze(1)
    if not len(moved):
        return
    height, width = images.shape[2:]
    turn, shear = draws.rotation[moved], draws.shear[moved]
    cos, sin = turn.cos(), turn.sin()
    # Coordinates of a grid run from -1 to 1 along each side, so a rotation of pixels needs the ratio of the sides.
    ratio = height / width
    first = torch.stack([cos, (shear * cos - sin) * ratio, 2 * draws.right[moved]], dim=1)
    second = torch.stack([sin / ratio, shear * sin + cos, 2 * draws.down[moved]], dim=1)
    grid = F.affine_grid(
        torch.stack([first, second], dim=1), [len(moved), 1, height, width], align_corners=False
    )
    images[moved] = F.grid_sample(images[moved], grid, padding_mode="zeros", align_corners=False)
    if label_maps is None:
        return
    # Whatever lies outside reads 0, so classes are shifted until IGNORE is 0; float32 holds them exactly.
    classes = (label_maps[moved] - IGNORE).float()[:, None]
    sampled = F.grid_sample(classes, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    label_maps[moved] = sampled[:, 0].round().to(label_maps.dtype) + IGNORE


def gaussian_blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blur each image in place by a Gaussian of its own width, mirrored at the edges.

    Args:
        images: (B, bands, h, w).
        sigma: (B,) standard deviations in pixels; 0 leaves an image as it is.
        radius: Pixels on either side at which the Gaussian is cut off; at most a side less 1.

    Returns:
        The same images.
    """
    chosen = (sigma > 0).nonzero().squeeze(1)
    radius = min(radius, *(side - 1 for side in images.shape[2:]))
    if not len(chosen) or radius < 1:
        return images
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernels = torch.exp(-0.5 * (offsets / sigma[chosen, None].clamp_min(1e-3)) ** 2)
    # Weights that change no sum; processors take many times as long for products of less than 1e-38.
    kernels.masked_fill_(kernels < NEGLIGIBLE, 0.0)
    kernels = (kernels / kernels.sum(1, keepdim=True)).repeat_interleave(images.shape[1], 0)
    some = images[chosen]
    padded = F.pad(some, [radius] * 4, mode="reflect").flatten(0, 1)[None]
    groups = padded.shape[1]
    across = F.conv2d(padded, kernels[:, None, None, :], groups=groups)
    down: Any = F.conv2d(across, kernels[:, None, :, None], groups=groups)
    images[chosen] = down[0].view_as(some)
    return images


def _squares(draws: _Draws, height: int, width: int) -> Tensor:
    """Return (B, height, width), where a square is cut out, which may extend beyond the image."""
    half = (draws.cut_side * min(height, width) / 2).view(-1, 1, 1)
    rows = torch.arange(height, device=half.device).add(0.5).view(1, -1, 1)
    columns = torch.arange(width, device=half.device).add(0.5).view(1, 1, -1)
    near_rows = (rows - (draws.cut_row * height).view(-1, 1, 1)).abs() < half
    near_columns = (columns - (draws.cut_column * width).view(-1, 1, 1)).abs() < half
    hidden: Tensor = near_rows & near_columns
    return hidden
