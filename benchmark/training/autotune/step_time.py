"""Measurement of training step times of several variants of a backbone, interleaved in rounds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch

from gridbench.core.environment import keep_float32
from gridbench.core.streams import torch_scope, torch_stream
from gridbench.errors import RunFailed
from gridbench.training.backbone import BackboneSpec, build_backbone
from gridbench.training.timing import wait_for

__all__ = ["step_times", "stepper"]

ROUNDS = 5
"""Times that each backbone is timed, one after the other, so that what else runs slows all of them alike."""
ENOUGH = 20.0
"""Seconds after which no further round is begun."""
MIN_SECONDS = 0.05
"""Seconds that are timed in one piece at least, in which an accelerator is waited for once."""


def step_times(specs: Mapping[str, BackboneSpec], batch: int, device: torch.device) -> dict[str, list[float]]:
    """Return the seconds of a training step of each backbone, one number a round; the first steps are not counted.

    Args:
        specs: Name -> backbone.
        batch: Images in a mini-batch.
        device: Where to compute.

    Returns:
        Name -> seconds; without those that this device cannot compute.

    Raises:
        InputError: There is no such backbone.
        RunFailed: The device can compute none of them.
    """
    steps: dict[str, Callable[[], None]] = {}
    repeats: dict[str, int] = {}
    reason: Exception | None = None
    for name, spec in specs.items():
        try:
            step = stepper(spec, batch, device)
            repeats[name] = max(1, min(10, math.ceil(MIN_SECONDS / _seconds(step, 1, device))))
            steps[name] = step
        except RuntimeError as error:
            reason = error
    if not steps:
        raise RunFailed(
            f"No step of the backbone could be timed on {device}: {reason}. Name a value in place of auto."
        ) from reason
    times: dict[str, list[float]] = {name: [] for name in steps}
    started = time.perf_counter()
    for done in range(ROUNDS):
        if done and time.perf_counter() - started > ENOUGH:
            break
        for name in list(steps) if done % 2 == 0 else reversed(list(steps)):
            times[name].append(_seconds(steps[name], repeats[name], device))
    return times


def stepper(spec: BackboneSpec, batch: int, device: torch.device) -> Callable[[], None]:
    """Return a function that takes one step of Adam on one fixed mini-batch of random images.

    Args:
        spec: The backbone; what it returns is squared and averaged in place of a loss.
        batch: Images in the mini-batch.
        device: Where to compute.

    Raises:
        RuntimeError: The device cannot compute it, or not rightly.
    """
    keep_float32()
    cpu = torch.device("cpu")
    with torch_scope(cpu, 0, "speed"):
        backbone = build_backbone(spec).to(device).train()
    shape = (batch, spec.bands, *spec.image_size)
    images = torch.randn(shape, generator=torch_stream(cpu, 0, "speed/images")).to(device)
    optimizer = torch.optim.Adam(backbone.parameters(), lr=1e-6)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch_scope(device, 0, "speed/step"):
            backbone.features(images).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    step()
    # Some convolutions in half precision give NaN gradients.
    if not all(bool(torch.isfinite(parameter).all()) for parameter in backbone.parameters()):
        raise RuntimeError(f"a step in {spec.precision} left weights that are not finite")
    return step


def _seconds(step: Callable[[], None], repeats: int, device: torch.device) -> float:
    wait_for(device)
    started = time.perf_counter()
    for _ in range(repeats):
        step()
    wait_for(device)
    return (time.perf_counter() - started) / repeats
