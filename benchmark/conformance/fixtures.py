"""Where components are tried: a few tiny images, awkward batches of labels, and short runs in memory."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridbench.config import make_config
from gridbench.core.labels import IGNORE
from gridbench.core.streams import numpy_stream, torch_scope, torch_stream
from gridbench.datasets import Archive
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from gridbench.methods.base import Batch, Method, StepOutput
from gridbench.plan import Plan, make_plan
from gridbench.training.checkpoint import load_checkpoint, save_checkpoint
from gridbench.training.experiment import Experiment

__all__ = [
    "BATCH",
    "CLASSES",
    "CPU",
    "EPOCHS",
    "SIDE",
    "Subject",
    "Workbench",
    "make_batch",
    "state_of",
    "step_on",
    "train",
]

CPU = torch.device("cpu")
CLASSES = 5
# Half of it and a half-precision convolution meets maps of one pixel, whose gradients torch gets wrong.
SIDE = 24
EPOCHS = 3
BATCH = 8
# 14 training images in batches of 8 leave a last batch of 6.
COUNTS = {"train": 14, "val": 5, "test": 8}
SETTINGS: dict[str, Any] = {
    "dataset": "conformance",
    "backbone": "test_resnet",
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "train_size": 0,
    "learning_rate": 1e-3,
    "k": 3,
    "crop": 0,
    "slnir": 20,
    # The sign of descriptors is the backbone's matter and the user's choice, not the method's.
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
        target = self.folder / "archives" / "conformance"
        if not target.exists():
            build_once(target, _build)
        return Archive.open(target)

    def plan(self, **settings: Any) -> Plan:
        """Plan a run on the tiny archive."""
        assert self.archive is not None
        return make_plan(make_config({**SETTINGS, **settings}), self.folder)


@dataclass(frozen=True)
class Subject:
    """A method together with one of its losses.

    Attributes:
        bench: Where it is tried.
        method: The method's class.
        loss: Name of the loss; None for a method that trains nothing.
        parameters: Parameters of the method and its loss, by public name.
    """

    bench: Workbench
    method: type[Method]
    loss: str | None
    parameters: Mapping[str, Any]
    _made: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def plan(self) -> Plan:
        """The plan of a short run."""
        if "plan" not in self._made:
            self._made["plan"] = self.bench.plan(
                method=self.method.name, loss=self.loss, parameters=dict(self.parameters)
            )
        plan: Plan = self._made["plan"]
        return plan

    def fresh(self) -> Experiment:
        """Build the method anew, with the same initial weights each time if it is built as it should be."""
        return Experiment(self.plan, CPU)

    @property
    def trained(self) -> tuple[Experiment, dict[str, Any]]:
        """A method trained through to the end, and its state right after that."""
        if "trained" not in self._made:
            experiment = self.fresh()
            before = _global_generators()
            train(experiment, EPOCHS)
            after = _global_generators()
            self._made["trained"] = experiment, state_of(experiment)
            self._made["drawn"] = " and of ".join(name for name in before if before[name] != after[name])
        trained: tuple[Experiment, dict[str, Any]] = self._made["trained"]
        return trained

    @property
    def drawn(self) -> str:
        """The global generators from which training draws; empty when it draws from none."""
        assert self.trained
        return str(self._made["drawn"])

    @property
    def trained_again(self) -> dict[str, Any]:
        """The state after a second training."""
        return self._trained_once_more("again")

    @property
    def trained_blind(self) -> dict[str, Any]:
        """The state after a training during which the archive's own labels are others."""
        return self._trained_once_more("blind")

    def _trained_once_more(self, how: str) -> dict[str, Any]:
        if how not in self._made:
            experiment = self.fresh()
            reads_clean = self.method.labels == "clean"
            hidden = nullcontext() if how == "again" or reads_clean else other_labels(self.plan.archive)
            with hidden:
                train(experiment, EPOCHS)
            self._made[how] = state_of(experiment)
        state: dict[str, Any] = self._made[how]
        return state

    def resumed(self) -> tuple[Experiment, dict[str, Any]]:
        """Train with an interruption inside every epoch but the first, each time going on in a method built anew."""
        folder = self.bench.folder / "checkpoint"
        folder.mkdir(exist_ok=True)
        experiment = self.fresh()
        for epoch in range(1, EPOCHS):
            train(experiment, epoch)
            assert experiment.trainer is not None
            save_checkpoint(folder, self.plan.id, experiment.trainer.checkpoint())
            interrupt(experiment)
            experiment = self.fresh()
            stored = load_checkpoint(folder, self.plan.id)
            assert experiment.trainer is not None
            assert stored is not None
            experiment.trainer.restore(stored)
        train(experiment, EPOCHS)
        return experiment, state_of(experiment)

    def batch(self, size: int = BATCH, labels: str = "mixed") -> Batch:
        """Return a mini-batch of random images; see `make_batch`."""
        return make_batch(size, labels, maps=self.plan.kind == "pixel")


