"""What the trainer costs over a hand-written PyTorch loop: one epoch of the same images, network and optimiser.

The loop flips its images too, keeps no log, and looks at nothing but the loss. What the levers of a run gain is
compared with the same plain loop. What checkpoints cost is the time of several epochs with a checkpoint every three
seconds, as the writer has it, against as many without.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.fair import QUICK, compare
from helpers.made_up import packed

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.layout import Sample
from gridbench.datasets.loading.augmentation import Augmentation
from gridbench.datasets.loading.batches import TrainingSet
from gridbench.methods.base import Objective, Setup
from gridbench.methods.losses.bce import BCE as BCELoss
from gridbench.methods.plain import plain_method
from gridbench.methods.tasks.classification import Classification
from gridbench.training.backbone import BackboneSpec, build_backbone
from gridbench.training.checkpoint import CheckpointWriter
from gridbench.training.epoch_metrics import Truth
from gridbench.training.optimization.updates import UpdateRule
from gridbench.training.trainer import Trainer, TrainingSettings

CLASSES, SIDE, STEPS = 17, 64, 2
NETWORKS = {"test_resnet": 8} if QUICK else {"resnet18": 64, "test_resnet": 64}
"""Backbone -> batch size; the smaller the network, the more a trainer's own work shows."""

DEFAULT = {"side": 32, "batch_size": 8, "steps": 2} if QUICK else {"side": 32, "batch_size": 64, "steps": 10}
"""An epoch of the default run, `bluemarble` with test_resnet: 600 images of 32 px."""

EPOCHS = 2 if QUICK else 15

CPU = torch.device("cpu")


def setup(spec: BackboneSpec, num_samples: int) -> Setup:
    """Return what the method is built from."""
    objective = Objective(Classification(CLASSES), BCELoss())
    return Setup(
        lambda name: build_backbone(spec), lambda name, factory: factory(), objective, num_samples, CLASSES, 1
    )  # fmt: skip


def samples(count: int, side: int) -> Iterator[Sample]:
    """Make random images with random labels."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        image = rng.integers(0, 256, (3, side, side), dtype=np.uint8)
        yield Sample((image,), rng.integers(0, 2, CLASSES, dtype=np.uint8), None, None)


def images_of(folder: Path, count: int, side: int) -> Archive:
    """Return an archive of random images, packed once."""
    return packed(
        folder / f"images{count}x{side}", side, CLASSES, ["train"] * count, partial(samples, count, side)
    )


def trainer_of(
    data: Archive, spec: BackboneSpec, batch_size: int, rule: UpdateRule, epochs: int = 1
) -> Trainer:
    """Return a trainer of plain BCE."""
    labels = np.asarray(data.scene_labels)
    training_set = TrainingSet(data, np.arange(len(data)), labels, None, Augmentation(flips=True), CPU)
    settings = TrainingSettings(seed=0, epochs=epochs, batch_size=batch_size, rule=rule)
    truth = Truth.of_scene_labels(labels, labels, 0.0)
    method = plain_method("bce")(setup(spec, len(data)))
    return Trainer(method, method.objective.task, training_set, truth, settings, CPU, lambda: 0.0, dict)


def bare_loop(data: Archive, spec: BackboneSpec, batch_size: int) -> Callable[[], None]:
    """Return a function that trains one epoch as one would by hand, contiguous and with plain Adam."""
    labels = np.asarray(data.scene_labels)
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

    return loop


def against_the_loop(folder: Path) -> None:
    """Compare the trainer with a loop that computes the same."""
    for network, batch_size in NETWORKS.items():
        data = images_of(folder, batch_size * STEPS, SIDE)
        spec = BackboneSpec(network, 3, (SIDE, SIDE))
        trainer = trainer_of(data, spec, batch_size, UpdateRule(1e-3))
        compare(
            f"trainer against a bare loop, images/s, {network}, {SIDE} px, batch {batch_size}",
            lambda trainer=trainer: trainer.train_epoch(0),
            bare_loop(data, spec, batch_size),
            rounds=11,
            measure="speed",
            at_least=0.97,
        )


def default_run(folder: Path) -> None:
    """Compare an epoch of the default run, plain and with its fastest levers, with a plain loop."""
    side, batch_size = DEFAULT["side"], DEFAULT["batch_size"]
    data = images_of(folder, batch_size * DEFAULT["steps"], side)
    spec = BackboneSpec("test_resnet", 3, (side, side))
    loop = bare_loop(data, spec, batch_size)
    for name, at_least in (
        ("contiguous", 0.97),
        ("fused", None),
        ("channels_last", None),
        ("channels_last + fused", 1.4),
    ):
        built = replace(spec, memory_format="channels_last") if "channels_last" in name else spec
        rule = UpdateRule(1e-3, fused="fused" in name)
        trainer = trainer_of(data, built, batch_size, rule)
        compare(
            f"default run, {name}, against a bare loop that is contiguous and unfused, images/s",
            lambda trainer=trainer: trainer.train_epoch(0),
            loop,
            rounds=11,
            measure="speed",
            at_least=at_least,
        )


class Quiet:
    """Shows nothing."""

    def epoch(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        """Show nothing."""


def checkpoints(folder: Path) -> None:
    """Compare epochs of the default run with and without checkpoints."""
    side, batch_size = DEFAULT["side"], DEFAULT["batch_size"]
    data = images_of(folder, batch_size * DEFAULT["steps"], side)
    trainer = trainer_of(
        data, BackboneSpec("test_resnet", 3, (side, side)), batch_size, UpdateRule(1e-3), EPOCHS
    )

    def without() -> None:
        trainer.history.clear()
        trainer.train(Quiet(), lambda checkpoint: None)

    def written() -> None:
        trainer.history.clear()
        with CheckpointWriter(folder, "bench") as writer:
            trainer.train(Quiet(), writer.offer)

    compare(
        f"{EPOCHS} epochs of the default run with checkpoints, against the same without",
        written,
        without,
        rounds=7,
        warmup=1,
        at_most=1.02,
    )


def main() -> None:
    """Measure the ratios."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        against_the_loop(Path(folder))
        default_run(Path(folder))
        checkpoints(Path(folder))


if __name__ == "__main__":
    main()
