"""Optimisers: Adam as stated in the paper, Adam as in GRID's published Keras code, and optimisers of timm."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gridbench.methods.hooks import ParameterGroup

__all__ = ["SharedStepAdam", "check_groups", "make_optimizer", "make_own_optimizer"]


class SharedStepAdam(torch.optim.Adam):
    """Adam whose one step counter advances once for each group of parameters that a mini-batch updates.

    GRID's published code applies one Adam three times per mini-batch: to the discriminative head, to the VAE, to the
    backbone. Only the bias correction of the first updates is altered by that: in the first mini-batch they are
    1.00, 0.74 and 0.64 times those of plain Adam.

    Args:
        updates: The groups of parameters, as torch takes them, of each update, in the order of the updates.
        lr: Learning rate.
        eps: Added to the denominator.
        epsilon_hat: Whether `eps` is added to sqrt(v) before the bias correction, as in Keras ("epsilon hat" in Kingma
            and Ba, Section 2), where it weighs 1 / sqrt(1 - beta2^t) times as much as in torch: 31.6 times at t = 1.
    """

    def __init__(
        self, updates: Sequence[Sequence[dict[str, Any]]], lr: float, eps: float, epsilon_hat: bool = False
    ) -> None:
        super().__init__([group for update in updates for group in update], lr=lr, eps=eps)
        self._epsilon = eps if epsilon_hat else None
        self._updates = len(updates)
        for place, update in enumerate(updates):
            for parameter in (parameter for group in update for parameter in group["params"]):
                self.state[parameter] = {
                    "step": torch.tensor(float(place)),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }

    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Update every group once."""
        if self._epsilon is not None:
            for group in self.param_groups:
                update = 1 + int(self.state[group["params"][0]]["step"]) if group["params"] else 1
                group["eps"] = self._epsilon / math.sqrt(1 - group["betas"][1] ** update)
        loss = super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                # Adam skips parameters without a gradient, but the shared counter advances nevertheless.
                missed = self._updates - (parameter.grad is not None)
                self.state[parameter]["step"] += missed
        return loss


def make_optimizer(
    groups: Sequence[ParameterGroup],
    order: Sequence[Sequence[Tensor]],
    lr: float,
    eps: float,
    shared: bool,
    epsilon_hat: bool | None = None,
    *,
    name: str | None = None,
    fused: bool = False,
    momentum: float | None = None,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Build the optimiser of a run, which updates all groups without a learning rate of their own.

    Args:
        groups: What is trained.
        order: The same parameters in the order in which the published code updates them.
        lr: Learning rate.
        eps: Added to the denominator.
        shared: Whether the step counter is shared by the updates of `order`.
        epsilon_hat: Whether `eps` is added before the bias correction; None: as in the published code where its step
            counter is used.
        name: timm's name of another optimiser than Adam.
        fused: Whether Adam's fused kernel is used; only plain Adam has one here.
        momentum: Momentum of that optimiser; None where it has none.
        weight_decay: Weight decay of all parameters with more than one dimension, in groups that set none of their own.

    Returns:
        The optimiser.

    Raises:
        ValueError: `order` does not hold exactly the parameters of the groups.
    """
    hat = shared if epsilon_hat is None else epsilon_hat
    ours = [group for group in groups if group.lr is None]
    together = [part for group in ours for part in _torch_groups(group, group.parameters, lr, weight_decay)]
    if name is not None:
        from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]

        given = {"eps": eps or None, "momentum": momentum}
        taken = {setting: value for setting, value in given.items() if value is not None}
        return create_optimizer_v2(together, opt=name, lr=lr, weight_decay=0.0, **taken)  # type: ignore[arg-type]
    if not shared:
        if hat:
            return SharedStepAdam([together], lr, eps, hat)
        return torch.optim.Adam(together, lr=lr, eps=eps, fused=fused or None)
    known = {id(parameter) for group in groups for parameter in group.parameters}
    trained = {id(parameter) for group in ours for parameter in group.parameters}
    ordered = [id(parameter) for update in order for parameter in update]
    if len(set(ordered)) != len(ordered) or not known.issubset(ordered):
        raise ValueError("update_order does not give each trained parameter exactly once")
    updates = [[parameter for parameter in update if id(parameter) in trained] for update in order]
    return SharedStepAdam(
        [_of_groups(update, ours, lr, weight_decay) for update in updates if update], lr, eps, hat
    )


def make_own_optimizer(groups: Sequence[ParameterGroup]) -> torch.optim.SGD | None:
    """Build the optimiser of the groups with a learning rate of their own; None when there are none.

    Args:
        groups: What is trained.
    """
    own = [
        {
            "params": list(group.parameters),
            "lr": group.lr,
            "momentum": group.momentum or 0.0,
            "weight_decay": group.weight_decay or 0.0,
        }
        for group in groups
        if group.lr is not None
    ]
    return torch.optim.SGD(own) if own else None


def check_groups(method: nn.Module, groups: Sequence[ParameterGroup]) -> None:
    """Check the parameter groups of a method.

    Args:
        method: The method.
        groups: Its groups.

    Raises:
        ValueError: A name or a parameter occurs twice, a parameter is not one of the method's, or no group follows the
            run's learning rate.
    """
    names = [group.name for group in groups]
    own = {id(parameter): name for name, parameter in method.named_parameters()}
    given = [(group.name, parameter) for group in groups for parameter in group.parameters]
    seen: set[int] = set()
    for name, parameter in given:
        if id(parameter) not in own:
            raise ValueError(
                f"the parameter group {name!r} holds a tensor that is not a parameter of the method"
            )
        if id(parameter) in seen:
            raise ValueError(f"the parameter {own[id(parameter)]!r} is in two places of the parameter groups")
        seen.add(id(parameter))
    if len(set(names)) != len(names):
        raise ValueError(f"two parameter groups have the same name: {', '.join(sorted(names))}")
    if not any(group.lr is None and group.parameters for group in groups):
        raise ValueError("no parameter group follows the run's learning rate: leave lr out of one of them")


def _torch_groups(
    group: ParameterGroup, parameters: Sequence[Tensor], lr: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Return parameters of a group as torch takes them; the schedule multiplies the rate by `lr_factor`."""
    shared = {"lr": lr * group.lr_factor, "lr_factor": group.lr_factor}
    if group.weight_decay is not None:
        return [{"params": list(parameters), "weight_decay": group.weight_decay, **shared}]
    if not weight_decay:
        return [{"params": list(parameters), **shared}]
    # As in timm, biases and normalisation weights are not decayed.
    decayed = [parameter for parameter in parameters if parameter.ndim > 1]
    kept = [parameter for parameter in parameters if parameter.ndim <= 1]
    parts = [{"params": decayed, "weight_decay": weight_decay, **shared}, {"params": kept, **shared}]
    return [part for part in parts if part["params"]]


def _of_groups(
    update: Sequence[Tensor], groups: Sequence[ParameterGroup], lr: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Return the parameters of one update, divided by the groups that they belong to, in the order of the update."""
    parts = []
    for group in groups:
        members = {id(parameter) for parameter in group.parameters}
        part = [parameter for parameter in update if id(parameter) in members]
        parts += _torch_groups(group, part, lr, weight_decay) if part else []
    return parts
