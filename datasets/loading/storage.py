"""Storage of the pixels of a data set during training: in memory, on the device, or on disk."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.loading.crops import Crops, cut_images, cut_tensors, mirror_images, to_device
from gridbench.datasets.loading.doubling import WORTH_COMPILING, double, has_numba
from gridbench.datasets.loading.upsampling import upsample

__all__ = ["Buffers", "DevicePixels", "HostPixels", "Pixels", "hold"]

HOST_BYTES = 1 << 30
DEVICE_SHARE = 0.25
SMALL_IMAGE = 8192
"""Numbers of an image up to which calls for each image take longer than its arithmetic: three bands of 52 x 52."""
_KEPT = 4
# Within `take` a kept array is known to the list and to the call that counts its holders.
_UNHELD = 2


class Buffers:
    """Arrays that are handed out again once no tensor over them is left: allocating costs more than filling them.

    A tensor made by `torch.from_numpy` holds a reference to its array until its storage is freed, whoever
    shares that storage; so the reference count tells whether an array is still in use.
    """

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.float32]] = []

    def take(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an unused, uninitialised float32 array of the given shape."""
        arrays = self._arrays
        for i in range(len(arrays)):
            if sys.getrefcount(arrays[i]) <= _UNHELD and arrays[i].shape == shape:
                return arrays[i]
        fresh = np.empty(shape, dtype=np.float32)
        if len(arrays) >= _KEPT:
            del arrays[0]
        arrays.append(fresh)
        return fresh


class Pixels(ABC):
    """Some images of an archive, ready to be cut into standardised batches on a device.

    Coarser groups are standardised and mirrored before they are upsampled: the kernel is symmetric and its weights
    sum to one, so that is the same and less work.

    Args:
        archive: Where the images come from.
        device: Where batches are wanted.
        statistics: What images are standardised by; see `Archive.scaling`.

    Attributes:
        worth_preparing: Whether batches are worth putting together while the step before is computed.
    """

    worth_preparing = False

    def __init__(self, archive: Archive, device: torch.device, statistics: str = "train") -> None:
        self.size = archive.image_size
        self.device = device
        mean, scale = archive.scaling(statistics)
        bands = [len(group.bands) for group in archive.groups]
        self.mean = [part.to(device) for part in torch.split(mean, bands)]
        self.scale = [part.to(device) for part in torch.split(scale, bands)]

    @abstractmethod
    def cut(self, crops: Crops, there: Crops) -> Tensor:
        """Return (B, bands, h, w) float32 on the device: standardised, cut, mirrored and shifted.

        Args:
            crops: How each is cut, on the CPU.
            there: The same on the device.
        """

    @abstractmethod
    def cut_maps(self, crops: Crops, there: Crops) -> Tensor:
        """Return (B, h, w) int64 label maps on the device, cut like the images."""

    def _standardise(self, group: int, images: Tensor, shift: Tensor | None) -> Tensor:
        images.sub_(self.mean[group]).mul_(self.scale[group])
        return images if shift is None else images.add_(shift.view(-1, 1, 1, 1))


