"""Where a data set's pixels are held while they are drawn from: in memory, on the device, or on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbench.datasets.archive import Archive
from gridbench.datasets.augment import Cuts, cut_rows, cut_tensor
from gridbench.datasets.upsampling import upsample

__all__ = ["Pixels", "hold"]

HOST_BYTES = 1 << 30
DEVICE_SHARE = 0.25


class Pixels(ABC):
    """Some images of an archive, ready to be cut into batches; raw numbers at the finest resolution."""

    @abstractmethod
    def cut(self, positions: NDArray[np.int64], cuts: Cuts) -> Tensor:
        """Return (B, bands, h, w) float32 on the device.

        Args:
            positions: (B,) positions among the images that are held.
            cuts: How each is cut.
        """

    @abstractmethod
    def cut_maps(self, positions: NDArray[np.int64], cuts: Cuts) -> Tensor:
        """Return (B, h, w) int64 label maps on the device, cut like the images."""


class HostPixels(Pixels):
    """Images in memory or on disk; each batch is put together by the CPU and sent to the device."""

    def __init__(
        self,
        groups: list[NDArray[np.generic]],
        rows: NDArray[np.int64],
        maps: NDArray[np.generic] | None,
        device: torch.device,
    ) -> None:
        self.groups = groups
        self.rows = rows
        self.maps = maps
        self.device = device

    def cut(self, positions: NDArray[np.int64], cuts: Cuts) -> Tensor:
        """Return (B, bands, h, w) float32 on the device."""
        rows = self.rows[positions]
        finest = self.groups[0]
        on_host = self.device.type == "cpu"
        out = np.empty((len(rows), finest.shape[1], *cuts.size), np.float32 if on_host else finest.dtype)
        cut_rows(finest, rows, cuts, out)
        parts = [_to_float(out, self.device)]
        size = (int(finest.shape[2]), int(finest.shape[3]))
        for group in self.groups[1:]:
            native = _to_float(np.ascontiguousarray(group[rows]), self.device)
            parts.append(cut_tensor(upsample(native, size), cuts))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def cut_maps(self, positions: NDArray[np.int64], cuts: Cuts) -> Tensor:
        """Return (B, h, w) int64 label maps on the device."""
        if self.maps is None:
            raise ValueError("there are no label maps")
        out = np.empty((len(positions), *cuts.size), np.uint8)
        cut_rows(self.maps, positions, cuts, out)
        return torch.from_numpy(out).to(self.device).long()


class DevicePixels(Pixels):
    """Images that live on the device as they are stored."""

    def __init__(
        self, groups: list[NDArray[np.generic]], maps: NDArray[np.generic] | None, device: torch.device
    ) -> None:
        self.groups = [torch.from_numpy(_signed(group)).to(device) for group in groups]
        self.maps = None if maps is None else torch.from_numpy(np.ascontiguousarray(maps)).to(device)
        self.device = device

    def cut(self, positions: NDArray[np.int64], cuts: Cuts) -> Tensor:
        """Return (B, bands, h, w) float32 on the device."""
        where = torch.from_numpy(positions).to(self.device)
        size = (self.groups[0].shape[2], self.groups[0].shape[3])
        parts = []
        for group in self.groups:
            parts.append(cut_tensor(upsample(_widen(group.index_select(0, where)), size), cuts))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def cut_maps(self, positions: NDArray[np.int64], cuts: Cuts) -> Tensor:
        """Return (B, h, w) int64 label maps on the device."""
        if self.maps is None:
            raise ValueError("there are no label maps")
        where = torch.from_numpy(positions).to(self.device)
        return cut_tensor(self.maps.index_select(0, where), cuts).long()


def hold(
    archive: Archive,
    indices: NDArray[np.int64],
    label_maps: NDArray[np.generic] | None,
    device: torch.device,
    limit_bytes: int | None = None,
) -> Pixels:
    """Choose where the images are held: on the device or in memory if they fit, else on disk.

    Args:
        archive: Where they come from.
        indices: (N,) which of them.
        label_maps: (N, H, W) uint8 maps for exactly those, or None.
        device: Where batches are wanted.
        limit_bytes: Largest size that is held; None for 1 GiB of memory or a quarter of the device's.

    Returns:
        An object whose batches have the same numbers wherever it holds the images.
    """
    per_image = sum(int(np.prod(g.pixels.shape[1:])) * g.pixels.itemsize for g in archive.groups)
    total = per_image * len(indices) + (0 if label_maps is None else label_maps.nbytes)
    stored = [group.pixels for group in archive.groups]
    if device.type == "cpu":
        if total <= (HOST_BYTES if limit_bytes is None else limit_bytes):
            groups = [np.array(pixels[indices]) for pixels in stored]
            return HostPixels(groups, np.arange(len(indices)), label_maps, device)
    elif total <= (_device_room(device) if limit_bytes is None else limit_bytes):
        return DevicePixels([pixels[indices] for pixels in stored], label_maps, device)
    return HostPixels(list(stored), indices, label_maps, device)


def _device_room(device: torch.device) -> int:
    backend = getattr(torch, device.type, None)
    if backend is None or not hasattr(backend, "mem_get_info"):
        return 0
    free, _ = backend.mem_get_info(device)
    return int(free * DEVICE_SHARE)


def _signed(values: NDArray[np.generic]) -> NDArray[np.generic]:
    contiguous = np.ascontiguousarray(values)
    return contiguous.view(np.int16) if contiguous.dtype == np.uint16 else contiguous


def _widen(stored: Tensor) -> Tensor:
    if stored.dtype == torch.int16:
        return (stored.to(torch.int32) & 0xFFFF).to(torch.float32)
    return stored.to(torch.float32)


def _to_float(values: NDArray[np.generic], device: torch.device) -> Tensor:
    return _widen(torch.from_numpy(_signed(values)).to(device))
