"""Training batches: images, corrupted labels, and the crops of the images."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Batch", "Geometry", "View", "mean_of_valid", "stored_pixels"]


@dataclass(frozen=True)
class Geometry:
    """How each image of a batch, and its label map with it, was cut and mirrored, so that a method can undo it.

    All fields have shape (B,): the first row and column of the crop in the stored image, then whether the crop
    was mirrored left-right and top-bottom. A strong view is rotated, sheared and moved after that.
    """

    top: Tensor
    left: Tensor
    mirrored: Tensor
    flipped: Tensor

    def only(self, keep: Tensor | slice) -> Geometry:
        """Return the geometry of the samples in `keep`, (B,) bool or a slice."""
        return Geometry(self.top[keep], self.left[keep], self.mirrored[keep], self.flipped[keep])


@dataclass(frozen=True)
class View:
    """One augmentation of the images of a batch, and of their label maps with them; see `Batch`."""

    images: Tensor
    label_maps: Tensor | None
    geometry: Geometry | None

    def only(self, keep: Tensor | slice) -> View:
        """Return the view of the samples in `keep`, (B,) bool or a slice."""
        maps, geometry = self.label_maps, self.geometry
        return View(
            self.images[keep],
            None if maps is None else maps[keep],
            None if geometry is None else geometry.only(keep),
        )


@dataclass(frozen=True)
class Batch:
    """Input of one training step.

    Attributes:
        images: (B, bands, H, W) float32, standardised and augmented: the first view.
        scene_labels: (B, C) float32 in {0, 1}, as corrupted for training.
        label_maps: (B, H, W) int64 class maps as corrupted for training, 255 = ignore; None without maps.
        indices: (B,) int64, position of each image in the training set.
        epoch: Epoch from 0.
        step: Step within the epoch from 0.
        generator: Random numbers of the stream "method" for this very step.
        geometry: How images and label maps were cut and mirrored; None when label maps are as stored.
        num_steps: Steps of the epoch, counting those that are left out because no image has a labelled pixel.
        further_views: The views after the first.
        sizes: Images of each part, for a method whose `sampler` returns several lists; empty for a batch of one part.
    """

    images: Tensor
    scene_labels: Tensor
    label_maps: Tensor | None
    indices: Tensor
    epoch: int
    step: int
    generator: torch.Generator
    geometry: Geometry | None = None
    num_steps: int = 1
    further_views: tuple[View, ...] = ()
    sizes: tuple[int, ...] = ()

    @property
    def last_step(self) -> bool:
        """Whether this is the last step of its epoch."""
        return self.step == self.num_steps - 1

    @property
    def views(self) -> tuple[Batch, ...]:
        """The batch once for each name in the method's `views`, the first of which is the batch itself.

        Samples, labels and indices are the same each time; images, label maps and geometry are those of the view.
        """
        return (self, *(self._seen_as(view) for view in self.further_views))

    @property
    def parts(self) -> tuple[Batch, ...]:
        """The batch divided into the images of each list that the method's `sampler` returned; else only itself."""
        if not self.sizes:
            return (self,)
        ends = list(itertools.accumulate(self.sizes, initial=0))
        return tuple(self._take(slice(start, end), ()) for start, end in itertools.pairwise(ends))

    def only(self, keep: Tensor) -> Batch:
        """Return the batch of the samples marked in `keep` (B,) bool."""
        sizes = tuple(int(part.sum()) for part in torch.split(keep, list(self.sizes))) if self.sizes else ()
        return self._take(keep, sizes)

    def _take(self, keep: Tensor | slice, sizes: tuple[int, ...]) -> Batch:
        first = View(self.images, self.label_maps, self.geometry).only(keep)
        return replace(
            self._seen_as(first),
            scene_labels=self.scene_labels[keep],
            indices=self.indices[keep],
            further_views=tuple(view.only(keep) for view in self.further_views),
            sizes=sizes,
        )

    def _seen_as(self, view: View) -> Batch:
        return replace(
            self, images=view.images, label_maps=view.label_maps, geometry=view.geometry, further_views=()
        )


def mean_of_valid(values: Tensor, valid: Tensor | None) -> Tensor:
    """Return the (B,) means over the valid entries of (B, E) values; 0 for a sample without any.

    Args:
        values: (B, E).
        valid: (B, E) bool, or None when every entry counts.
    """
    if valid is None:
        return values.mean(1)
    return torch.where(valid, values, 0.0).sum(1) / valid.sum(1).clamp_min(1)


def stored_pixels(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the (sample, row, column) of the stored map that each pixel of a batch's (B, H, W) maps was cut from.

    Raises:
        ValueError: The batch holds no maps.
    """
    if batch.label_maps is None:
        raise ValueError("The batch holds no label maps.")
    size, indices = batch.label_maps.shape[1:], batch.indices
    rows = torch.arange(size[0], device=indices.device).expand(len(indices), -1)
    columns = torch.arange(size[1], device=indices.device).expand(len(indices), -1)
    geometry = batch.geometry
    if geometry is not None:
        rows = torch.where(geometry.flipped[:, None], size[0] - 1 - rows, rows) + geometry.top[:, None]
        columns = torch.where(geometry.mirrored[:, None], size[1] - 1 - columns, columns)
        columns = columns + geometry.left[:, None]
    return indices[:, None, None], rows[:, :, None], columns[:, None, :]
