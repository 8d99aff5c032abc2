"""The updates of a run: gradients averaged and clipped, an optimiser at a scheduled rate, an average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from gridbench.errors import InputError
from gridbench.methods.base import Method
from gridbench.training.checkpoint import optimizer_tensors, restore_optimizer
from gridbench.training.optimization.optimizer import check_groups, make_optimizer, make_own_optimizer
from gridbench.training.optimization.schedule import Schedule

__all__ = ["UpdateRule", "Updates"]


@dataclass(frozen=True)
class UpdateRule:
    """Settings of the weight updates.

    Attributes:
        learning_rate: Largest learning rate of the schedule.
        adam_epsilon: Added to the denominator of optimisers that have one.
        shared_steps: Whether heads and backbone share Adam's step counter, as in GRID's published code.
        epsilon_hat: Whether Adam's epsilon is added before the bias correction, as in Keras.
        optimizer: timm's name of another optimiser than Adam.
        fused: Whether Adam's fused kernel is used.
        momentum: Momentum of optimisers that have one.
        weight_decay: Weight decay of all parameters with more than one dimension.
        schedule: Name of the learning-rate schedule.
        warmup_epochs: Epochs in which the learning rate rises to its value.
        min_lr: Lowest learning rate of the schedule.
        clip_norm: Largest norm of the gradient; None for no clipping.
        accumulate: Mini-batches per update.
        ema: Decay of the moving average of the weights; None for no average.
    """

    learning_rate: float
    adam_epsilon: float = 1e-8
    shared_steps: bool = False
    epsilon_hat: bool = False
    optimizer: str | None = None
    fused: bool = False
    momentum: float | None = None
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "step", "onecycle"] = "constant"
    warmup_epochs: float = 0.0
    min_lr: float = 0.0
    clip_norm: float | None = None
    accumulate: int = 1
    ema: float | None = None


class Updates:
    """Updates a method's parameters from the gradients of mini-batches.

    Args:
        method: The method, on its device.
        rule: Settings of the updates.
        epochs: Number of epochs of the run.
        batches: Mini-batches of an epoch.

    Attributes:
        optimizer: Updates all groups without a learning rate of their own.
        own_optimizer: Updates the others; None without any.
        done: Updates that the average has followed.

    Raises:
        InputError: The method's parameter groups contradict each other.
    """

    def __init__(self, method: Method, rule: UpdateRule, epochs: int, batches: int) -> None:
        self.rule = rule
        self.done = 0
        self._method = method
        self._pending = 0
        self._first = self._place = 0
        groups = method.parameter_groups()
        try:
            check_groups(method, groups)
            self.optimizer = make_optimizer(
                groups,
                method.update_order(),
                rule.learning_rate,
                rule.adam_epsilon,
                rule.shared_steps,
                rule.epsilon_hat,
                name=rule.optimizer,
                fused=rule.fused,
                momentum=rule.momentum,
                weight_decay=rule.weight_decay,
            )
        except ValueError as error:
            raise InputError(f"The method {method.name!r} cannot be trained: {error}.") from error
        self.own_optimizer = make_own_optimizer(groups)
        self._per_epoch = math.ceil(batches / rule.accumulate)
        self._schedule = Schedule(
            rule.schedule,
            self._per_epoch * epochs,
            round(rule.warmup_epochs * self._per_epoch),
            rule.min_lr / rule.learning_rate,
        )
        self._average: dict[str, Tensor] = {}
        if rule.ema is not None:
            self._average = {name: value.detach().clone() for name, value in method.state_dict().items()}
        self._networks = _network_state(method)

    @property
    def pending(self) -> bool:
        """Whether there are gradients that no update has used."""
        return self._pending > 0

    @property
    def learning_rate(self) -> float | None:
        """The learning rate of the last update; None where it never changes."""
        return self._rate(self._place - 1) if self._schedule.changes else None

    def begin_epoch(self, epoch: int) -> None:
        """Set the schedule to the start of an epoch, however many updates the earlier ones had.

        Args:
            epoch: Epoch from 0.
        """
        self._first, self._place = epoch * self._per_epoch, 0

    def backward(self, loss: Tensor) -> bool:
        """Add the gradients of a mini-batch, and return whether an update is due.

        Args:
            loss: Scalar.
        """
        if self._pending == 0:
            for optimizer in self._optimizers():
                optimizer.zero_grad(set_to_none=True)
        share = loss if self.rule.accumulate == 1 else loss / self.rule.accumulate
        share.backward()  # type: ignore[no-untyped-call]
        self._pending += 1
        return self._pending == self.rule.accumulate

    def step(self) -> None:
        """Update the parameters from the gradients added since the last update."""
        if self._pending < self.rule.accumulate or self.rule.clip_norm is not None:
            self._scale_gradients()
        if self._schedule.changes:
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate(self._place) * group["lr_factor"]
        for optimizer in self._optimizers():
            optimizer.step()
        self._pending = 0
        self._place += 1

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average of the weights, where there is one, once they and what follows them are updated.

        Early in a run it follows faster, since it began at weights that nothing had trained.
        """
        if not self._average or self.rule.ema is None:
            return
        self.done += 1
        decay = min(self.rule.ema, (1 + self.done) / (10 + self.done))
        state: dict[str, Any] = self._method.state_dict()
        networks = self._networks
        torch._foreach_lerp_(
            [self._average[name] for name in networks], [state[name] for name in networks], 1 - decay
        )
        # Counters and a method's own state, such as the targets of samples, have no meaningful average.
        for name in state.keys() - set(networks):
            self._average[name].copy_(state[name])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the method have the averaged weights for a while; nothing changes without an average."""
        if not self._average:
            yield
            return
        trained = {name: value.detach().clone() for name, value in self._method.state_dict().items()}
        self.use_average()
        try:
            yield
        finally:
            self._method.load_state_dict(trained)

    def use_average(self) -> None:
        """Give the method the averaged weights, where there are any."""
        if self._average:
            self._method.load_state_dict(self._average)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that an exact continuation needs, between two epochs."""
        found = optimizer_tensors(self.optimizer)
        if self.own_optimizer is not None:
            found.update(optimizer_tensors(self.own_optimizer, "own_optimizer"))
        if self._average:
            found["updates/done"] = torch.tensor(self.done)
        found.update({f"average/{name}": value for name, value in self._average.items()})
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` returned.

        Raises:
            ValueError, LookupError: The tensors do not fit.
        """
        restore_optimizer(self.optimizer, tensors)
        if self.own_optimizer is not None:
            restore_optimizer(self.own_optimizer, tensors, "own_optimizer")
        if self._average:
            self.done = int(tensors["updates/done"])
        for name, value in self._average.items():
            value.copy_(tensors[f"average/{name}"])

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        return [self.optimizer] if self.own_optimizer is None else [self.optimizer, self.own_optimizer]

    def _rate(self, place: int) -> float:
        """Return the learning rate of an update of this epoch; more updates than were planned share the last one's."""
        update = self._first + min(max(place, 0), self._per_epoch - 1)
        return self.rule.learning_rate * self._schedule.factor(update)

    def _scale_gradients(self) -> None:
        gradients = [
            parameter.grad
            for optimizer in self._optimizers()
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        if self._pending < self.rule.accumulate:
            # The last update of an epoch may have fewer mini-batches.
            torch._foreach_mul_(gradients, self.rule.accumulate / self._pending)
        if self.rule.clip_norm is not None:
            norm = torch.nn.utils.get_total_norm(gradients)
            torch._foreach_mul_(gradients, (self.rule.clip_norm / (norm + 1e-6)).clamp(max=1.0))


def _network_state(method: torch.nn.Module) -> list[str]:
    """Return the names of a method's floating-point state that belongs to its networks: modules that have parameters.

    The rest is what the method keeps of its samples: in parameters and buffers of its own, or, as GRID's noise share
    and PRISM's memory do, in a module that holds nothing to train.
    """
    networks = {
        name for name, module in method.named_children() if next(module.parameters(), None) is not None
    }
    return [
        name
        for name, value in method.state_dict().items()
        if value.is_floating_point() and "." in name and name.partition(".")[0] in networks
    ]
