"""Validation of what methods return to the trainer: outputs of steps, samplers and scores of samples."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gridbench.methods.hooks import SampleScores
from gridbench.methods.tasks.batch import Batch

__all__ = ["check_output", "check_sampling", "check_scores", "versions_of", "written_to"]

HISTORY = (
    "detection", "epoch", "learning_rate", "loss", "loss_detection", "memorised", "predicted_prevalence", "validation"
)  # fmt: skip
"""Names in the history that are reserved, since every method has them; a method may not log under them."""


def check_output(output: Any, size: int) -> None:
    """Check the type and shapes of the output of a step, without reading from the device.

    Args:
        output: What `Method.step` returned.
        size: Images of the batch.

    Raises:
        ValueError: It is not a `StepOutput`, or a part has the wrong shape or type.
    """
    if not all(hasattr(output, name) for name in ("loss", "per_sample_loss", "logs")):
        raise ValueError(f"it returned a {type(output).__name__}, not a StepOutput")
    _check_tensor("loss", output.loss, ())
    if not output.loss.requires_grad:
        raise ValueError("the loss is detached: nothing would be trained")
    for name in ("per_sample_loss", "noisy_score", "selected"):
        value = getattr(output, name)
        if value is not None or name == "per_sample_loss":
            _check_tensor(name, value, (size,))
    if output.selected is not None and output.selected.dtype != torch.bool:
        raise ValueError(f"selected is {output.selected.dtype}; it must be bool")
    shown = output.prediction
    if shown is not None and not (isinstance(shown, Tensor) and shown.shape[:1] == (size,)):
        what = (
            f"the shape {tuple(shown.shape)}"
            if isinstance(shown, Tensor)
            else f"the type {type(shown).__name__}"
        )
        raise ValueError(f"prediction is of {what}; it must be a tensor of the shape ({size}, ...)")
    if not isinstance(output.logs, Mapping):
        raise ValueError(f"logs is a {type(output.logs).__name__}; it must be a mapping of names to numbers")
    for name, value in output.logs.items():
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or name in HISTORY:
            raise ValueError(
                f"it logs something as {name!r}; it must be a name, and none of those that every run has: "
                f"{', '.join(HISTORY)}"
            )
        one = (
            value.numel() == 1 and not value.is_complex() if isinstance(value, Tensor) else _is_number(value)
        )
        if not one:
            what = str(tuple(value.shape)) if isinstance(value, Tensor) else repr(value)[:50]
            raise ValueError(f"the logged {name!r} is {what}; it must be one number")


def check_scores(scores: Any, num_samples: int) -> None:
    """Check the type and shapes of what `Method.score_samples` returned.

    Args:
        scores: What it returned.
        num_samples: Number of training images N.

    Raises:
        ValueError: It is neither None nor `SampleScores` of one number per image.
    """
    if scores is None:
        return
    if not isinstance(scores, SampleScores):
        raise ValueError(f"it returned a {type(scores).__name__}, not SampleScores")
    _check_tensor("images", scores.images, (num_samples,))
    labels: Any = scores.labels
    if labels is None:
        return
    if isinstance(labels, Tensor) and labels.ndim != 1:
        raise ValueError(
            f"labels has the shape {tuple(labels.shape)} and must be (M,), one number per label; flatten it"
        )
    _check_tensor("labels", labels, tuple(getattr(labels, "shape", ())))


def _check_tensor(name: str, value: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"{name} is a {type(value).__name__}; it must be a tensor")
    if value.shape != shape:
        images = f" on {shape[0]} images" if shape else ""
        raise ValueError(
            f"{name} has the shape {tuple(value.shape)}{images} and must be {shape or 'a scalar'}"
        )
    if value.is_complex():
        raise ValueError(f"{name} is {value.dtype}; it must be of real numbers")


def _is_number(value: Any) -> bool:
    try:
        # Infinite values and NaN are reported at the end of the epoch.
        return isinstance(value, numbers.Real) and isinstance(float(value), float)
    except OverflowError:
        return False


def versions_of(batch: Batch) -> dict[str, tuple[Tensor, int]]:
    """Return the tensors of a batch by name, each with its version, which counts the writes to it."""
    views = {"batch": batch, **{f"batch.views[{i}]": view for i, view in enumerate(batch.views[1:], 1)}}
    return {
        f"{where}.{name}": (value, value._version)
        for where, view in views.items()
        for name in ("images", "scene_labels", "label_maps", "indices")
        if (value := getattr(view, name)) is not None
    }


def written_to(versions: Mapping[str, tuple[Tensor, int]]) -> str:
    """Return the name of the first tensor that has been written to since; empty if there is none."""
    return next((name for name, (value, before) in versions.items() if value._version != before), "")


def check_sampling(sampling: Any, num_samples: int, batch_size: int) -> tuple[Tensor | None, list[Tensor]]:
    """Return the weights or the lists of indices that a sampler gave; neither if every image is visited once.

    Args:
        sampling: What `Method.sampler` returned.
        num_samples: Number of training images N.
        batch_size: Images per step.

    Raises:
        ValueError: It is nothing that a sampler may return.
    """
    if sampling is None:
        return None, []
    if isinstance(sampling, Tensor):
        weights = sampling.detach().cpu().double()
        if not sampling.is_floating_point() or weights.shape != (num_samples,):
            raise ValueError(
                f"it returned a {sampling.dtype} tensor of the shape {tuple(sampling.shape)}; weights are a tensor of "
                f"floats of the shape ({num_samples},), and indices are given as a list of tensors: [indices]"
            )
        if not bool(torch.isfinite(weights).all() and (weights >= 0).all() and (weights > 0).any()):
            raise ValueError("its weights must be finite, at least 0, and not all 0")
        return weights, []
    lists = list(sampling)
    for number, indices in enumerate(lists):
        integers = isinstance(indices, Tensor) and indices.dtype in (torch.int32, torch.int64)
        if not integers or indices.ndim != 1:
            raise ValueError(
                f"its list {number} is not a tensor of integers of the shape (n,); turn a mask into "
                "indices by mask.nonzero().flatten()"
            )
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < num_samples:
            raise ValueError(f"its list {number} holds indices beyond 0 to {num_samples - 1}")
    if not lists or not len(lists[0]):
        raise ValueError("its first list is empty, so that the epoch would have no step; return None instead")
    if len(lists) > batch_size:
        raise ValueError(f"it returned {len(lists)} lists for batches of {batch_size} images")
    return None, [indices.detach().cpu().long() for indices in lists]
