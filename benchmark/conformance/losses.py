"""Conformance checks for losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gridbench.conformance.documentation import check_documentation
from gridbench.conformance.findings import Finding, carry_out, require
from gridbench.conformance.fixtures import BATCH, CLASSES, CPU, SIDE, make_batch
from gridbench.methods.base import Loss
from gridbench.methods.pairing import LEVELS
from gridbench.methods.tasks.task import Task
from gridbench.parameters import parse

__all__ = ["check_loss"]


@dataclass(frozen=True)
class Case:
    """A loss with a head of its task and a batch."""

    loss: Loss
    head: torch.nn.Module
    target: Tensor
    features: Tensor

    def prediction(self, scale: float = 1.0) -> Tensor:
        """Return the head's output, multiplied."""
        with torch.no_grad():
            output: Tensor = self.head(self.features) * scale
        return output.requires_grad_()


def check_loss(loss: type[Loss], parameters: Mapping[str, Any]) -> Iterator[Finding]:
    """Carry out every check on a loss with these parameters."""
    documented = list(carry_out((check_documentation, _check_declarations), loss, "", loss))
    yield from documented
    if all(finding.passed for finding in documented):
        chosen = parse(loss.Parameters, parameters, f"loss {loss.name!r}")
        yield from carry_out(CHECKS, _case(loss(chosen)), "", loss, (gives_one_number_an_image,))


def _check_declarations(loss: type[Loss]) -> None:
    """It extends Loss and names a task and a share of noisy images."""
    require(issubclass(loss, Loss), "it does not extend gridbench.methods.base.Loss")
    task: object = loss.task
    require(
        isinstance(task, type) and issubclass(task, Task),
        f"its task is {task!r}; it must be a class such as gridbench.methods.tasks.classification.Classification",
    )
    require(loss.task.level in LEVELS, f"its task learns from {loss.task.level!r}")
    require(0 <= loss.lambda_percent <= 100, f"its lambda_percent is {loss.lambda_percent}")


def gives_one_number_an_image(case: Case) -> None:
    """Gives one finite number per image, in float32, also for half precision and far-off predictions."""
    for scale in (0.0, 1.0, 1e3, -1e3):
        prediction = case.prediction(scale)
        losses = case.loss(prediction, case.target)
        _require_good(losses)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        gradient = prediction.grad
        require(gradient is not None and torch.isfinite(gradient).all(), "its gradient is not finite")
    with torch.autocast(CPU.type, torch.bfloat16):
        _require_good(case.loss(case.prediction().bfloat16(), case.target))


def looks_at_each_image_alone(case: Case) -> None:
    """An image's loss does not depend on the other images."""
    prediction = case.prediction()
    together = case.loss(prediction, case.target)
    alone = torch.cat(
        [case.loss(prediction[i : i + 1], case.target[i : i + 1]) for i in range(len(case.target))]
    )
    require(torch.allclose(together, alone, rtol=1e-4, atol=1e-6), "an image's loss depends on the others")


def changes_nothing(case: Case) -> None:
    """It leaves prediction and target as they are, and says the same twice."""
    prediction, target = case.prediction(), case.target.clone()
    before = prediction.detach().clone()
    first, second = case.loss(prediction, case.target), case.loss(prediction, case.target)
    require(torch.equal(first, second), "it gives another number the second time")
    require(torch.equal(before, prediction.detach()), "it writes into the prediction")
    require(torch.equal(target, case.target), "it writes into the target")


CHECKS: tuple[Callable[[Case], None], ...] = (
    gives_one_number_an_image,
    looks_at_each_image_alone,
    changes_nothing,
)


def _require_good(losses: Tensor) -> None:
    require(losses.shape == (BATCH,), f"it gives the shape {tuple(losses.shape)} for {BATCH} images")
    require(losses.dtype == torch.float32, f"it gives {losses.dtype}")
    require(torch.isfinite(losses).all(), "it gives numbers that are not finite")


def _case(loss: Loss) -> Case:
    """Build a head with its own weights and a batch with an unlabelled image, if the task allows one."""
    task = loss.task(CLASSES, (SIDE, SIDE))
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(BATCH, 8, *((1, 1) if task.reads == "feature_map" else ()), generator=generator)
    with torch.random.fork_rng(devices=[]):
        head = task.head(8)
    for parameter in head.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    batch = make_batch(labels="first_none", level=task.level)
    return Case(loss, head, task.target(batch), features)
