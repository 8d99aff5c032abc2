"""What the trainer costs over a hand-written PyTorch loop: one epoch of the same images, network and optimiser.

The loop flips its images too, keeps no log, and looks at nothing but the loss.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fair import QUICK, compare
from made_up import packed

from gridbench.datasets.archive.layout import Sample
from gridbench.datasets.loading.augmentation import Augmentation
from gridbench.datasets.loading.batches import TrainingSet
from gridbench.methods.base import Objective, Setup
from gridbench.methods.losses.bce import BCE as BCELoss
from gridbench.methods.plain import plain_method
from gridbench.methods.tasks.classification import Classification
from gridbench.training.backbone import BackboneSpec, build_backbone
from gridbench.training.epoch_metrics import Truth
from gridbench.training.optimization.updates import UpdateRule
from gridbench.training.trainer import Trainer, TrainingSettings

CLASSES, SIDE, STEPS = 17, 64, 2
NETWORKS = {"test_resnet": 8} if QUICK else {"resnet18": 64, "test_resnet": 64}
"""Backbone -> batch size; the smaller the network, the more a trainer's own work shows."""

CPU = torch.device("cpu")


def setup(spec: BackboneSpec, batch_size: int) -> Setup:
    """Return what the method is built from."""
    objective = Objective(Classification(CLASSES), BCELoss())
    return Setup(
        lambda name: build_backbone(spec), lambda name, factory: factory(), objective, batch_size * STEPS, CLASSES, 1
    )  # fmt: skip


def samples(count: int) -> Iterator[Sample]:
    """Make random images with random labels."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        image = rng.integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
        yield Sample((image,), rng.integers(0, 2, CLASSES, dtype=np.uint8), None, None)


def trainer_and_loop(folder: Path, network: str, batch_size: int) -> Any:
    """Return two functions that train one epoch on the same images: the trainer's, and a hand-written loop."""
    count = batch_size * STEPS
    data = packed(folder / f"images{count}", SIDE, CLASSES, ["train"] * count, partial(samples, count))
    spec = BackboneSpec(network, 3, (SIDE, SIDE))
    labels = np.asarray(data.scene_labels)
    training_set = TrainingSet(data, np.arange(len(data)), labels, None, Augmentation(flips=True), CPU)
    settings = TrainingSettings(seed=0, epochs=1, batch_size=batch_size, rule=UpdateRule(1e-3))
    truth = Truth.of_scene_labels(labels, labels, 0.0)
    method = plain_method("bce")(setup(spec, batch_size))
    trainer = Trainer(method, method.objective.task, training_set, truth, settings, CPU, lambda: 0.0)

    backbone = build_backbone(spec)
    bare = torch.nn.Sequential(backbone, torch.nn.Linear(backbone.width, CLASSES))
    optimizer = torch.optim.Adam(bare.parameters())
    images = data.standardise(data.gather(np.arange(len(data))))
    targets = torch.from_numpy(labels).float()
    entropy = torch.nn.BCEWithLogitsLoss()

    def loop() -> None:
        bare.train()
        for chosen in torch.randperm(len(images)).split(batch_size):
            batch = images[chosen]
            for axis in (2, 3):
                flipped = torch.rand(len(batch)) < 0.5
                batch[flipped] = batch[flipped].flip(axis)
            loss = entropy(bare(batch), targets[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return lambda: trainer.train_epoch(0), loop


def main() -> None:
    """Measure the ratio."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for network, batch_size in NETWORKS.items():
            ours, loop = trainer_and_loop(Path(folder), network, batch_size)
            compare(
                f"trainer against a bare loop, images/s, {network}, {SIDE} px, batch {batch_size}",
                ours,
                loop,
                rounds=11,
                measure="speed",
                at_least=0.97,
            )


if __name__ == "__main__":
    main()
