"""Conformance checks for methods with each of their losses; each check is one function that raises on failure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from gridbench.config import make_config
from gridbench.conformance.documentation import check_documentation
from gridbench.conformance.findings import Finding, carry_out, first_difference, require
from gridbench.conformance.fixtures import Workbench
from gridbench.conformance.reproducibility import (
    computes_the_same_again,
    draws_from_its_streams_alone,
    learns_from_the_given_labels_alone,
    resumes_exactly,
    starts_alike,
)
from gridbench.conformance.scoring import (
    describes_each_image_on_its_own,
    is_scored,
    scores_samples_repeatably,
)
from gridbench.conformance.subject import Subject, step_on
from gridbench.errors import InputError, counted
from gridbench.methods.base import ANY_LOSS, Batch, Method, StepOutput
from gridbench.methods.pairing import losses_of
from gridbench.registry import LOSSES, UnknownName

__all__ = ["check_method"]


def check_method(
    method: type[Method], bench: Workbench, parameters: Mapping[str, Any], losses: Sequence[str] = ()
) -> Iterator[Finding]:
    """Run every check on a method with the given parameters, and with the given or all compatible losses."""
    documented = list(carry_out((check_documentation, _check_declarations), method, "", method))
    yield from documented
    if not all(finding.passed for finding in documented):
        return
    everything = losses_of(method)
    checks = TRAINED if method.labels != "none" else REFERENCE
    for loss in losses or everything or (None,):
        yield from carry_out(checks, Subject(bench, method, loss, parameters), loss or "", method, BASIC)


def _check_declarations(method: type[Method]) -> None:
    """Its losses exist; its labels, ranking and recipe are among those there are."""
    require(issubclass(method, Method), "it does not extend gridbench.methods.base.Method")
    for loss in () if method.losses == ANY_LOSS else method.losses:
        try:
            LOSSES.origin(loss)
        except UnknownName as error:
            require(False, f"it supports the loss {loss!r}: {error}")
    require(method.labels in ("noisy", "clean", "none"), f"its labels are {method.labels!r}")
    require(method.ranking in ("descriptors", "chance"), f"its ranking is {method.ranking!r}")
    try:
        make_config(method.recipe)
    except InputError as error:
        require(False, f"its recipe cannot be run: {error}")
    trains = method.labels != "none"
    require(trains == bool(method.losses), "it names losses and trains nothing, or trains and names no loss")


def builds(subject: Subject) -> None:
    """Builds itself."""
    method = subject.built.method
    own = {id(p) for p in method.parameters()}
    hidden = [name for name, p in method.descriptor_network.named_parameters() if id(p) not in own]
    require(
        not hidden,
        f"{len(hidden)} weights of the descriptor network, such as {hidden[:1]}, are not parameters of the method: "
        "keep networks as attributes or in torch.nn containers",
    )


def step_has_its_shapes(subject: Subject) -> None:
    """A step returns what it must, in its shapes."""
    _require_finite(step_on(subject.ready(), subject.batch()))


def trains(subject: Subject) -> None:
    """Trains for three epochs on 14 images, in batches of eight and six."""
    assert subject.trained


def gradients_arrive(subject: Subject) -> None:
    """The descriptor network is trained by finite gradients, or follows a network that is."""
    method = subject.ready()
    method.train()
    require(method.step(subject.batch()).loss.requires_grad, "the loss is detached: nothing would be trained")
    step_on(method, subject.batch())
    _require_finite_gradients(method)
    own = {id(p) for p in method.descriptor_network.parameters()}
    reached = [p for p in method.parameters() if p.grad is not None and bool((p.grad != 0).any())]
    # A moving average of a trained network gets no gradient but changes with it.
    before = dict(subject.built.method.descriptor_network.named_parameters())
    after = dict(subject.trained[0].method.descriptor_network.named_parameters())
    why = "is it in no parameter group?" if any(id(p) in own for p in reached) else "it gets no gradient"
    require(
        first_difference(before, after),
        f"training does not change the descriptor network: {why}",
    )


def updates_what_it_trains(subject: Subject) -> None:
    """Every parameter that gets a gradient is in a parameter group."""
    method = subject.ready()
    step_on(method, subject.batch())
    grouped = {id(p) for group in method.parameter_groups() for p in group.parameters}
    left_out = [
        name
        for name, p in method.named_parameters()
        if id(p) not in grouped and p.grad is not None and bool((p.grad != 0).any())
    ]
    require(
        not left_out,
        f"{counted(len(left_out), 'parameter')}, such as {next(iter(left_out), '')!r}, would stay as initialised: add "
        "them to parameter_groups, or call requires_grad_(False) if they should",
    )


def leaves_the_batch_alone(subject: Subject) -> None:
    """A step leaves the batch as it was."""
    method, batch = subject.ready(), subject.batch()
    tensors = {
        f"{where}.{field.name}": value
        for where, view in [("batch", batch), *((f"views[{i}]", v) for i, v in enumerate(batch.views[1:], 1))]
        for field in fields(view)
        if isinstance(value := getattr(view, field.name), Tensor)
    }
    before = {name: value.clone() for name, value in tensors.items()}
    step_on(method, batch)
    different = first_difference(before, tensors)
    require(not different, f"it writes into {different}: work on a copy")


def stays_finite_in_bfloat16(subject: Subject) -> None:
    """Under autocast the losses are finite and in float32."""
    method = subject.ready()
    output = step_on(method, subject.batch(), autocast=True)
    _require_finite(output)
    for name, value in (("loss", output.loss), ("per_sample_loss", output.per_sample_loss)):
        require(
            value.dtype == torch.float32, f"{name} is {value.dtype} under autocast: compute it in float32"
        )
    _require_finite_gradients(method)


def takes_small_batches(subject: Subject) -> None:
    """Odd last batches of two, five and nine images work."""
    for epoch in subject.epochs:
        method = subject.ready(epoch)
        for size in (2, 5, 9):
            _require_good_step(method, subject.batch(size, epoch=epoch))


def takes_equal_labels(subject: Subject) -> None:
    """Batches in which all images have the same label, or all labels, work."""
    for epoch, labels in itertools.product(subject.epochs, ("one", "all")):
        method = subject.ready(epoch)
        _require_good_step(method, subject.batch(labels=labels, epoch=epoch))


def takes_images_without_labels(subject: Subject) -> None:
    """Images without any label work."""
    objective = subject.trained[0].objective
    assert objective is not None
    for epoch in subject.epochs:
        method = subject.ready(epoch)
        for labels in ("first_none", "none"):
            batch = subject.batch(labels=labels, epoch=epoch)
            valid = objective.task.valid(batch)
            kept = batch if valid is None else batch.only(valid)
            # Samples without any valid label are removed before a method sees the batch.
            if len(kept.indices) > 1:
                _require_good_step(method, kept)


BASIC: tuple[Callable[[Subject], None], ...] = (
    builds,
    step_has_its_shapes,
    leaves_the_batch_alone,
    trains,
    scores_samples_repeatably,
)
REFERENCE: tuple[Callable[[Subject], None], ...] = (
    builds,
    starts_alike,
    describes_each_image_on_its_own,
    is_scored,
)
TRAINED: tuple[Callable[[Subject], None], ...] = (
    builds,
    starts_alike,
    step_has_its_shapes,
    leaves_the_batch_alone,
    trains,
    gradients_arrive,
    updates_what_it_trains,
    computes_the_same_again,
    draws_from_its_streams_alone,
    learns_from_the_given_labels_alone,
    resumes_exactly,
    stays_finite_in_bfloat16,
    takes_small_batches,
    takes_equal_labels,
    takes_images_without_labels,
    describes_each_image_on_its_own,
    scores_samples_repeatably,
    is_scored,
)


def _require_finite(output: StepOutput) -> None:
    require(math.isfinite(output.loss.item()), f"the loss is {output.loss.item()}")
    for name in ("per_sample_loss", "noisy_score"):
        value = getattr(output, name)
        require(value is None or torch.isfinite(value.float()).all(), f"{name} is not finite")
    for name, value in (("prediction", output.prediction), *output.logs.items()):
        graph = isinstance(value, Tensor) and value.requires_grad
        require(not graph, f"{name!r} still has its graph: detach what is only looked at")
    for name, value in output.logs.items():
        require(math.isfinite(float(value)), f"the logged {name!r} is not a finite number")


def _require_good_step(method: Method, batch: Batch) -> None:
    _require_finite(step_on(method, batch))
    _require_finite_gradients(method)


def _require_finite_gradients(method: Method) -> None:
    for name, parameter in method.named_parameters():
        finite = parameter.grad is None or bool(torch.isfinite(parameter.grad).all())
        require(finite, f"the gradient of {name!r} is not finite")
