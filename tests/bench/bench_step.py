"""A training step: what GRID costs over plain training, and what the trainer costs over a bare PyTorch loop.

Same network, same data, one thread: timm resnet18 at 64 px, batch 64.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from fair import compare

from gridbench.backbones import BackboneSpec, build_backbone
from gridbench.datasets.augment import Augmentation
from gridbench.datasets.batches import TrainingSet
from gridbench.datasets.layout import GroupLayout, Layout, Sample
from gridbench.datasets.packing import ArchiveWriter, build_once
from gridbench.epochlog import Truth
from gridbench.methods.base import Batch, Objective, Setup
from gridbench.methods.bce import BCE
from gridbench.methods.grid import GRID
from gridbench.methods.losses.bce import BCE as BCELoss
from gridbench.methods.tasks.classification import Classification
from gridbench.trainer import Trainer, TrainingSettings

CLASSES, SIDE, BATCH, STEPS = 17, 64, 64, 2
CPU = torch.device("cpu")


def setup() -> Setup:
    """Return what a method is built from; every network starts from the same weights."""

    def build(name: str, factory):
        torch.manual_seed(0)
        return factory()

    spec = BackboneSpec("resnet18", 3, (SIDE, SIDE))
    objective = Objective(Classification(CLASSES), BCELoss())
    return Setup(
        lambda name: build(name, lambda: build_backbone(spec)), build, objective, BATCH * STEPS, CLASSES, 1
    )


def stepper(method):
    """Return a function that takes one optimiser step on one fixed batch."""
    optimizer = torch.optim.Adam(method.parameters())
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        images=torch.randn(BATCH, 3, SIDE, SIDE, generator=generator),
        scene_labels=(torch.rand(BATCH, CLASSES, generator=generator) < 0.2).float(),
        label_maps=None,
        indices=torch.arange(BATCH),
        epoch=0,
        step=0,
        generator=generator,
    )

    def step() -> None:
        output = method.step(batch)
        optimizer.zero_grad(set_to_none=True)
        output.loss.backward()
        optimizer.step()

    return step


def archive(folder: Path):
    """Pack as many random images as the timed epochs need."""
    rng = np.random.default_rng(0)
    count = BATCH * STEPS
    layout = Layout(
        (GroupLayout("rgb", ("r", "g", "b"), SIDE, SIDE, "uint8"),),
        tuple(f"class {c}" for c in range(CLASSES)),
        None,
        False,
    )

    def build(target: Path) -> None:
        names = [f"image{i}" for i in range(count)]
        writer = ArchiveWriter(target, layout, names, ["train"] * count)
        for i in range(count):
            image = rng.integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
            writer.write(i, Sample((image,), rng.integers(0, 2, CLASSES, dtype=np.uint8), None, None))
        writer.finish("bench", "folder", {"failed": []})

    return build_once(folder / "bench", build)


def trainer_and_loop(folder: Path):
    """Return two functions that train one epoch on the same images: the trainer's, and a hand-written loop."""
    data = archive(folder)
    labels = np.asarray(data.scene_labels)
    training_set = TrainingSet(data, np.arange(len(data)), labels, None, Augmentation(flips=True), CPU)
    settings = TrainingSettings(seed=0, epochs=1, batch_size=BATCH, learning_rate=1e-3)
    truth = Truth(np.empty((0, 3), dtype=np.int64), len(data), 0.0)
    method = BCE(setup())
    trainer = Trainer(method, method.objective.task, training_set, truth, settings, CPU, lambda: 0.0)

    network = torch.nn.Sequential(
        build_backbone(BackboneSpec("resnet18", 3, (SIDE, SIDE))), torch.nn.Linear(512, 17)
    )
    optimizer = torch.optim.Adam(network.parameters())
    images = data.standardise(data.gather(np.arange(len(data))))
    targets = torch.from_numpy(labels).float()
    entropy = torch.nn.BCEWithLogitsLoss()

    def loop() -> None:
        network.train()
        for chosen in torch.randperm(len(images)).split(BATCH):
            batch = images[chosen]
            for axis in (2, 3):
                flipped = torch.rand(len(batch)) < 0.5
                batch[flipped] = batch[flipped].flip(axis)
            loss = entropy(network(batch), targets[chosen])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return lambda: trainer.train_epoch(0), loop


def main() -> None:
    """Measure both ratios."""
    torch.set_num_threads(1)
    grid, plain = stepper(GRID(setup(), GRID.Parameters(lambda_=20.0))), stepper(BCE(setup()))
    compare("GRID step / BCE step, FC heads, resnet18 64 px", grid, plain, rounds=15, at_most=1.05)
    with tempfile.TemporaryDirectory() as folder:
        ours, loop = trainer_and_loop(Path(folder))
        compare(
            "trainer against a bare loop, images/s, resnet18 64 px",
            ours,
            loop,
            rounds=11,
            measure="speed",
            at_least=0.95,
        )


if __name__ == "__main__":
    main()
