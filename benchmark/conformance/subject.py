"""A method under test: built, trained, interrupted and resumed, on the tiny archive."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gridbench.conformance.findings import Violation
from gridbench.conformance.fixtures import BATCH, CPU, EPOCHS, Workbench, make_batch
from gridbench.core.streams import torch_scope
from gridbench.datasets import Archive
from gridbench.evaluation.training_view import WholeTrainingSet
from gridbench.methods.base import Batch, Method, StepOutput
from gridbench.methods.checks import check_output
from gridbench.plan import Plan
from gridbench.training.checkpoint import load_checkpoint, save_checkpoint
from gridbench.training.experiment import Experiment

__all__ = ["Subject", "state_of", "step_on", "train", "training_view"]


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
    _made: dict[Any, Any] = field(default_factory=dict, repr=False)

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
        """Build the method again; a method that follows the contract has the same initial weights each time."""
        return Experiment(self.plan, CPU)

    @property
    def built(self) -> Experiment:
        """A method as it was built, to be looked at or copied."""
        if "built" not in self._made:
            self._made["built"] = self.fresh()
        experiment: Experiment = self._made["built"]
        return experiment

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epochs in which single steps are tried: the last one, too, where hooks make it another."""
        hooks = (self.method.on_epoch_start, self.method.sampler)
        return (0,) if hooks == (Method.on_epoch_start, Method.sampler) else (0, EPOCHS - 1)

    def ready(self, epoch: int = 0) -> Method:
        """Return a copy of the method as it is before the first step of an epoch."""
        experiment = copy.copy(self.trained[0] if epoch else self.built)
        try:
            experiment.method = copy.deepcopy(experiment.method)
        except Exception:
            # A method may hold objects that cannot be copied; only a trained one has to be copied.
            if epoch:
                raise
            experiment = self.fresh()
        method = experiment.method
        if experiment.trainer is None:
            return method
        train = training_view(experiment, epoch)
        with torch.no_grad(), torch_scope(CPU, experiment.plan.config.seed, "epoch", epoch):
            if epoch == 0:
                self.method.start(method, train)
            self.method.on_epoch_start(method, epoch, train)
            sampling = self.method.sampler(method, epoch, train)
        self._made["parts", epoch] = 1 if isinstance(sampling, Tensor) else len(sampling or [()])
        return method

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
        """Train with an interruption inside every epoch but the first, and resume each time in a newly built method."""
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

    def batch(self, size: int = BATCH, labels: str = "mixed", epoch: int = 0) -> Batch:
        """Return a mini-batch of random images for a method that is `ready`; see `make_batch`."""
        batch = make_batch(size, labels, level=self.plan.level, views=len(self.method.views))
        parts = self._made.get(("parts", epoch), 1)
        sizes = tuple(size // parts + (i < size % parts) for i in range(parts)) if parts > 1 else ()
        return replace(batch, epoch=epoch, sizes=sizes)


def step_on(method: Method, batch: Batch, autocast: bool = False) -> StepOutput:
    """Take one training step as the trainer does, up to and with the backward pass.

    Raises:
        Violation: The step returns something of another form.
    """
    method.train()
    method.zero_grad(set_to_none=True)
    with torch_scope(CPU, 0, "step", batch.epoch, batch.step):
        with torch.autocast(CPU.type, torch.bfloat16, enabled=autocast):
            output = method.step(batch)
        try:
            check_output(output, len(batch.indices))
        except ValueError as error:
            raise Violation(str(error)) from None
        output.loss.backward()  # type: ignore[no-untyped-call]
    return output


def train(experiment: Experiment, until: int) -> None:
    """Train up to and with an epoch, as a run does."""
    trainer = experiment.trainer
    assert trainer is not None
    while len(trainer.history) < until:
        trainer.history.append(trainer.train_epoch(len(trainer.history)))


def training_view(experiment: Experiment, epoch: int = 0) -> WholeTrainingSet:
    """Return the training set as a method's hooks see it."""
    trainer, seed = experiment.trainer, experiment.plan.config.seed
    assert trainer is not None
    return WholeTrainingSet(experiment.method, trainer.task, trainer.data, seed, "conformance", epoch)


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
    update, steps = trainer.updates.optimizer.step, 0

    def step(*given: Any) -> Any:
        nonlocal steps
        result, steps = update(*given), steps + 1
        if steps == 2:
            raise _Interrupted
        return result

    trainer.updates.optimizer.step = step  # type: ignore[assignment]
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
