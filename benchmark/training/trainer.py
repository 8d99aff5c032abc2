"""The trainer, shared by all methods, tasks and backbones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gridbench.core.streams import numpy_stream, torch_scope
from gridbench.datasets.loading.batches import TrainingSet, ahead, batches_of, sampled_batches
from gridbench.errors import RunFailed
from gridbench.evaluation.frozen_features import FrozenFeatures
from gridbench.evaluation.training_view import WholeTrainingSet, draw_batch
from gridbench.methods.base import Batch, Method, StepOutput
from gridbench.methods.checks import check_output, check_sampling, versions_of, written_to
from gridbench.methods.tasks.task import Task
from gridbench.training.checkpoint import Checkpoint
from gridbench.training.epoch_metrics import EpochLog, Truth
from gridbench.training.margins import MarginSums
from gridbench.training.optimization.updates import UpdateRule, Updates
from gridbench.training.timing import IN_TRAINING, Phases

__all__ = ["Trainer", "TrainingProgress", "TrainingSettings"]

Array = np.ndarray[Any, Any]
PHASES = ("training", "validation", "checkpoint", *IN_TRAINING)


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of the training loop.

    Attributes:
        seed: Seed of the run.
        epochs: Number of epochs.
        batch_size: Images per step.
        rule: Optimiser, schedule and averaging of the weights.
        select_best: Whether the weights of the best validation epoch are kept besides the last.
        last_epochs: Number of epochs at the end after each of which all scores are computed.
    """

    seed: int
    epochs: int
    batch_size: int
    rule: UpdateRule
    select_best: bool = False
    last_epochs: int = 0


class TrainingProgress(Protocol):
    """Called after every epoch, to show progress."""

    def epoch(self, done: int, total: int, row: Mapping[str, Any]) -> None:
        """Report one finished epoch."""


