"""Random crops, mirrorings and brightness, drawn per image and applied to image and label map alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from gridbench.datasets.loading.crops import Crops
from gridbench.datasets.loading.strong import DEFAULT_STRENGTH
from gridbench.errors import InputError

__all__ = [
    "Augmentation",
    "centre_crops",
    "draw_crops",
    "window",
]

PUBLISHED_CROP_SEED = 42
"""Seed of the crop under `crop_for="run"`. The published code makes its crop layer anew for every batch, each time with
this seed, so that all images of all runs get one crop."""


@dataclass(frozen=True)
class Augmentation:
    """Settings of random data augmentation for training.

    Attributes:
        crop: Side of the crop in pixels; None for the whole image.
        flips: Whether to mirror left-right and top-bottom, each with probability 1/2.
        brightness: b of the shift U(-b, b) that is added to a standardised image.
        crop_for: Whether each image gets a crop of its own, or the whole run the same one, as the published code
            does by drawing from a fixed seed in every batch.
        brightness_for: Whether each image gets a shift of its own, or each batch one.
        move_maps: Whether label maps are cut and mirrored with their images; the published code leaves them whole.
        strength: Strength of strong views, 0 to 1.
        always_strong: Whether every view is strong, whatever the method asks for.
    """

    crop: int | None = None
    flips: bool = False
    brightness: float = 0.0
    crop_for: Literal["image", "run"] = "image"
    brightness_for: Literal["image", "batch"] = "image"
    move_maps: bool = True
    strength: float = DEFAULT_STRENGTH
    always_strong: bool = False

    def fixed(self, image_size: tuple[int, int]) -> bool:
        """Return whether images of that size (H, W) look the same in every weak view."""
        same_place = self.crop_for == "run" or window(image_size, self.crop) == tuple(image_size)
        return same_place and not (self.flips or self.brightness or self.always_strong)


def window(image_size: tuple[int, int], crop: int | None) -> tuple[int, int]:
    """Return (height, width) of the cut; a crop larger than the image is an InputError."""
    if crop is None:
        return image_size
    if not 0 < crop <= min(image_size):
        height, width = image_size
        raise InputError(
            f"The crop is {crop} px; the images are {height} x {width}, so 1 to {min(image_size)} fits."
        )
    return crop, crop


def draw_crops(
    positions: NDArray[np.int64],
    image_size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> Crops:
    """Draw the crops of one batch; all kinds are always drawn, so switching one off does not change the others.

    Args:
        positions: (B,) positions among the images that are held.
        image_size: (H, W) of the stored images.
        augmentation: Settings of the augmentation.
        rng: Random number generator.

    Returns:
        The crops, on the CPU.
    """
    count = len(positions)
    height, width = window(image_size, augmentation.crop)
    top = rng.integers(0, image_size[0] - height + 1, count)
    left = rng.integers(0, image_size[1] - width + 1, count)
    coins = rng.random((2, count)) < 0.5
    if not augmentation.flips:
        coins[:] = False
    shift = (rng.uniform(-1.0, 1.0, count) * augmentation.brightness).astype(np.float32)
    if augmentation.crop_for == "run":
        fixed = np.random.default_rng(PUBLISHED_CROP_SEED)
        top[:] = fixed.integers(0, image_size[0] - height + 1)
        left[:] = fixed.integers(0, image_size[1] - width + 1)
    if augmentation.brightness_for == "batch":
        shift[:] = shift[:1]
    where, mirrored, flipped = (torch.from_numpy(each) for each in (positions, *coins))
    shifts = torch.from_numpy(shift) if shift.any() else None
    return Crops(
        where, torch.from_numpy(top), torch.from_numpy(left), mirrored, flipped, shifts, (height, width)
    )


def centre_crops(positions: NDArray[np.int64], image_size: tuple[int, int], crop: int | None) -> Crops:
    """Return crops at the centre without any randomness, for evaluation; arguments as `draw_crops`."""
    height, width = window(image_size, crop)
    count = len(positions)
    top = torch.full((count,), (image_size[0] - height) // 2)
    left = torch.full((count,), (image_size[1] - width) // 2)
    off = torch.zeros(count, dtype=torch.bool)
    return Crops(torch.from_numpy(positions), top, left, off, off, None, (height, width))
