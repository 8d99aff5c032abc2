"""Training on an accelerator: the same numbers as on the CPU, and images a second."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from helpers.fair import compare
from on_gpu.archive import experiment_of
from on_gpu.store import Row, Settings, Store

from gridbench.core.streams import torch_scope
from gridbench.methods._grid.vae import draw_epsilon
from gridbench.methods.base import ANY_LOSS
from gridbench.registry import LOSSES, METHODS
from gridbench.training.experiment import Experiment
from gridbench.training.timing import IN_TRAINING, wait_for

__all__ = ["numerics", "speed"]

CPU = torch.device("cpu")
TOLERANCE = 1e-3
"""Of loss, descriptors and gradients, relative to their norm; float32 sums in another order stay far below."""


def numerics(settings: Settings, store: Store) -> None:
    """Take the first step of every method with every loss on the CPU and on the device, and compare."""
    for method, loss in pairs():
        store.row(f"{method} {loss}", lambda method=method, loss=loss: _difference(settings, method, loss))


def pairs() -> Iterator[tuple[str, str]]:
    """Yield every method that trains with every loss that it goes with."""
    for name in METHODS:
        method = METHODS.get(name)
        for loss in LOSSES if method.losses == ANY_LOSS else method.losses:
            yield name, loss


def _difference(settings: Settings, method: str, loss: str) -> Row:
    tiny = {"backbone": "test_resnet", "batch_size": 16, "crop": settings.pick(64, 24), "epochs": 3}
    sides = []
    for device in (CPU, settings.device):
        with patch("gridbench.methods.grid.draw_epsilon", _drawn_on_cpu):
            sides.append(first_step(experiment_of(settings, device, method=method, loss=loss, **tiny)))
    row = {name: _relative(sides[1][name], sides[0][name]) for name in sides[0]}
    return {
        **row,
        "tolerance": TOLERANCE,
        "verdict": "equal" if all(part <= TOLERANCE for part in row.values()) else "DIFFERS",
    }


def first_step(made: Experiment) -> dict[str, torch.Tensor]:
    """Return the losses, descriptors and gradients of the first mini-batch, on the CPU."""
    assert made.trainer is not None
    batch = made.trainer.make_batch(np.arange(16), 0, 0)
    made.method.train()
    with torch_scope(made.device, 0, "step"):
        output = made.method.step(batch)
        output.loss.backward()
    gradients = [p.grad.flatten() for p in made.method.parameters() if p.grad is not None]
    made.method.eval()
    with torch.no_grad():
        descriptors = made.method.describe(batch.images)
    found = {
        "loss": output.loss.detach().reshape(1),
        "losses of images": output.per_sample_loss.detach(),
        "gradients": torch.cat(gradients),
        "descriptors": descriptors,
    }
    return {name: value.cpu().double() for name, value in found.items()}


def _drawn_on_cpu(like: torch.Tensor, shared: bool, generator: torch.Generator) -> torch.Tensor:
    """Draw the same noise on every device; their generators differ."""
    drawn = draw_epsilon(torch.empty(like.shape), shared, torch.Generator().manual_seed(0))
    return drawn.to(like.device, like.dtype)


def _relative(ours: torch.Tensor, reference: torch.Tensor) -> float:
    return float((ours - reference).norm() / reference.norm().clamp_min(1e-12))


def speed(settings: Settings, store: Store) -> None:
    """Measure the trainer's images a second in each arithmetic, format and way; then what GRID costs over BCE."""
    # Inductor takes minutes on a CPU; this backend traces alike and makes no code.
    backend = patch("gridbench.training.compile.BACKEND", "aot_eager") if settings.small else nullcontext()
    with backend:
        _speed(settings, store)


def _speed(settings: Settings, store: Store) -> None:
    ways = itertools.product(("float32", "tf32", "bfloat16"), (None, "channels_last"), (None, True))
    for arithmetic, layout, compiled in ways:
        words = [arithmetic, layout or "contiguous", "compiled" if compiled else "plain"]
        store.row(
            "bce " + " ".join(words),
            lambda given=(arithmetic, layout, compiled): _epochs(settings, *given),
        )
    for arithmetic, layout in (("float32", None), ("bfloat16", "channels_last")):
        store.row(
            f"grid / bce {arithmetic} {layout or 'contiguous'}",
            lambda given=(arithmetic, layout): _ratio(settings, *given),
        )


def _trainer(
    settings: Settings, method: str, arithmetic: str, layout: str | None, compiled: bool | None
) -> Callable[[int], Any]:
    """Return a function that trains one epoch of eight mini-batches and waits for the device."""
    batch = settings.pick(128, 8)
    precision = "float32" if arithmetic == "tf32" else arithmetic
    made = experiment_of(
        settings,
        method=method,
        loss="bce",
        batch_size=batch,
        train_size=settings.pick(8, 2) * batch,
        precision=precision,
        memory_format=layout,
        compile=compiled,
    )
    trainer = made.trainer
    assert trainer is not None

    def epoch(number: int) -> Any:
        with _tf32() if arithmetic == "tf32" else nullcontext():
            trainer.train_epoch(number)
            wait_for(settings.device)
        return trainer

    return epoch


@contextmanager
def _tf32() -> Iterator[None]:
    """Let convolutions and products of matrices round their factors to 10 bits; gridbench itself never does."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=True):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _epochs(settings: Settings, arithmetic: str, layout: str | None, compiled: bool | None) -> Row:
    epoch = _trainer(settings, "bce", arithmetic, layout, compiled)
    first = _seconds(lambda: epoch(0))
    rounds = [_seconds(lambda number=number: epoch(number)) for number in range(1, settings.pick(6, 3))]
    trainer = epoch(len(rounds) + 1)
    trainer.profile(True)
    epoch(len(rounds) + 2)
    spent = trainer.phases.seconds
    in_step = sum(spent[phase] for phase in IN_TRAINING)
    images = trainer.truth.num_samples
    median = float(np.median(rounds))
    return {
        "images/s": images / median,
        "lowest": images / max(rounds),
        "highest": images / min(rounds),
        "ms per step": 1000 * median / (images / trainer.settings.batch_size),
        "data, share of a step": spent["data"] / in_step,
        "first epoch, s": first,
    }


def _ratio(settings: Settings, arithmetic: str, layout: str | None) -> Row:
    grid, bce = (_trainer(settings, method, arithmetic, layout, None) for method in ("grid", "bce"))
    found = compare(
        f"GRID / BCE on {settings.device.type}, {arithmetic}",
        lambda: grid(0),
        lambda: bce(0),
        rounds=settings.pick(9, 3),
        at_most=1.03,
        output=settings.output,
    )
    return {"ratio": found.ratio, "low": found.low, "high": found.high, "verdict": found.verdict}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
