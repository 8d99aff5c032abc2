"""Named random streams: every random number of a run is derived from (seed, stream name, counters)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["derive", "numpy_stream", "torch_scope", "torch_stream"]


def derive(seed: int, stream: str, *counters: int) -> int:
    """Derive a 63-bit seed from a run's seed, a stream's name and any counters.

    The same arguments give the same seed on every platform; different names or counters give unrelated ones,
    so a resumed run needs no generator state (DESIGN, contract 8).

    Args:
        seed: The run's seed.
        stream: One of noise, init, loader, augment, method, or a name below one (`"init/head"`).
        counters: For example epoch and step.
    """
    # As a list, so that the stream "a/1" is not the stream "a" with counter 1.
    text = json.dumps([int(seed), stream, *map(int, counters)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_stream(seed: int, stream: str, *counters: int) -> np.random.Generator:
    """Return a numpy generator for a named stream."""
    return np.random.Generator(np.random.PCG64(derive(seed, stream, *counters)))


def torch_stream(device: torch.device, seed: int, stream: str, *counters: int) -> torch.Generator:
    """Return a torch generator on `device` for a named stream."""
    import torch

    generator = torch.Generator(device=device)
    generator.manual_seed(derive(seed, stream, *counters))
    return generator


@contextmanager
def torch_scope(device: torch.device, seed: int, stream: str, *counters: int) -> Iterator[None]:
    """Run code that draws from torch's global generator under a named stream, then restore that generator.

    Args:
        device: The device whose generator is reseeded and restored besides that of the CPU.
        seed: The run's seed.
        stream: The stream's name.
        counters: For example epoch and step.
    """
    import torch

    module = torch.get_device_module(device)
    # Only accelerators keep generators of their own; `torch.manual_seed` would reseed all of them permanently.
    devices = [device] if hasattr(module, "default_generators") else []
    with torch.random.fork_rng(devices=devices, device_type=device.type):
        value = derive(seed, stream, *counters)
        torch.default_generator.manual_seed(value)
        for accelerator in devices:
            with module.device(accelerator):
                module.manual_seed(value)
        yield