@dataclass
class Trainer:
    """Trains one method on one training set, with exact resumption from a checkpoint.

    Attributes:
        method: The method, on its device.
        task: The method's task.
        data: The training set with the labels that the method may see.
        truth: Ground truth about the label noise, used for logging only.
        settings: Epochs, batch size, optimiser.
        device: Where the steps run.
        validate: Returns the validation score of the current weights; used only to keep the best epoch.
        scores: Returns all scores of the current weights by name; they are only logged.
        history: One row per finished epoch.
        steps: Number of mini-batches so far.
        phases: Seconds spent in each of `PHASES`; training holds those of `IN_TRAINING`.
    """

    method: Method
    task: Task
    data: TrainingSet
    truth: Truth
    settings: TrainingSettings
    device: torch.device
    validate: Callable[[], float]
    scores: Callable[[], Mapping[str, float]]
    history: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        s = self.settings
        self.profile(False)
        # Looked up on the class: methods written before the hooks may have instance attributes of these names.
        self._hooks = type(self.method)
        batches = len(batches_of(np.arange(self.truth.num_samples), s.batch_size))
        self.updates = Updates(self.method, s.rule, s.epochs, batches)
        self.margins = MarginSums(self.task, self.truth.num_samples, s.epochs, self.device)
        self._frozen: FrozenFeatures | None = None
        self._best: dict[str, Any] | None = None
        self._best_weights: dict[str, Tensor] = {}

    def profile(self, synchronise: bool) -> None:
        """Begin to measure phases.

        Args:
            synchronise: Whether to synchronise an accelerator at both ends of each phase; slower, but exact.
        """
        self.phases = Phases(self.device, synchronise)
        self.phases.seconds = dict.fromkeys(PHASES, 0.0)

    def train(self, progress: TrainingProgress, save: Callable[[Checkpoint], None]) -> None:
        """Run the remaining epochs, passing a checkpoint to `save` after each.

        Raises:
            RunFailed: A loss or a weight became NaN or infinite; the last checkpoint is from the epoch before.
        """
        for epoch in range(len(self.history), self.settings.epochs):
            with self.phases.timed("training"):
                row = self.train_epoch(epoch)
            self._check_finite(row)
            self._evaluate(row)
            self.history.append(row)
            with self.phases.timed("checkpoint"):
                save(self.checkpoint())
            progress.epoch(epoch + 1, self.settings.epochs, row)
        self.updates.use_average()

    def train_epoch(self, epoch: int) -> dict[str, Any]:
        """Run one epoch and return its row of the history."""
        self.method.train()
        if self._frozen is None:
            with self.phases.timed("forward"):
                self._frozen = FrozenFeatures(self.method, self.data)
        self.updates.begin_epoch(epoch)
        drawn, sizes = self._begin_epoch(epoch)
        log = EpochLog(self.truth, self.task, self.device, sampled=bool(sizes))
        calls = [
            partial(self.make_batch, positions, epoch, step, len(drawn), sizes[step] if sizes else ())
            for step, positions in enumerate(drawn)
        ]
        batches = ahead(calls) if self.data.worth_preparing else (call() for call in calls)
        while True:
            with self.phases.timed("data"):
                batch = next(batches, None)
            if batch is None:
                break
            if len(batch.indices) > 1:
                self._step(batch, log)
        if self.updates.pending:
            self._update()
        with self.phases.timed("detection"):
            row = log.summary(epoch)
        if self.updates.learning_rate is not None:
            row["learning_rate"] = self.updates.learning_rate
        return row

    def _begin_epoch(self, epoch: int) -> tuple[list[Array], list[tuple[int, ...]]]:
        """Call the method's hooks and return the positions of each mini-batch, and the sizes of its parts if sampled.

        An epoch that was interrupted is repeated from the checkpoint before it, so nothing here needs to be stored.
        """
        s, n = self.settings, self.truth.num_samples

        def view(stream: str) -> WholeTrainingSet:
            return WholeTrainingSet(self.method, self.task, self.data, s.seed, stream, epoch)

        with torch.no_grad(), torch_scope(self.device, s.seed, "epoch", epoch):
            if epoch == 0:
                self._hooks.start(self.method, view("start"))
            self._hooks.on_epoch_start(self.method, epoch, view("epoch"))
            sampling = self._hooks.sampler(self.method, epoch, view("sampler"))
        try:
            weights, lists = check_sampling(sampling, n, s.batch_size)
        except ValueError as error:
            raise RunFailed(
                f"The sampler of the method {self.method.name!r} in epoch {epoch + 1}: {error}."
            ) from error
        if weights is None and not lists:
            order = numpy_stream(s.seed, "loader", epoch).permutation(n)
            return batches_of(order, s.batch_size), []
        return sampled_batches(
            None if weights is None else weights.numpy(),
            [indices.numpy() for indices in lists],
            s.batch_size,
            partial(numpy_stream, s.seed, "loader/sampler", epoch),
        )

    def checkpoint(self) -> Checkpoint:
        """Return the complete state for exact resumption."""
        tensors = {f"method/{name}": value for name, value in self.method.state_dict().items()}
        tensors.update(self.updates.tensors())
        tensors.update(self.margins.tensors())
        tensors.update({f"best/{name}": value for name, value in self._best_weights.items()})
        state = {
            "history": self.history,
            "seconds": dict(self.phases.seconds),
            "steps": self.steps,
            "synchronised": self.phases.synchronised,
            "best": self._best,
        }
        return Checkpoint(len(self.history), tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over the state of a checkpoint of the same run.

        Raises:
            ValueError: The checkpoint does not fit the method, which may then be half restored.
        """
        parts: dict[str, dict[str, Tensor]] = {"method": {}, "best": {}}
        try:
            for key, value in checkpoint.tensors.items():
                part, name = key.split("/", 1)
                if part in parts:
                    parts[part][name] = value
            self.method.load_state_dict(parts["method"])
            self.updates.restore(checkpoint.tensors)
            self.margins.restore(dict(checkpoint.tensors))
            self._best_weights = parts["best"]
            self._best = checkpoint.state["best"]
            self.history = list(checkpoint.state["history"])
            spent = checkpoint.state["seconds"]
            self.phases.seconds = {phase: float(spent.get(phase, 0.0)) for phase in PHASES}
            self.phases.synchronised &= bool(checkpoint.state.get("synchronised", True))
            self.steps = int(checkpoint.state.get("steps", 0))
        except (RuntimeError, LookupError, AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"the checkpoint does not fit the method: {error}") from error
        if len(self.history) != checkpoint.epoch:
            raise ValueError(
                f"the checkpoint has the history of {len(self.history)} of {checkpoint.epoch} epochs"
            )

    def use_best(self) -> int:
        """Put the weights of the best validation epoch into the method and return that epoch, counted from 1."""
        assert self._best is not None
        self.method.load_state_dict(self._best_weights)
        return int(self._best["epoch"])

    def _step(self, batch: Batch, log: EpochLog) -> None:
        s = self.settings
        if self._frozen is not None:
            self._frozen.offer(batch)
        # Library code inside the networks (drop-path, dropout) draws from torch's global generator.
        with torch_scope(self.device, s.seed, "step", batch.epoch, batch.step):
            with self.phases.timed("forward"):
                output = self._output(batch)
            with self.phases.timed("backward"):
                due = self.updates.backward(output.loss)
        if due:
            self._update()
        with self.phases.timed("detection"):
            log.add(batch, output)
            self.margins.add(batch, output)
        self.steps += 1

    def _output(self, batch: Batch) -> StepOutput:
        before = versions_of(batch)
        output = self.method.step(batch)
        try:
            check_output(output, len(batch.indices))
            # Logged scores would refer to labels and images that the archive does not have.
            if written := written_to(before):
                raise ValueError(f"it wrote into {written}; work on a copy")
        except ValueError as error:
            at = f"In step {batch.step + 1} of epoch {batch.epoch + 1}"
            raise RunFailed(
                f"{at} the method {self.method.name!r} broke the rules of a step: {error}."
            ) from error
        return output

    def _update(self) -> None:
        with self.phases.timed("optimizer"):
            self.updates.step()
            with torch.no_grad():
                self._hooks.after_step(self.method)
            self.updates.follow()

    def make_batch(
        self, positions: Array, epoch: int, step: int, num_steps: int = 1, sizes: tuple[int, ...] = ()
    ) -> Batch:
        """Return a mini-batch as the method sees it.

        Args:
            positions: (B,) positions among the training images.
            epoch: Epoch from 0.
            step: Step within the epoch from 0.
            num_steps: Steps of the epoch.
            sizes: Images of each part of the batch; empty for a batch of one part.
        """
        views, seed = self._hooks.views, self.settings.seed
        batch = draw_batch(self.data, positions, views, seed, epoch, step, num_steps, sizes)
        for view in batch.views:
            valid = self.task.valid(view)
            if valid is not None and not bool(valid.all()):
                return batch.only(self._valid_in_all(batch))
        return batch

    def _valid_in_all(self, batch: Batch) -> Tensor:
        """Return (B,) bool: samples that have something to learn from in every view."""
        valid = [each for view in batch.views if (each := self.task.valid(view)) is not None]
        return torch.stack(valid).all(0)

    def _check_finite(self, row: Mapping[str, Any]) -> None:
        logged = [name for name, value in row.items() if isinstance(value, float) and not np.isfinite(value)]
        weights = all(bool(torch.isfinite(p).all()) for p in self.method.parameters())
        if not logged and weights:
            return
        what = "the loss" if "loss" in logged else f"the logged {logged[0]!r}" if logged else "a weight"
        last = f"epoch {len(self.history)}" if self.history else "none"
        raise RunFailed(
            f"In epoch {row['epoch']} {what} of the method {self.method.name!r} became NaN or infinite. "
            f"Last good checkpoint: {last}. Try a smaller --learning-rate or --precision float32."
        )

    def _evaluate(self, row: dict[str, Any]) -> None:
        """Add to the row of an epoch the scores of its weights that the settings ask for."""
        s = self.settings
        scored = row["epoch"] > s.epochs - s.last_epochs
        if not s.select_best and not scored:
            return
        with self.updates.averaged():
            with self.phases.timed("validation"):
                if s.select_best:
                    row["validation"] = self.validate()
                if scored:
                    row["scores"] = dict(self.scores())
            if s.select_best:
                self._keep_if_best(row)

    def _keep_if_best(self, row: Mapping[str, Any]) -> None:
        if self._best is None or row["validation"] > self._best["score"]:
            self._best = {"epoch": row["epoch"], "score": row["validation"]}
            self._best_weights = {k: v.detach().clone() for k, v in self.method.state_dict().items()}