def make_batch(size: int = BATCH, labels: str = "mixed", *, maps: bool) -> Batch:
    """Return a mini-batch of random images.

    Args:
        size: Number of images.
        labels: mixed (each image has at least one); first_none (mixed, but the first image has none); none;
            one (all images have the same single one); or all (all images have all labels; of label maps, the
            same one).
        maps: Whether it holds label maps.
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
    return Batch(
        images=torch.from_numpy(images),
        scene_labels=torch.from_numpy(scene),
        label_maps=torch.from_numpy(label_maps) if maps else None,
        indices=torch.arange(size),
        epoch=0,
        step=0,
        generator=torch_stream(CPU, 0, "method", 0, 0),
    )


def step_on(method: Method, batch: Batch, autocast: bool = False) -> StepOutput:
    """Take one training step as the trainer does, up to and with the backward pass."""
    method.train()
    method.zero_grad(set_to_none=True)
    with torch_scope(CPU, 0, "step", batch.epoch, batch.step):
        with torch.autocast(CPU.type, torch.bfloat16, enabled=autocast):
            output = method.step(batch)
        output.loss.backward()  # type: ignore[no-untyped-call]
    return output


def train(experiment: Experiment, until: int) -> None:
    """Train up to and with an epoch, as a run does."""
    trainer = experiment.trainer
    assert trainer is not None
    while len(trainer.history) < until:
        trainer.history.append(trainer.train_epoch(len(trainer.history)))


def _global_generators() -> dict[str, Any]:
    """Return the state of the generators that belong to the whole process, by whose they are."""
    _, key, position, *_ = np.random.get_state()  # noqa: NPY002
    return {"Python": random.getstate(), "numpy": (np.asarray(key).tobytes(), position)}


class _Interrupted(Exception):
    """What ends a training inside an epoch."""


def interrupt(experiment: Experiment) -> None:
    """Train on into the next epoch, and end in its second step, between the optimiser's step and what follows it."""
    trainer = experiment.trainer
    assert trainer is not None
    real, done = trainer.optimizer.step, 0

    def step(*given: Any) -> Any:
        nonlocal done
        result, done = real(*given), done + 1
        if done == 2:
            raise _Interrupted
        return result

    trainer.optimizer.step = step  # type: ignore[assignment]
    with suppress(_Interrupted):
        trainer.train_epoch(len(trainer.history))


@contextmanager
def other_labels(archive: Archive) -> Iterator[None]:
    """Give an archive the labels of other images for a while."""
    names = ("scene_labels", "clean_scene_labels", "label_maps", "clean_label_maps")
    kept = {name: value for name in names if (value := getattr(archive, name)) is not None}
    try:
        for name, value in kept.items():
            setattr(archive, name, np.roll(value, 1, axis=0))
        yield
    finally:
        for name, value in kept.items():
            setattr(archive, name, value)


def state_of(experiment: Experiment) -> dict[str, Any]:
    """Return a copy of all that a run has learnt: tensors of method and optimiser, and the history."""
    assert experiment.trainer is not None
    checkpoint = experiment.trainer.checkpoint()
    tensors: dict[str, Tensor] = {name: value.detach().clone() for name, value in checkpoint.tensors.items()}
    return {**tensors, "history": [dict(row) for row in experiment.trainer.history]}


def _build(target: Path) -> None:
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
        labels = np.zeros(CLASSES, dtype=np.uint8)
        labels[rng.choice(CLASSES, 2, replace=False)] = 1
        image, label_map = rng.integers(0, 200, (3, SIDE, SIDE)), np.full((SIDE, SIDE), IGNORE)
        for c in np.flatnonzero(labels):
            image[c % 3, 4 * c : 4 * c + 4] += 50
            label_map[4 * c : 4 * c + 4] = c
        writer.write(i, Sample((image.astype(np.uint8),), labels, label_map.astype(np.uint8), None))
    writer.finish("conformance", "folder", {"failed": []})
