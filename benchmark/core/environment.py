"""The execution environment of a run: versions, machine, device and threads."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gridbench.core.machine import describe_machine

__all__ = [
    "Memory",
    "all_devices",
    "choose_device",
    "cpu_threads",
    "describe_environment",
    "keep_float32",
    "memory_of",
    "peak_memory",
    "ran_out_of_memory",
]

PACKAGES = ("gridbench", "torch", "torchvision", "timm", "numpy", "scipy", "pandas", "safetensors")


def choose_device(name: str) -> Any:
    """Return the torch device of that name; `auto` takes an accelerator when there is one.

    Raises:
        InputError: There is no such device on this machine.
    """
    import torch

    from gridbench.errors import InputError

    if name == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    allowed = "Allowed: auto, cpu, cuda, cuda:N."
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"There is no device {name!r}. {allowed}") from None
    try:
        if device.type == "meta":
            raise RuntimeError("it computes no numbers.")
        if device.type == "cpu" and device.index is not None:
            raise RuntimeError("a CPU has no number; --threads says how much of it is used.")
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"The device {name!r} cannot be used: {reason}. {allowed}") from None
    return device


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Let torch compute with a number of CPU threads, and with as many as before afterwards.

    The order of sums depends on it, so a run's numbers do.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_float32() -> None:
    """Let accelerators compute float32 as float32, where torch would round what convolutions multiply to 10 bits.

    TF32 would be faster; use bfloat16 for speed, which is recorded.
    """
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


@dataclass(frozen=True)
class Memory:
    """Memory of a device, in bytes.

    Attributes:
        total: Total memory of the device.
        peak: Peak memory allocated for tensors by this process.
        overhead: Memory used otherwise, by the driver and by other processes.
    """

    total: int
    peak: int
    overhead: int


def all_devices() -> list[str]:
    """Return the names of all accelerators of this machine, or that of the CPU where there is none."""
    import torch

    if torch.accelerator.is_available():
        kind = torch.accelerator.current_accelerator()
        assert kind is not None
        return [f"{kind.type}:{number}" for number in range(torch.accelerator.device_count())]
    return ["cpu"]


def memory_of(name: str) -> Memory | None:
    """Return the memory of a device since this process began; None where that cannot be known."""
    import torch

    device = choose_device(name)
    module = torch.get_device_module(device)
    needed = ("mem_get_info", "max_memory_reserved", "memory_reserved")
    if not all(hasattr(module, function) for function in needed):
        return None
    free, total = module.mem_get_info(device)
    held = module.memory_reserved(device)
    return Memory(total, module.max_memory_reserved(device), max(total - free - held, 0))


def peak_memory(device: Any) -> int | None:
    """Return the most memory in bytes that this process has held so far: of an accelerator, else of the machine.

    A process that computes several runs tells the largest; None where it cannot be known.
    """
    if device.type != "cpu":
        held = memory_of(str(device))
        return None if held is None else held.peak
    try:
        import resource
    except ImportError:  # not there on every system
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def ran_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that led to it, says that a device has no memory left."""
    import torch

    while error is not None:
        if isinstance(error, torch.OutOfMemoryError):
            return True
        error = error.__cause__
    return False


def describe_environment(device: Any) -> dict[str, Any]:
    """Return versions, the platform, the machine and its arithmetic, the device, the threads and the time in UTC."""
    import torch

    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "schema": 1,
        "python": sys.version.split()[0],
        "packages": versions,
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "device": str(device),
        "device_name": _device_name(device),
        "threads": torch.get_num_threads(),
        "machine": describe_machine(device),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _device_name(device: Any) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
