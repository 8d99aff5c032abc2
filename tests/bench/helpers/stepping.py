"""One optimiser step of any method on one fixed batch, from the same initial weights: what the step benchmarks time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from helpers.fair import QUICK

from gridbench.methods.base import Batch, Context, Geometry, Loss, Method, Objective, Setup
from gridbench.methods.tasks.batch import View
from gridbench.methods.tasks.segmentation import PAPER, Segmentation, SegmentationHead
from gridbench.methods.tasks.task import Task
from gridbench.training.backbone import BackboneSpec, build_backbone, probe
from gridbench.training.optimization.updates import UpdateRule, Updates

CLASSES, SIDE, EPOCHS = 17, 64, 20
NETWORKS = {"test_resnet": 8} if QUICK else {"densenet121": 16, "resnet18": 32}
"""Backbone -> batch size."""


class PaperSegmentation(Segmentation):
    """Segmentation with the kernels that the paper states for maps of 224 px, whatever the size of the maps."""

    def head(self, width: int) -> torch.nn.Module:
        """Build the head."""
        assert self.map_size is not None
        return SegmentationHead(width, self.num_classes, PAPER[(7, 7), (224, 224)], self.map_size)


class OneBatch:
    """A training set of one batch, as far as methods look at it when a run begins."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.num_samples, self.num_classes = batch.scene_labels.shape
        self.generator = batch.generator

    @property
    def scene_labels(self) -> torch.Tensor:
        """A copy of the (N, C) labels."""
        return self.batch.scene_labels.clone()

    @property
    def label_maps(self) -> torch.Tensor | None:
        """A copy of the (N, H, W) maps."""
        maps = self.batch.label_maps
        return None if maps is None else maps.to(torch.uint8)

    def apply(self, function: Callable[[Batch], Any], views: Sequence[str] = ()) -> Any:
        """Apply a function to the batch."""
        with torch.no_grad():
            return function(self.batch)


def stepper(
    method: type[Method],
    loss: type[Loss],
    network: str,
    batch_size: int,
    task: type[Task] | None = None,
    epoch: int = 0,
    parts: int = 1,
    **parameters: Any,
) -> Callable[[], None]:
    """Return a function that takes one optimiser step.

    Args:
        method: The method.
        loss: What it trains with.
        network: timm name of the backbone.
        batch_size: Images per step.
        task: In place of the loss's own.
        epoch: Which of 20 epochs the steps belong to.
        parts: Into how many sets of equal size the method's sampler divides the batch.
        parameters: Of the method.
    """
    kind = task or loss.task
    spec = BackboneSpec(network, 3, (SIDE, SIDE), reads=kind.reads)

    def build(name: str, factory: Callable[[], Any]) -> Any:
        torch.manual_seed(0)
        return factory()

    features = probe(build("look", lambda: build_backbone(spec)), spec).feature_size
    objective = Objective(kind(CLASSES, (SIDE, SIDE), features), loss())
    resolved = method.resolve(method.Parameters(**parameters), Context(loss, 30.0))
    trained = method(
        Setup(
            lambda name: build(name, lambda: build_backbone(spec)),
            build,
            objective,
            batch_size,
            CLASSES,
            EPOCHS,
            (SIDE, SIDE),
        ),
        resolved,
    )
    trained.train()
    updates = Updates(trained, UpdateRule(learning_rate=1e-3), EPOCHS, batches=1)
    batch = make_batch(batch_size, epoch, single=kind.level == "single")
    # As a run begins: a method that keeps labels or weights would otherwise train on buffers of zeros.
    trained.start(OneBatch(batch))
    again = View(batch.images, batch.label_maps, batch.geometry)
    batch = replace(
        batch,
        further_views=(again,) * (len(method.views) - 1),
        sizes=(batch_size // parts,) * parts if parts > 1 else (),
    )

    def step() -> None:
        updates.backward(trained.step(batch).loss)
        updates.step()
        with torch.no_grad():
            trained.after_step()

    return step


def make_batch(size: int, epoch: int, single: bool = False) -> Batch:
    """Return a batch of random images, labels and blocky maps, cut from images of that very size.

    Args:
        size: Number of images.
        epoch: Epoch from 0.
        single: Whether each image has exactly one label.
    """
    generator = torch.Generator().manual_seed(0)
    whole, off = torch.zeros(size, dtype=torch.int64), torch.zeros(size, dtype=torch.bool)
    blocks = torch.randint(CLASSES, (size, SIDE // 16, SIDE // 16), generator=generator)
    several = (torch.rand(size, CLASSES, generator=generator) < 0.2).float()
    one = torch.eye(CLASSES)[torch.randint(CLASSES, (size,), generator=generator)]
    return Batch(
        images=torch.randn(size, 3, SIDE, SIDE, generator=generator),
        scene_labels=one if single else several,
        label_maps=blocks.repeat_interleave(16, 1).repeat_interleave(16, 2),
        indices=torch.arange(size),
        epoch=epoch,
        step=0,
        generator=generator,
        geometry=Geometry(whole, whole, off, off),
    )
