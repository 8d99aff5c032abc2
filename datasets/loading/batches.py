"""Batches for training and evaluation, drawn from an archive."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.loading.augmentation import (
    Augmentation,
    centre_crops,
    draw_crops,
    window,
)
from gridbench.datasets.loading.crops import Crops
from gridbench.datasets.loading.storage import Pixels, hold
from gridbench.datasets.loading.strong import strong_augment

__all__ = ["EvaluationSet", "TrainingBatch", "TrainingSet", "ahead", "batches_of", "sampled_batches"]

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingBatch:
    """One mini-batch; every tensor is on the training device.

    Attributes:
        images: (B, bands, h, w) float32, standardised and augmented.
        scene_labels: (B, C) float32 in {0, 1}.
        label_maps: (B, h, w) int64, 255 = ignore, cut and mirrored like the images, or whole where the augmentation
            says so; None without maps.
        crops: Which images of the training set these are, and how each was cut.
    """

    images: Tensor
    scene_labels: Tensor
    label_maps: Tensor | None
    crops: Crops


class TrainingSet:
    """The images that a run trains on, with the labels it is given for them.

    Args:
        archive: Where the images come from.
        indices: (N,) positions in the archive.
        scene_labels: (N, C) labels for exactly those images.
        label_maps: (N, H, W) maps for exactly those images, or None.
        augmentation: Settings of the augmentation.
        device: Where batches are wanted.
        limit_bytes: Largest size that is held in memory or on the device; None to decide by room.
        statistics: What images are standardised by; see `Archive.scaling`.

    Attributes:
        scene_labels: (N, C) float32 on the device.
    """

    def __init__(
        self,
        archive: Archive,
        indices: NDArray[np.int64],
        scene_labels: NDArray[np.generic],
        label_maps: NDArray[np.generic] | None,
        augmentation: Augmentation,
        device: torch.device,
        limit_bytes: int | None = None,
        statistics: str = "train",
    ) -> None:
        if len(scene_labels) != len(indices) or (label_maps is not None and len(label_maps) != len(indices)):
            raise ValueError(f"labels for {len(indices)} images are needed")
        if label_maps is not None and tuple(label_maps.shape[1:]) != archive.image_size:
            raise ValueError(
                f"label maps of {label_maps.shape[1:]} do not lie on images of {archive.image_size}"
            )
        window(archive.image_size, augmentation.crop)
        self.archive = archive
        self.indices = np.asarray(indices, dtype=np.int64)
        self.augmentation = augmentation
        self.device = device
        self.scene_labels = torch.from_numpy(np.ascontiguousarray(scene_labels, dtype=np.float32)).to(device)
        self._maps = label_maps
        self._pixels = hold(archive, self.indices, label_maps, device, limit_bytes, statistics)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def has_maps(self) -> bool:
        """Whether batches hold label maps."""
        return self._maps is not None

    @property
    def label_maps(self) -> Tensor | None:
        """A copy of the (N, H, W) uint8 maps, whole, in main memory; None without maps."""
        return None if self._maps is None else torch.from_numpy(np.array(self._maps, dtype=np.uint8))

    @property
    def held(self) -> Pixels:
        """The images, where they stay from batch to batch, so that other users need not hold a copy."""
        return self._pixels

    @property
    def worth_preparing(self) -> bool:
        """Whether a batch takes the CPU or the disk long enough to be made during the step before it."""
        return self._pixels.worth_preparing

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self.scene_labels.shape[1]

    def batch(
        self, positions: NDArray[np.int64], rng: np.random.Generator | None, strong: bool = False
    ) -> TrainingBatch:
        """Put one mini-batch together.

        Args:
            positions: (B,) positions in this set.
            rng: Decides all that is random; None cuts at the centre and changes nothing else, as in evaluation.
            strong: Whether images are augmented strongly after they are cut.
        """
        positions = np.ascontiguousarray(positions, dtype=np.int64)
        size, how = self.archive.image_size, self.augmentation
        crops = (
            centre_crops(positions, size, how.crop) if rng is None else draw_crops(positions, size, how, rng)
        )
        there = crops.to(self.device)
        images = self._pixels.cut(crops, there)
        maps = None
        if self._maps is not None and how.move_maps:
            maps = self._pixels.cut_maps(crops, there)
        elif self._maps is not None:
            maps = self._pixels.cut_maps(crops.unmirrored(size), there.unmirrored(size))
        if rng is not None and (strong or how.always_strong):
            images, moved = strong_augment(images, maps if how.move_maps else None, how.strength, rng)
            maps = moved if how.move_maps else maps
        return TrainingBatch(images, self.scene_labels.index_select(0, there.positions), maps, there)


def batches_of(order: NDArray[np.int64] | Sequence[int], batch_size: int) -> list[NDArray[np.int64]]:
    """Divide an order of positions into mini-batches; a last one of one position joins the one before it.

    Args:
        order: Positions in the order of the epoch.
        batch_size: Positions per mini-batch, at least 1.
    """
    if batch_size < 1:
        raise ValueError(f"a batch holds at least 1 image, not {batch_size}")
    positions = np.asarray(order, dtype=np.int64)
    batches = [positions[start : start + batch_size] for start in range(0, len(positions), batch_size)]
    if batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] = np.concatenate([batches[-1], last])
    return batches


def sampled_batches(
    weights: NDArray[np.float64] | None,
    lists: Sequence[NDArray[np.int64]],
    batch_size: int,
    rng: Callable[[int], np.random.Generator],
) -> tuple[list[NDArray[np.int64]], list[tuple[int, ...]]]:
    """Draw the mini-batches of an epoch that does not visit every image once.

    Args:
        weights: (N,), at least 0 and not all 0: N positions are drawn with replacement in proportion to them.
        lists: Without weights, lists of positions of which every mini-batch holds an equal share, side by side. The
            first, which is not empty, is visited once; the others are shuffled and repeated as often as needed.
        batch_size: Positions per mini-batch, at least as many as there are lists.
        rng: The number of a list -> source of randomness.

    Returns:
        The mini-batches, and how many positions of each are of which list; an empty tuple for a batch of one part.
    """
    if weights is not None:
        drawn = rng(0).choice(len(weights), len(weights), p=weights / weights.sum())
        batches = batches_of(drawn, batch_size)
        return batches, [()] * len(batches)
    shares = [batch_size // len(lists) + (i < batch_size % len(lists)) for i in range(len(lists))]
    batches = batches_of(rng(0).permutation(lists[0]), shares[0])
    if len(lists) == 1:
        return batches, [()] * len(batches)
    parts = [batches]
    for number, (positions, share) in enumerate(zip(lists[1:], shares[1:], strict=True), 1):
        needed, source = share * len(batches), rng(number)
        rounds = -(-needed // len(positions)) if len(positions) else 0
        order = np.concatenate([positions[:0], *(source.permutation(positions) for _ in range(rounds))])
        parts.append([order[step * share : (step + 1) * share] for step in range(len(batches))])
    together = list(zip(*parts, strict=True))
    return [np.concatenate(each) for each in together], [tuple(map(len, each)) for each in together]


def ahead(calls: Iterable[Callable[[], T]], depth: int = 2) -> Iterator[T]:
    """Yield the results of calls in order, made by one background thread a little ahead of the consumer.

    Useful where the device computes while the CPU assembles batches from disk.

    Args:
        calls: What to call.
        depth: How many results are made ahead, at least 1.
    """
    waiting = iter(calls)
    with ThreadPoolExecutor(1, thread_name_prefix="gridbench-batches") as pool:
        flying = deque(pool.submit(call) for call in itertools.islice(waiting, depth))
        try:
            while flying:
                result = flying.popleft().result()
                flying.extend(pool.submit(call) for call in itertools.islice(waiting, 1))
                yield result
        finally:
            for future in flying:
                future.cancel()


class EvaluationSet:
    """Images as evaluation sees them: in a fixed order, cut at the centre, without any randomness.

    On an accelerator that has room for them they are sent once and stay, however often they are looked at.

    Args:
        archive: Where the images come from.
        indices: (N,) positions in the archive.
        crop: Side of the crop in pixels; None for the whole image.
        device: Where batches are wanted.
        statistics: What images are standardised by; see `Archive.scaling`.
        held: Exactly these images, if the caller has loaded them already.
    """

    def __init__(
        self,
        archive: Archive,
        indices: NDArray[np.int64],
        crop: int | None,
        device: torch.device,
        statistics: str = "train",
        held: Pixels | None = None,
    ) -> None:
        self.archive = archive
        self.indices = np.asarray(indices, dtype=np.int64)
        self.crop = crop
        self.device = device
        self._statistics = statistics
        self._pixels = held

    def __len__(self) -> int:
        return len(self.indices)

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """Yield standardised images in order, (B, bands, h, w) float32 on the device.

        Args:
            batch_size: Images per batch.
        """
        on_cpu = self.device.type == "cpu"
        if self._pixels is None:
            # On the CPU a copy would be no faster than the mapped file.
            limit = 0 if on_cpu else None
            self._pixels = hold(self.archive, self.indices, None, self.device, limit, self._statistics)
        starts = range(0, len(self), batch_size)
        calls = [
            partial(self._cut, self._pixels, start, min(start + batch_size, len(self))) for start in starts
        ]
        prepare = self._pixels.worth_preparing and not on_cpu
        yield from ahead(calls) if prepare else (call() for call in calls)

    def _cut(self, pixels: Pixels, start: int, stop: int) -> Tensor:
        crops = centre_crops(np.arange(start, stop), self.archive.image_size, self.crop)
        return pixels.cut(crops, crops.to(self.device))
