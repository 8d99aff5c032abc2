"""Adam, as the paper names it, or as GRID's published code runs it in Keras."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["SharedStepAdam", "make_optimizer"]


class SharedStepAdam(torch.optim.Adam):
    """Adam whose one step counter advances once for each group of parameters that a mini-batch updates.

    GRID's published code applies one Adam three times per mini-batch: to the discriminative head, to the VAE, to the
    backbone. Only the bias correction of the first updates is altered by that: in the first mini-batch they are
    1.00, 0.74 and 0.64 times those of plain Adam.

    Args:
        groups: Lists of parameters in the order of their updates.
        lr: Learning rate.
        eps: Added to the denominator.
        epsilon_hat: Whether `eps` is added to sqrt(v) before the bias correction, as in Keras ("epsilon hat" in Kingma
            and Ba, Section 2), where it weighs 1 / sqrt(1 - beta2^t) times as much as in torch: 31.6 times at t = 1.
    """

    def __init__(
        self, groups: Sequence[Sequence[Tensor]], lr: float, eps: float, epsilon_hat: bool = False
    ) -> None:
        super().__init__([{"params": list(group)} for group in groups], lr=lr, eps=eps)
        self._epsilon = eps if epsilon_hat else None
        for place, group in enumerate(self.param_groups):
            for parameter in group["params"]:
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
                # What had no gradient was passed over, and the counter goes on all the same.
                missed = len(self.param_groups) - (parameter.grad is not None)
                self.state[parameter]["step"] += missed
        return loss


def make_optimizer(
    method: nn.Module,
    groups: Sequence[Sequence[Tensor]],
    lr: float,
    eps: float,
    shared: bool,
    epsilon_hat: bool | None = None,
) -> torch.optim.Optimizer:
    """Build the optimiser of a run.

    Args:
        method: Whose parameters are trained.
        groups: The same parameters in the order in which the published code updates them.
        lr: Learning rate.
        eps: Added to the denominator.
        shared: Whether the step counter is shared by the groups.
        epsilon_hat: Whether `eps` is added before the bias correction; None: as in the published code where its step
            counter is used.

    Raises:
        ValueError: The groups are not exactly the method's parameters.
    """
    hat = shared if epsilon_hat is None else epsilon_hat
    if not shared:
        if hat:
            return SharedStepAdam([list(method.parameters())], lr, eps, hat)
        return torch.optim.Adam(method.parameters(), lr=lr, eps=eps)
    grouped = [id(parameter) for group in groups for parameter in group]
    if sorted(grouped) != sorted(id(parameter) for parameter in method.parameters()):
        raise ValueError("the groups of parameters are not exactly the parameters of the method")
    return SharedStepAdam(groups, lr, eps, hat)
