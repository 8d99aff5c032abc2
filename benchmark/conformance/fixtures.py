"""Test fixtures of the conformance suite: a tiny archive, and batches with edge-case labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gridbench.config import make_config
from gridbench.core.labels import IGNORE
from gridbench.core.streams import numpy_stream, torch_stream
from gridbench.datasets import Archive
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from gridbench.methods.base import Batch, View
from gridbench.plan import Plan, make_plan
from gridbench.registry import LOSSES

__all__ = ["BATCH", "CLASSES", "CPU", "EPOCHS", "SIDE", "Workbench", "make_batch"]

CPU = torch.device("cpu")
CLASSES = 5
# The last stage of test_resnet then has maps of two by two pixels. At 32 and below they have one, for which torch's
# convolutions in bfloat16 on a CPU give gradients that are not finite now and then.
SIDE = 36
EPOCHS = 3
BATCH = 8
# 14 training images in batches of 8 leave a last batch of 6.
COUNTS = {"train": 14, "val": 5, "test": 8}
SETTINGS: dict[str, Any] = {
    "backbone": "test_resnet",
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "train_size": 0,
    "learning_rate": 1e-3,
    "k": 3,
    "crop": 0,
    "slnir": 20,
    # The sign of descriptors depends on the backbone and the user's settings, not on the method.
    "distance": "euclidean",
}


@dataclass(frozen=True)
class Workbench:
    """A folder with the tiny archive in it.

    Args:
        folder: An empty folder, which is filled.
    """

    folder: Path

    @cached_property
    def archive(self) -> Archive:
        """The tiny archive, in which every image has two labels."""
        return self._archive("conformance", 2)

    @cached_property
    def single_label_archive(self) -> Archive:
        """The same with one label per image."""
        return self._archive("conformance-single", 1)

    def plan(self, **settings: Any) -> Plan:
        """Plan a run on the tiny archive that the loss can learn from."""
        loss = settings.get("loss")
        single = loss is not None and LOSSES.get(loss).task.level == "single"
        archive = self.single_label_archive if single else self.archive
        return make_plan(make_config({**SETTINGS, "dataset": archive.name, **settings}), self.folder)

    def _archive(self, name: str, labels: int) -> Archive:
        target = self.folder / "archives" / name
        if not target.exists():
            build_once(target, partial(_build, name=name, labels=labels))
        return Archive.open(target)


def make_batch(size: int = BATCH, labels: str = "mixed", *, level: str, views: int = 1) -> Batch:
    """Return a mini-batch of random images.

    Args:
        size: Number of images.
        labels: mixed (each image has at least one); first_none (mixed, but the first image has none); none;
            one (all images have the same single one); or all (all images have all labels; of label maps, the
            same one).
        level: Level of the labels: with single ones each image has exactly one, with pixel there are label maps.
        views: Number of views of each image.
    """
    rng = np.random.default_rng(size)
    images = rng.standard_normal((size, 3, SIDE, SIDE), dtype=np.float32)
    scene = (rng.random((size, CLASSES)) < 0.4).astype(np.float32)
    scene[np.arange(size), np.arange(size) % CLASSES] = 1
    label_maps = rng.integers(0, CLASSES, (size, 2, 2)).repeat(SIDE // 2, 1).repeat(SIDE // 2, 2)
    if labels in ("one", "all"):
        scene[:] = labels == "all"
        scene[:, 1] = 1
        label_maps[:] = 1
    without = {"none": size, "first_none": 1}.get(labels, 0)
    scene[:without] = 0
    label_maps[:without] = IGNORE
    if level == "single":
        scene = np.eye(CLASSES, dtype=np.float32)[scene.argmax(1)]
    held = torch.from_numpy(label_maps) if level == "pixel" else None
    further = [rng.standard_normal(images.shape, dtype=np.float32) for _ in range(views - 1)]
    return Batch(
        images=torch.from_numpy(images),
        scene_labels=torch.from_numpy(scene),
        label_maps=held,
        indices=torch.arange(size),
        epoch=0,
        step=0,
        generator=torch_stream(CPU, 0, "method", 0, 0),
        further_views=tuple(View(torch.from_numpy(each), held, None) for each in further),
    )


def _build(target: Path, name: str, labels: int) -> None:
    rng = numpy_stream(0, "conformance")
    layout = Layout(
        (GroupLayout("rgb", ("r", "g", "b"), SIDE, SIDE, "uint8"),),
        tuple(f"class {c}" for c in range(CLASSES)),
        (SIDE, SIDE),
        False,
    )
    split = [name for name, count in COUNTS.items() for _ in range(count)]
    writer = ArchiveWriter(target, layout, [f"image{i:02d}" for i in range(len(split))], split)
    for i in range(len(split)):
        present = np.zeros(CLASSES, dtype=np.uint8)
        present[rng.choice(CLASSES, labels, replace=False)] = 1
        image, label_map = rng.integers(0, 200, (3, SIDE, SIDE)), np.full((SIDE, SIDE), IGNORE)
        for c in np.flatnonzero(present):
            image[c % 3, 4 * c : 4 * c + 4] += 50
            label_map[4 * c : 4 * c + 4] = c
        writer.write(i, Sample((image.astype(np.uint8),), present, label_map.astype(np.uint8), None))
    writer.finish(name, "folder", {"failed": []})
