"""Access of methods to the training set: mini-batches with all their views, and passes over the whole set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbench.core.streams import numpy_stream, torch_stream
from gridbench.datasets.loading.batches import TrainingBatch, TrainingSet, ahead
from gridbench.errors import counted
from gridbench.evaluation.retrieval import IMAGE_BATCH, MAP_BATCH
from gridbench.methods.base import Averages, Batch, Entries, Geometry, Method, View, mean_of_valid
from gridbench.methods.hooks import check_views
from gridbench.methods.tasks.task import Task

__all__ = ["WholeTrainingSet", "draw_batch", "evaluating"]


class WholeTrainingSet:
    """The training set as `TrainingView`, for one call of a method.

    Args:
        method: The method, which passes put into evaluation mode.
        task: Its task.
        data: The training images with the labels that the method may see.
        seed: The run's seed.
        stream: What the call is; its random numbers come from streams of that name.
        epoch: Epoch from 0.

    Attributes:
        generator: Random numbers for this very call.
    """

    def __init__(
        self, method: Method, task: Task, data: TrainingSet, seed: int, stream: str, epoch: int = 0
    ) -> None:
        self._method, self._task, self._data = method, task, data
        self._seed, self._stream, self._epoch = seed, stream, epoch
        self._passes = 0
        self.generator = torch_stream(data.device, seed, f"method/{stream}", epoch)

    @property
    def num_samples(self) -> int:
        """Number of training images N."""
        return len(self._data)

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return self._data.num_classes

    @property
    def scene_labels(self) -> Tensor:
        """A copy of the (N, C) float32 labels that the method may see, on the training device."""
        return self._data.scene_labels.clone()

    @property
    def label_maps(self) -> Tensor | None:
        """A copy of the (N, H, W) uint8 maps that the method may see, whole, in main memory; None without maps."""
        return self._data.label_maps

    def batches(self, views: Sequence[str] = ()) -> Iterator[Batch]:
        """Yield the whole set in its order.

        Args:
            views: Views to draw; without any, images are cut at the centre as in evaluation.
        """
        data, number, views = self._data, self._passes, check_views(views, none=True)
        self._passes += 1
        size = MAP_BATCH if data.has_maps else IMAGE_BATCH
        calls = [
            partial(self._batch, np.arange(start, min(start + size, len(data))), views, number, step)
            for step, start in enumerate(range(0, len(data), size))
        ]
        yield from ahead(calls) if data.worth_preparing else (call() for call in calls)

    def apply(self, function: Callable[[Batch], Any], views: Sequence[str] = ()) -> Any:
        """Apply a function to the whole training set; see `TrainingView`."""
        parts: list[tuple[Tensor, ...]] = []
        single = True
        with evaluating(self._method):
            for batch in self.batches(views):
                found = function(batch)
                single = isinstance(found, Tensor)
                tensors = (found,) if isinstance(found, Tensor) else tuple(found)
                for tensor in tensors:
                    if not isinstance(tensor, Tensor) or tensor.shape[:1] != batch.indices.shape:
                        shape = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
                        raise ValueError(
                            f"a pass over the training set returned {shape} for "
                            f"{counted(len(batch.indices), 'image')}; it must "
                            "return a tensor of the shape (B, ...), or several"
                        )
                parts.append(tuple(tensor.cpu() for tensor in tensors))
        joined = tuple(torch.cat(kind) for kind in zip(*parts, strict=True))
        return joined[0] if single else joined

    def average(self, function: Callable[[Batch], Sequence[Entries]]) -> list[Averages]:
        """Average what a function returns of the whole training set; see `TrainingView`."""
        with evaluating(self._method):
            parts = [
                [self.averages(entries, batch)[:2] for entries in function(batch)] for batch in self.batches()
            ]
        found = []
        for kind in zip(*parts, strict=True):
            labels = [each for _, each in kind if each is not None]
            images = torch.cat([each for each, _ in kind])
            found.append(Averages(images, torch.cat(labels) if len(labels) == len(kind) else None))
        return found

    def averages(
        self, entries: Entries, batch: Batch
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor | None] | None]:
        """Return (B,) means by image, (m,) by label, and what the task says of labels."""
        values, valid = entries[0].float(), entries[1]
        labels = self._task.per_label(values, valid, batch)
        means = mean_of_valid(values, valid)
        if labels is None:
            return means, None, None
        of_label, there = labels
        return means, of_label.flatten() if there is None else of_label[there], labels

    def _batch(self, positions: NDArray[np.int64], views: Sequence[str], number: int, step: int) -> Batch:
        at = (self._epoch, number, step)
        generator = torch_stream(self._data.device, self._seed, f"method/{self._stream}", *at)
        if not views:
            return _batch_of([self._data.batch(positions, None)], self._data, self._epoch, step, generator)
        name = f"augment/{self._stream}"
        raw = [
            self._data.batch(positions, numpy_stream(self._seed, name, *at, view), strong=kind == "strong")
            for view, kind in enumerate(views)
        ]
        return _batch_of(raw, self._data, self._epoch, step, generator)


def draw_batch(
    data: TrainingSet,
    positions: NDArray[np.int64],
    views: Sequence[str],
    seed: int,
    epoch: int,
    step: int,
    num_steps: int = 1,
    sizes: tuple[int, ...] = (),
) -> Batch:
    """Put a mini-batch of training together.

    Args:
        data: The training set.
        positions: (B,) positions in it.
        views: Names of the views to draw.
        seed: The run's seed.
        epoch: Epoch from 0.
        step: Step within the epoch from 0.
        num_steps: Steps of the epoch.
        sizes: Images of each part of the batch; empty for a batch of one part.
    """
    raw = []
    for view, kind in enumerate(views):
        # The first view's stream is that of a run without others, so that further views do not change it.
        counters = (epoch, step, view) if view else (epoch, step)
        raw.append(data.batch(positions, numpy_stream(seed, "augment", *counters), strong=kind == "strong"))
    generator = torch_stream(data.device, seed, "method", epoch, step)
    return _batch_of(raw, data, epoch, step, generator, num_steps, sizes)


@contextmanager
def evaluating(method: Method) -> Iterator[None]:
    """Put a method into evaluation mode without gradients, and back as it was."""
    training = method.training
    method.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        method.train(training)


def _batch_of(
    raw: Sequence[TrainingBatch],
    data: TrainingSet,
    epoch: int,
    step: int,
    generator: torch.Generator,
    num_steps: int = 1,
    sizes: tuple[int, ...] = (),
) -> Batch:
    moved = data.augmentation.move_maps
    views = [
        View(
            each.images,
            each.label_maps,
            Geometry(each.crops.top, each.crops.left, each.crops.mirrored, each.crops.flipped)
            if moved
            else None,
        )
        for each in raw
    ]
    return Batch(
        images=views[0].images,
        scene_labels=raw[0].scene_labels,
        label_maps=views[0].label_maps,
        indices=raw[0].crops.positions,
        epoch=epoch,
        step=step,
        generator=generator,
        geometry=views[0].geometry,
        num_steps=num_steps,
        further_views=tuple(views[1:]),
        sizes=sizes,
    )
