"""Construction of the components of a plan: backbone, objective, method, training set and training settings."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import torch

from gridbench.config import RunConfig
from gridbench.core.plugins import failure_of_a_run
from gridbench.core.streams import torch_scope
from gridbench.datasets.archive.summary import map_presence
from gridbench.datasets.dataset import Progress
from gridbench.datasets.loading.augmentation import Augmentation
from gridbench.datasets.loading.batches import TrainingSet
from gridbench.datasets.loading.strong import DEFAULT_STRENGTH
from gridbench.methods.base import Method, Objective, Setup
from gridbench.metrics.noise_rate import estimate_noise_rate
from gridbench.plan import Plan
from gridbench.training.backbone import BackboneSpec, TimmBackbone, build_backbone, check_distance, probe
from gridbench.training.corrupt import training_images
from gridbench.training.optimization.updates import UpdateRule
from gridbench.training.trainer import TrainingSettings

__all__ = [
    "build_method",
    "build_objective",
    "check_networks",
    "spec_of",
    "training_set",
    "training_settings",
]

Array = np.ndarray[Any, Any]
Backbones = Callable[[BackboneSpec], TimmBackbone]
QUIET_SECONDS = 2.0
"""Progress is shown once checks take longer than this."""


def spec_of(plan: Plan) -> BackboneSpec:
    """Return the specification of the backbone that a run trains."""
    config = plan.config
    size = config.crop or plan.archive.image_size
    return BackboneSpec(
        name=config.backbone or "",
        bands=plan.archive.bands,
        image_size=(size, size) if isinstance(size, int) else size,
        reads=plan.loss.task.reads if plan.loss else "descriptor",
        pretrained=config.pretrained,
        weights=config.weights,
        weights_prefix=config.weights_prefix,
        frozen=config.freeze == "backbone",
        output_stride=config.output_stride,
        descriptor_map=config.descriptor_map,
        precision=config.precision,
        memory_format=config.memory_format,
        compiled=bool(config.compile),
    )


def build_objective(plan: Plan, backbone: Backbones = build_backbone) -> Objective | None:
    """Return the task and its loss; None for a method that trains nothing.

    Args:
        plan: The plan.
        backbone: Builds a backbone from its specification.
    """
    if plan.loss is None:
        return None
    features = None
    if plan.loss.task.reads == "feature_map":
        spec = spec_of(plan)
        look = _seeded(plan, "init/backbone", partial(backbone, spec))
        features = probe(look, spec).feature_size
    task = plan.loss.task(plan.archive.num_classes, _map_size(plan), features)
    return Objective(task, plan.loss(plan.loss_parameters))


def build_method(
    plan: Plan, objective: Objective | None, num_samples: int, backbone: Backbones = build_backbone
) -> Method:
    """Return the method with initialised networks, on the CPU.

    Args:
        plan: The plan.
        objective: The task and its loss.
        num_samples: Number of training images.
        backbone: Builds a backbone from its specification.

    Raises:
        InputError: A parameter does not fit the data, or the chosen distance cannot compare the backbone's
            descriptors.
    """
    config, spec = plan.config, spec_of(plan)
    setup = Setup(
        backbone=lambda name: _seeded(plan, f"init/{name}", partial(backbone, spec)),
        build=lambda name, factory: _seeded(plan, f"init/{name}", factory),
        objective=objective,
        num_samples=num_samples,
        num_classes=plan.archive.num_classes,
        epochs=config.epochs or 0,
        map_size=plan.archive.image_size if plan.level == "pixel" else None,
        noise_rate=_noise_rate,
    )
    method = plan.method(setup, plan.method_parameters)
    if plan.method.ranking == "descriptors":
        check_distance(probe(method.descriptor_network, spec), config.distance, spec)
    return method


def check_networks(plans: Iterable[Plan], progress: Progress | None = None) -> None:
    """Refuse methods that cannot be built, or whose descriptors the distance cannot compare, before any run begins.

    Each method is built once with each archive, backbone, loss, distance, set of parameters and length of training.

    Args:
        plans: The runs.
        progress: Called as `progress(done, total, what)` once this takes longer than some seconds.

    Raises:
        InputError: With the reason.
        RunFailed: Code of a plug-in failed.
    """
    kinds: dict[BackboneSpec, dict[tuple[object, ...], dict[tuple[object, ...], Plan]]] = {}
    for plan in plans:
        config = plan.config
        # A plug-in's parameters need not be hashable.
        parameters = repr((plan.method_parameters, plan.loss_parameters))
        data = (plan.archive.fingerprint, config.train_size, config.epochs)
        alike = kinds.setdefault(spec_of(plan), {}).setdefault((plan.method, plan.loss), {})
        alike.setdefault((parameters, config.distance, *data), plan)
    total = sum(len(alike) for by_method in kinds.values() for alike in by_method.values())
    done, began = 0, time.monotonic()
    for by_method in kinds.values():
        original = functools.cache(build_backbone)
        for alike in by_method.values():
            networks = _Networks(original)
            for plan in alike.values():
                _check_network(plan, networks)
                done += 1
                if progress is not None and time.monotonic() - began > QUIET_SECONDS:
                    progress(done, total, "checking parameters")


class _Networks:
    """Backbones for methods that are built only to be checked; copies of one, since building takes most of the time.

    Args:
        original: Builds a backbone; returns the same one for the same specification.
    """

    def __init__(self, original: Backbones) -> None:
        self._original = original
        self._made: dict[BackboneSpec, list[TimmBackbone]] = {}
        self._taken: dict[BackboneSpec, int] = {}

    def reuse(self) -> bool:
        """Start over with the backbones made so far; return whether there are any."""
        self._taken.clear()
        return bool(self._made)

    def renew(self) -> None:
        """Start over with new copies."""
        self._made.clear()
        self._taken.clear()

    def __call__(self, spec: BackboneSpec) -> TimmBackbone:
        """Return a backbone that the current method does not have yet."""
        made, taken = self._made.setdefault(spec, []), self._taken.get(spec, 0)
        self._taken[spec] = taken + 1
        if taken == len(made):
            made.append(copy.deepcopy(self._original(spec)))
        return made[taken]


def _check_network(plan: Plan, networks: _Networks) -> None:
    """Build a method, reusing the backbones of the same method with other parameters.

    Copying large backbones for each set of parameters would take minutes.
    """
    count = len(training_images(plan.archive, plan.config.train_size))
    with failure_of_a_run():
        if networks.reuse():
            with suppress(Exception, SystemExit):
                build_method(plan, build_objective(plan, networks), count, networks)
                return
            # A method may modify its backbones so that they cannot be used twice; only a failure with new ones counts.
            networks.renew()
        build_method(plan, build_objective(plan, networks), count, networks)


def training_set(
    plan: Plan,
    indices: Array,
    noisy: Array,
    device: torch.device,
    labels: str | None = None,
    limit_bytes: int | None = None,
) -> TrainingSet:
    """Return the training images with the labels that the method may see.

    Args:
        plan: The plan.
        indices: (N,) positions in the archive.
        noisy: Corrupted labels of the plan's kind, (N, C) or (N, H, W).
        device: Device of the batches.
        labels: Which labels to use; None for those that the method learns from.
        limit_bytes: Maximum size held in memory or on the device; None to decide by the memory available.
    """
    config, archive = plan.config, plan.archive
    labels = labels or plan.method.labels
    scene, maps = archive.scene_labels[indices], None
    if plan.level == "pixel":
        maps = archive.label_maps[indices]
    if labels == "noisy" and plan.level == "pixel":
        # Clean scene labels would reveal which classes the noisy maps should contain.
        scene, maps = map_presence(noisy, archive.num_classes)[0], noisy
    elif labels == "noisy":
        scene = noisy
    elif labels == "clean":
        scene = archive.true_scene_labels[indices]
        maps = None if maps is None else archive.true_label_maps[indices]
    augmentation = Augmentation(
        crop=config.crop or None,
        flips=bool(config.flips),
        brightness=float(config.brightness or 0),
        crop_for=config.crop_for or "image",
        brightness_for=config.brightness_for or "image",
        strength=_strength(config),
        always_strong=config.augment == "strong",
        move_maps=config.move_maps is not False,
    )
    return TrainingSet(
        archive,
        indices,
        scene,
        maps,
        augmentation,
        device,
        limit_bytes,
        statistics=config.statistics or "train",
    )


def _strength(config: RunConfig) -> float:
    return DEFAULT_STRENGTH if config.augment_strength is None else config.augment_strength


def training_settings(plan: Plan) -> TrainingSettings:
    """Return the training settings of a plan, such as epochs, batch size, optimiser and seed."""
    config = plan.config
    return TrainingSettings(
        seed=config.seed,
        epochs=config.epochs or 0,
        batch_size=config.batch_size or 0,
        rule=UpdateRule(
            learning_rate=config.learning_rate or 0.0,
            adam_epsilon=config.adam_epsilon or 0.0,
            shared_steps=config.adam_steps == "shared",
            epsilon_hat=config.adam_epsilon_form == "hat",
            optimizer=None if config.optimizer == "adam" else config.optimizer,
            fused=config.fused or False,
            momentum=config.momentum,
            weight_decay=config.weight_decay or 0.0,
            schedule=config.schedule or "constant",
            warmup_epochs=config.warmup_epochs or 0.0,
            min_lr=config.min_lr or 0.0,
            clip_norm=config.clip_norm,
            accumulate=config.accumulate or 1,
            ema=config.ema,
        ),
        select_best=config.select == "best",
        last_epochs=config.last_epochs or 0,
    )


def _seeded(plan: Plan, stream: str, factory: Callable[[], Any]) -> Any:
    with torch_scope(torch.device("cpu"), plan.config.seed, stream):
        return factory()


def _map_size(plan: Plan) -> tuple[int, int] | None:
    """Return the size of the label maps as a batch holds them: cut like the images."""
    if plan.level != "pixel":
        return None
    crop = plan.config.crop if plan.config.move_maps is not False else 0
    return (crop, crop) if crop else plan.archive.image_size


def _noise_rate(labels: torch.Tensor, probabilities: torch.Tensor) -> float:
    """Estimate the noise rate of (N, C) labels, without an interval."""
    return estimate_noise_rate(labels.cpu().numpy(), probabilities.cpu().numpy()).rate
