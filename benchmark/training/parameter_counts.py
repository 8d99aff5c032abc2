"""Numbers of trainable parameters for discriminative, generative and hybrid reasoning (paper, Fig. 8)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import nn

from gridbench.core.streams import torch_scope
from gridbench.errors import InputError, nearest
from gridbench.methods.base import Loss, Objective, Setup
from gridbench.methods.grid import GRID
from gridbench.registry import LOSSES
from gridbench.training.backbone import BackboneSpec, TimmBackbone, build_backbone, probe

__all__ = ["ParameterCounts", "count_parameters"]


@dataclass(frozen=True)
class ParameterCounts:
    """Numbers of trainable parameters for one task.

    Attributes:
        task: Name of the task.
        backbone: Those of the backbone.
        discriminative: With the discriminative head: plain training.
        generative: Backbone and supervised VAE.
        hybrid: All three: GRID.
    """

    task: str
    backbone: int
    discriminative: int
    generative: int
    hybrid: int


def count_parameters(
    spec: BackboneSpec, num_classes: int, *, latent: int = 128, tasks: Collection[str] = ()
) -> list[ParameterCounts]:
    """Count the parameters of the networks that GRID builds in each of its modes.

    Args:
        spec: The backbone and the images that it sees; label maps are taken to be of the images' size.
        num_classes: Number of classes C.
        latent: Latent dimension J of the VAE.
        tasks: Names of the tasks to count; all that a loss is registered for by default.

    Raises:
        InputError: An unknown task, or a backbone that cannot be built or gives no feature map for a task that needs
            one.
    """
    losses = _loss_of_each_task()
    for name in tasks:
        if name not in losses:
            raise InputError(
                f"There is no task {name!r}.{nearest(name, losses)} There are: {', '.join(losses)}."
            )
    chosen = {name: loss for name, loss in losses.items() if not tasks or name in tasks}
    # The values of the weights do not matter for counting, but other random streams must not be affected.
    with torch_scope(torch.device("cpu"), 0, "init/count"):
        seen = {loss.task.reads: _look(replace(spec, reads=loss.task.reads)) for loss in chosen.values()}
        return [
            _count(_setup(*seen[loss.task.reads], spec, loss, num_classes), latent)
            for loss in chosen.values()
        ]


def _look(spec: BackboneSpec) -> tuple[TimmBackbone, tuple[int, int] | None]:
    """Build a backbone and find the size of its feature map."""
    backbone = build_backbone(spec)
    return backbone, probe(backbone, spec).feature_size


def _loss_of_each_task() -> dict[str, type[Loss]]:
    """Return one loss per task, in alphabetical order of the losses; which one does not matter for the counts."""
    found: dict[str, type[Loss]] = {}
    for name in LOSSES:
        loss = LOSSES.get(name)
        found.setdefault(loss.task.name, loss)
    return found


def _setup(
    backbone: TimmBackbone,
    feature_size: tuple[int, int] | None,
    spec: BackboneSpec,
    loss: type[Loss],
    num_classes: int,
) -> Setup:
    objective = Objective(loss.task(num_classes, spec.image_size, feature_size), loss())
    return Setup(
        backbone=lambda stream: backbone,
        build=lambda stream, factory: factory(),
        objective=objective,
        num_samples=0,
        num_classes=num_classes,
        epochs=0,
        map_size=spec.image_size,
    )


def _count(setup: Setup, latent: int) -> ParameterCounts:
    assert setup.objective is not None
    discriminative, generative, hybrid = (
        _trainable(GRID(setup, GRID.Parameters(lambda_=0.0, mode=mode, latent=latent)))
        for mode in ("discriminative", "generative", "hybrid")
    )
    backbone = _trainable(setup.backbone("backbone"))
    return ParameterCounts(setup.objective.task.name, backbone, discriminative, generative, hybrid)


def _trainable(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
