"""Random crops, mirrorings and brightness, drawn per image and applied to image and label map alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.loading.strong import DEFAULT_STRENGTH
from gridbench.errors import InputError

__all__ = [
    "Augmentation",
    "Cuts",
    "centre_cuts",
    "cut_rows",
    "draw_cuts",
    "whole_cuts",
    "window",
]

PUBLISHED_CROP_SEED = 42


@dataclass(frozen=True)
class Augmentation:
    """What training changes about an image at random.

    Attributes:
        crop: Side of the crop in pixels; None for the whole image.
        flips: Whether to mirror left-right and top-bottom, each with probability 1/2.
        brightness: b of the shift U(-b, b) that is added to a standardised image.
        crop_for: Whether each image gets a crop of its own, or the whole run the same one, as the published code
            does by drawing from a fixed seed in every batch.
        brightness_for: Whether each image gets a shift of its own, or each batch one.
        move_maps: Whether label maps are cut and mirrored with their images; the published code leaves them whole.
        strength: Of strong views, 0 to 1.
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


@dataclass(frozen=True)
class Cuts:
    """Where each image of a batch is cut and how it is mirrored; every array has shape (B,).

    Attributes:
        top: First row.
        left: First column.
        mirrored: Whether left and right are exchanged.
        flipped: Whether top and bottom are exchanged.
        shift: What is added to the standardised image.
        size: (height, width) of the cut.
    """

    top: NDArray[np.int64]
    left: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    flipped: NDArray[np.bool_]
    shift: NDArray[np.float32]
    size: tuple[int, int]

    def one(self, i: int) -> Cuts:
        """Return the cuts of one image alone."""
        part = slice(i, i + 1)
        return Cuts(
            self.top[part],
            self.left[part],
            self.mirrored[part],
            self.flipped[part],
            self.shift[part],
            self.size,
        )


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


def draw_cuts(
    count: int, image_size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
) -> Cuts:
    """Draw the cuts of one batch; all kinds are always drawn, so switching one off leaves the others alone.

    Args:
        count: Batch size B.
        image_size: (H, W) of the stored images.
        augmentation: What may change.
        rng: Source of randomness.
    """
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
    return Cuts(top, left, coins[0], coins[1], shift, (height, width))


def centre_cuts(count: int, image_size: tuple[int, int], crop: int | None) -> Cuts:
    """Return cuts at the centre without any randomness, for evaluation."""
    height, width = window(image_size, crop)
    top = np.full(count, (image_size[0] - height) // 2, dtype=np.int64)
    left = np.full(count, (image_size[1] - width) // 2, dtype=np.int64)
    off = np.zeros(count, dtype=np.bool_)
    return Cuts(top, left, off, off, np.zeros(count, dtype=np.float32), (height, width))


def whole_cuts(count: int, image_size: tuple[int, int]) -> Cuts:
    """Return cuts that leave images as they are stored."""
    return centre_cuts(count, image_size, None)


def cut_rows(
    source: NDArray[np.generic], rows: NDArray[np.int64], cuts: Cuts, out: NDArray[np.generic]
) -> None:
    """Cut images out of an array or a memory map straight into a batch.

    Args:
        source: (N, ..., H, W).
        rows: (B,) which images.
        cuts: How each is cut.
        out: (B, ..., height, width), written in its own type.
    """
    height, width = cuts.size
    for i, row in enumerate(rows.tolist()):
        top, left = int(cuts.top[i]), int(cuts.left[i])
        piece = source[row, ..., top : top + height, left : left + width]
        if cuts.flipped[i]:
            piece = piece[..., ::-1, :]
        out[i] = piece[..., ::-1] if cuts.mirrored[i] else piece
