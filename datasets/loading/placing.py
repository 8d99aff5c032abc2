"""Cuts on a device: all that a batch needs to know is sent in one piece, and each group is cut by one kernel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbench.datasets.loading.augmentation import Cuts

__all__ = ["Placed", "cut_placed", "send", "to_device"]


@dataclass(frozen=True)
class Placed:
    """Positions and cuts of a batch on its device; every tensor has shape (B,).

    Attributes:
        positions: int64, positions among the images that are held.
        top: int64, first row.
        left: int64, first column.
        mirrored: bool, whether left and right are exchanged.
        flipped: bool, whether top and bottom are exchanged.
        shift: float32, what is added to the standardised image; None where it is zero for all.
        size: (height, width) of the cut.
    """

    positions: Tensor
    top: Tensor
    left: Tensor
    mirrored: Tensor
    flipped: Tensor
    shift: Tensor | None
    size: tuple[int, int]


def send(positions: NDArray[np.int64], cuts: Cuts, device: torch.device) -> Placed:
    """Send positions and cuts to a device without waiting for it.

    Args:
        positions: (B,) positions among the images that are held.
        cuts: How each is cut.
        device: Where to.
    """
    if device.type == "cpu":
        top, left, mirrored, flipped = (
            torch.from_numpy(part) for part in (cuts.top, cuts.left, cuts.mirrored, cuts.flipped)
        )
        where = torch.from_numpy(positions)
    else:
        # Each transfer by itself would cost the processor about as long as launching ten kernels.
        packed = np.stack([positions, cuts.top, cuts.left, cuts.mirrored, cuts.flipped])
        where, top, left, mirrored, flipped = to_device(torch.from_numpy(packed), device)
    shift = to_device(torch.from_numpy(cuts.shift), device) if cuts.shift.any() else None
    return Placed(where, top, left, mirrored.bool(), flipped.bool(), shift, cuts.size)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return values on a device; an accelerator fetches them while the processor goes on."""
    if device.type == "cpu":
        return values
    if torch.accelerator.is_available() and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def cut_placed(images: Tensor, chosen: Tensor, placed: Placed) -> Tensor:
    """Cut images or maps that lie on a device: the same pixels as `cut_rows`, by one kernel.

    Args:
        images: (N, ..., H, W), what is held.
        chosen: (B,) which of them.
        placed: How each is cut.

    Returns:
        (B, ..., height, width).
    """
    height, width = placed.size
    inner = images.ndim - 3
    rows = _coordinates(placed.top, placed.flipped, height)
    columns = _coordinates(placed.left, placed.mirrored, width)
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
