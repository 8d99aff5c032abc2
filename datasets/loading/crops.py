"""Crops of a batch: where each image is cut and how it is mirrored, carried out on the CPU or on an accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Crops", "cut_images", "cut_tensors", "mirror_images", "to_device"]


@dataclass(frozen=True)
class Crops:
    """How each image of a batch is cut; every tensor has shape (B,) and lies on one device.

    Attributes:
        positions: int64, positions among the images that are held.
        top: int64, first row.
        left: int64, first column.
        mirrored: bool, whether left and right are exchanged.
        flipped: bool, whether top and bottom are exchanged.
        shift: float32, what is added to the standardised image; None where it is zero for all.
        size: (height, width) of the crop.
    """

    positions: Tensor
    top: Tensor
    left: Tensor
    mirrored: Tensor
    flipped: Tensor
    shift: Tensor | None
    size: tuple[int, int]

    def to(self, device: torch.device) -> Crops:
        """Return the crops on a device, without waiting for it."""
        if device.type == "cpu":
            return self
        # Each transfer by itself would cost the processor about as long as launching ten kernels.
        packed = torch.stack([self.positions, self.top, self.left, self.mirrored.long(), self.flipped.long()])
        positions, top, left, mirrored, flipped = to_device(packed, device)
        shift = None if self.shift is None else to_device(self.shift, device)
        return Crops(positions, top, left, mirrored.bool(), flipped.bool(), shift, self.size)

    def whole(self, size: tuple[int, int]) -> Crops:
        """Return the same mirroring for whole images of another size (H, W)."""
        none = torch.zeros_like(self.top)
        return replace(self, top=none, left=none, size=size)

    def unmirrored(self, size: tuple[int, int]) -> Crops:
        """Return whole images of another size (H, W), not mirrored."""
        off = torch.zeros_like(self.mirrored)
        return replace(self.whole(size), mirrored=off, flipped=off)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return values on a device; an accelerator copies them while the processor continues."""
    if device.type == "cpu":
        return values
    if torch.accelerator.is_available() and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def cut_images(
    source: NDArray[np.generic], rows: NDArray[np.int64], crops: Crops
) -> Iterator[NDArray[np.generic]]:
    """Yield the crops out of an array or a memory map one by one, (..., height, width), as views.

    Args:
        source: (N, ..., H, W).
        rows: (B,) which images.
        crops: How each is cut, on the CPU.
    """
    height, width = crops.size
    each = zip(
        rows.tolist(),
        crops.top.tolist(),
        crops.left.tolist(),
        crops.flipped.tolist(),
        crops.mirrored.tolist(),
        strict=True,
    )
    for row, top, left, flipped, mirrored in each:
        piece = source[row, ..., top : top + height, left : left + width]
        if flipped:
            piece = piece[..., ::-1, :]
        yield piece[..., ::-1] if mirrored else piece


def mirror_images(source: NDArray[np.generic], rows: NDArray[np.int64], crops: Crops) -> NDArray[np.generic]:
    """Return the same as `cut_images` for crops that are whole images, as one array: less work for small images.

    Args:
        source: (N, ..., H, W).
        rows: (B,) which images.
        crops: How each is mirrored, on the CPU.
    """
    images = np.asarray(source[rows])
    for chosen, axis in ((crops.flipped, -2), (crops.mirrored, -1)):
        at = np.flatnonzero(chosen.numpy())
        images[at] = np.flip(images[at], axis)
    return images


def cut_tensors(images: Tensor, chosen: Tensor, crops: Crops) -> Tensor:
    """Cut images or maps that lie on a device: the same pixels as `cut_images`, by one kernel.

    Args:
        images: (N, ..., H, W), what is held.
        chosen: (B,) which of them.
        crops: How each is cut, on the device of the images.

    Returns:
        (B, ..., height, width).
    """
    height, width = crops.size
    inner = images.ndim - 3
    rows = _coordinates(crops.top, crops.flipped, height)
    columns = _coordinates(crops.left, crops.mirrored, width)
    index = [chosen.view(-1, *[1] * (inner + 2))]
    for axis in range(inner):
        index.append(
            torch.arange(images.shape[1 + axis], device=images.device).view(-1, *[1] * (inner + 1 - axis))
        )
    index += [rows.view(-1, *[1] * inner, height, 1), columns.view(-1, *[1] * inner, 1, width)]
    return images[tuple(index)]


def _coordinates(start: Tensor, reverse: Tensor, length: int) -> Tensor:
    """Return (B, length): from `start` on, backwards where `reverse`."""
    offsets = torch.arange(length, device=start.device)
    return start[:, None] + torch.where(reverse[:, None], length - 1 - offsets, offsets)
