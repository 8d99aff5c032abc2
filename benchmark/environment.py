"""What a run ran on: versions, machine, device, threads."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from datetime import UTC, datetime
from typing import Any

__all__ = ["choose_device", "describe_environment"]

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
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"The device {name!r} cannot be used: {reason} Allowed: auto, cpu, cuda, cuda:N."
        ) from None
    return device


def describe_environment(device: Any) -> dict[str, Any]:
    """Return versions of Python and packages, the platform, the device, the threads and the time in UTC."""
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
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _device_name(device: Any) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
