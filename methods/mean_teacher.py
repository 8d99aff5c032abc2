"""Mean teacher: consistency with an exponential moving average of the network (Tarvainen and Valpola, 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gridbench.methods._teacher import Teacher, ramp
from gridbench.methods.base import Batch, Setup, StepOutput
from gridbench.methods.losses import PIXEL, SCENE, SINGLE
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["MeanTeacher", "consistency_weight", "ema_decay"]

NOISE, LARGEST = 0.1, 0.2
"""Standard deviation and bound of the noise that the teacher's images get, as in HiLab-git/SSL4MIS."""


@register_method()
class MeanTeacher(Teacher):
    """Adds kappa * mean (p - p_teacher)^2 to the loss of every image, whether its labels are clean or noisy.

    The teacher's weights are a moving average of the student's; it sees the same images with a little noise and
    receives no gradients. As in SSL4MIS on label maps, with two differences: there, labelled images learn from half of
    CE and half of Dice (`--loss pdice_ce` is close), and consistency is mainly for images without labels; here every
    image has both. Ramp-up and start are shares of the run, so that short runs have them too.
    """

    losses = (*SCENE, *SINGLE, *PIXEL)
    because = "its consistency compares probabilities, which a co-occurrence graph lacks"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of the mean teacher."""

        weight: float = parameter(
            0.1,
            "kappa, weight of the consistency after the ramp-up",
            "HiLab-git/SSL4MIS, train_mean_teacher_2D",
            low=0,
            high=1_000_000,
            search=(0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
        )
        decay: float = parameter(
            0.99,
            "share of the teacher that stays at each step, or 1 - 1 / (steps + 1) while that is less",
            "HiLab-git/SSL4MIS, train_mean_teacher_2D",
            low=0,
            high=1,
        )
        start: float = parameter(
            3.33,
            "percent of the run before there is consistency",
            "HiLab-git/SSL4MIS: 1,000 of 30,000 steps",
            low=0,
            high=100,
        )
        ramp_up: float = parameter(
            100.0,
            "percent of the run over which its weight rises",
            "HiLab-git/SSL4MIS: 200 times 150 of 30,000 steps",
            low=0,
            high=100,
        )
        descriptor: str = parameter(
            "student",
            "whose descriptors are compared",
            "ours: the same for all methods with two networks",
            choices=("student", "teacher"),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.epochs = setup.epochs

    @property
    def descriptor_network(self) -> nn.Module:
        """The student's backbone, or the teacher's."""
        network: nn.Module = self.backbone if self.p.descriptor == "student" else self.teacher[0]
        return network

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean of the per-sample losses plus the weighted consistency."""
        prediction = self.predict(batch.images)
        losses = self.objective.per_sample(prediction, batch)
        student = self._probabilities(prediction)
        with torch.no_grad():
            noise = torch.randn(
                batch.images.shape, generator=batch.generator, device=batch.images.device
            ).mul_(NOISE)
            target = self._probabilities(
                self.predict_by_teacher(batch.images + noise.clamp_(-LARGEST, LARGEST))
            )
        consistency = (student - target).square().mean()
        self.teacher_decay = ema_decay(batch.epoch * batch.num_steps + batch.step, self.p.decay)
        done = 100 * (batch.epoch + batch.step / batch.num_steps) / self.epochs
        weight = consistency_weight(done, self.p.weight, self.p.start, self.p.ramp_up)
        shown = prediction.detach()
        logs = {"consistency": consistency.detach(), **self.objective.task.logs(shown)}
        return StepOutput(losses.mean() + weight * consistency, losses, prediction=shown, logs=logs)

    def _probabilities(self, prediction: Tensor) -> Tensor:
        probabilities = self.objective.task.distribution(prediction.float())
        assert probabilities is not None, "a mean teacher needs a task whose outputs are distributions"
        return probabilities


def ema_decay(step: int, decay: float) -> float:
    """Return the share of the teacher that stays after a step: a plain mean of the first steps, then `decay`.

    Args:
        step: Step from 0.
        decay: The share later on, 0 to 1.
    """
    return min(1 - 1 / (step + 1), decay)


def consistency_weight(done: float, weight: float, start: float, ramp_up: float) -> float:
    """Return weight * exp(-5 (1 - done / ramp_up)^2), 0 before the start and `weight` after the ramp-up.

    Args:
        done: Percent of the run that is over.
        weight: The weight after the ramp-up.
        start: Percent of the run before which there is none.
        ramp_up: Percent of the run over which it rises.
    """
    if done < start:
        return 0.0
    return weight * ramp(done, ramp_up)