class HostPixels(Pixels):
    """Images in memory or on disk; each batch is put together by the CPU and sent to the device.

    Args:
        archive: Where the images come from.
        groups: Pixels of each group, (N, bands, H, W).
        rows: Row of `groups` of each image that is held.
        maps: (n, H, W) label maps of the images that are held, or None.
        device: Where batches are wanted.
        statistics: What images are standardised by; see `Archive.scaling`.
    """

    def __init__(
        self,
        archive: Archive,
        groups: list[NDArray[np.generic]],
        rows: NDArray[np.int64],
        maps: NDArray[np.generic] | None,
        device: torch.device,
        statistics: str = "train",
    ) -> None:
        super().__init__(archive, device, statistics)
        self.groups = groups
        self.rows = rows
        self.maps = maps
        self._buffers = Buffers()
        self._compiled = device.type == "cpu" and len(archive) >= WORTH_COMPILING and has_numba()
        self._host_mean = [part.cpu().numpy() for part in self.mean]
        self._host_scale = [part.cpu().numpy() for part in self.scale]

    def cut(self, crops: Crops, there: Crops) -> Tensor:
        """Return (B, bands, h, w) float32 on the device."""
        rows = self.rows[crops.positions.numpy()]
        if self.device.type != "cpu":
            return self._cut_elsewhere(rows, crops, there)
        bands = [group.shape[1] for group in self.groups]
        out = self._buffers.take((len(rows), sum(bands), *crops.size))
        self._fill(0, rows, crops, out[:, : bands[0]])
        result = torch.from_numpy(out)
        start = bands[0]
        for group in range(1, len(self.groups)):
            stop = start + bands[group]
            native = np.empty((len(rows), *self.groups[group].shape[1:]), dtype=np.float32)
            if crops.size == self.size:
                self._fill(group, rows, crops.whole(native.shape[2:]), native)
                self._upsample(native, out[:, start:stop])
            else:
                self._fill(group, rows, crops.unmirrored(native.shape[2:]), native)
                whole = np.empty((*native.shape[:2], *self.size), dtype=np.float32)
                self._upsample(native, whole)
                result[:, start:stop] = _cut_all(torch.from_numpy(whole), crops)
            start = stop
        return result

    def cut_maps(self, crops: Crops, there: Crops) -> Tensor:
        """Return (B, h, w) int64 label maps on the device."""
        if self.maps is None:
            raise ValueError("there are no label maps")
        out = np.empty((len(crops.positions), *crops.size), np.uint8)
        _cut_into(out, self.maps, crops.positions.numpy(), crops)
        return to_device(torch.from_numpy(out), self.device).long()

    def _fill(self, group: int, rows: NDArray[np.int64], crops: Crops, out: NDArray[np.float32]) -> None:
        """Cut and standardise image by image, while it is in the processor's cache; small ones all at once."""
        mean, scale = self._host_mean[group], self._host_scale[group]
        shift = None if crops.shift is None else crops.shift.numpy()
        if out[:1].size <= SMALL_IMAGE and crops.size == self.groups[group].shape[2:]:
            out[...] = mirror_images(self.groups[group], rows, crops)
            out -= mean
            out *= scale
            if shift is not None:
                out += shift[:, None, None, None]
            return
        for i, piece in enumerate(cut_images(self.groups[group], rows, crops)):
            out[i] = piece
            out[i] -= mean
            out[i] *= scale
            if shift is not None:
                out[i] += shift[i]

    def _upsample(self, native: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        h, w = native.shape[2:]
        if self._compiled and (2 * h, 2 * w) == self.size and min(h, w) >= 4:
            double(native, out)
        else:
            upsample(torch.from_numpy(native), self.size, torch.from_numpy(out))

    def _cut_elsewhere(self, rows: NDArray[np.int64], crops: Crops, there: Crops) -> Tensor:
        """Send the numbers as they are stored, and do the rest on the device."""
        parts = []
        for index, group in enumerate(self.groups):
            finest = index == 0
            how = crops if finest else crops.whole(group.shape[2:])
            if not finest and crops.size != self.size:
                how = crops.unmirrored(group.shape[2:])
            out = np.empty((len(rows), group.shape[1], *how.size), group.dtype)
            _cut_into(out, group, rows, how)
            images = self._standardise(index, _to_float(out, self.device), there.shift)
            images = images if finest else upsample(images, self.size)
            parts.append(images if finest or crops.size == self.size else _cut_all(images, there))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class DevicePixels(Pixels):
    """Images kept on the device as they are stored.

    Args:
        archive: Where the images come from.
        groups: Pixels of each group, of exactly the images that are held.
        maps: (n, H, W) label maps, or None.
        device: Where they are held.
        statistics: What images are standardised by; see `Archive.scaling`.
    """

    def __init__(
        self,
        archive: Archive,
        groups: list[NDArray[np.generic]],
        maps: NDArray[np.generic] | None,
        device: torch.device,
        statistics: str = "train",
    ) -> None:
        super().__init__(archive, device, statistics)
        self.groups = [torch.from_numpy(_signed(group)).to(device) for group in groups]
        self.maps = None if maps is None else torch.from_numpy(np.ascontiguousarray(maps)).to(device)

    def cut(self, crops: Crops, there: Crops) -> Tensor:
        """Return (B, bands, h, w) float32 on the device."""
        parts = []
        for index, group in enumerate(self.groups):
            if index == 0:
                cut = _widen(cut_tensors(group, there.positions, there))
                parts.append(self._standardise(0, cut, there.shift))
            elif crops.size == self.size:
                mirrored = _widen(
                    cut_tensors(group, there.positions, there.whole((group.shape[2], group.shape[3])))
                )
                parts.append(upsample(self._standardise(index, mirrored, there.shift), self.size))
            else:
                native = _widen(group.index_select(0, there.positions))
                whole = upsample(self._standardise(index, native, there.shift), self.size)
                parts.append(_cut_all(whole, there))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def cut_maps(self, crops: Crops, there: Crops) -> Tensor:
        """Return (B, h, w) int64 label maps on the device."""
        if self.maps is None:
            raise ValueError("there are no label maps")
        return cut_tensors(self.maps, there.positions, there).long()


def hold(
    archive: Archive,
    indices: NDArray[np.int64],
    label_maps: NDArray[np.generic] | None,
    device: torch.device,
    limit_bytes: int | None = None,
    statistics: str = "train",
) -> Pixels:
    """Choose where the images are held: on the device or in memory if they fit, else on disk.

    Args:
        archive: Where they come from.
        indices: (N,) which of them.
        label_maps: (N, H, W) uint8 maps for exactly those, or None.
        device: Where batches are wanted.
        limit_bytes: Largest size that is held; None for 1 GiB of memory or a quarter of the device's.
        statistics: What images are standardised by; see `Archive.scaling`.

    Returns:
        An object whose batches have the same numbers wherever it holds the images.
    """
    per_image = sum(int(np.prod(g.pixels.shape[1:])) * g.pixels.itemsize for g in archive.groups)
    total = per_image * len(indices) + (0 if label_maps is None else label_maps.nbytes)
    stored = [group.pixels for group in archive.groups]
    if device.type == "cpu":
        if total <= (HOST_BYTES if limit_bytes is None else limit_bytes):
            groups = [np.array(pixels[indices]) for pixels in stored]
            return HostPixels(archive, groups, np.arange(len(indices)), label_maps, device, statistics)
    elif total <= (_device_room(device) if limit_bytes is None else limit_bytes):
        return DevicePixels(archive, [pixels[indices] for pixels in stored], label_maps, device, statistics)
    pixels = HostPixels(archive, list(stored), indices, label_maps, device, statistics)
    pixels.worth_preparing = True
    return pixels


def _cut_into(
    out: NDArray[np.generic], source: NDArray[np.generic], rows: NDArray[np.int64], crops: Crops
) -> None:
    for i, piece in enumerate(cut_images(source, rows, crops)):
        out[i] = piece


def _cut_all(images: Tensor, crops: Crops) -> Tensor:
    """Cut a batch (B, ..., H, W) that was put together already."""
    return cut_tensors(images, torch.arange(len(images), device=images.device), crops)


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
    # Few operations support 16-bit unsigned numbers, so they are transferred as signed ones of the same bits.
    if stored.dtype == torch.int16:
        return (stored.to(torch.int32) & 0xFFFF).to(torch.float32)
    return stored.to(torch.float32)


def _to_float(values: NDArray[np.generic], device: torch.device) -> Tensor:
    return _widen(to_device(torch.from_numpy(_signed(values)), device))
