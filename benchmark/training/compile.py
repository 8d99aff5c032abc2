"""torch.compile for backbones; a compilation failure is an error that names a workaround, not a silent fallback."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from gridbench.errors import InputError

__all__ = ["compile_failure", "compiled", "require_compiler"]

BACKEND = "inductor"
SIZES = 64
"""How many sizes of mini-batch may be compiled before torch would go on uncompiled."""

Pass = Callable[[Tensor], Tensor]


def compiled(function: Pass) -> Pass:
    """Return a function compiled at its first call with each size, so that a size always has the same code.

    Args:
        function: From images to features.
    """
    import torch._dynamo

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, SIZES)
    return torch.compile(function, backend=BACKEND, dynamic=False)


def compile_failure(error: BaseException) -> str:
    """Return why a forward or backward pass could not be compiled; empty for an error of another kind."""
    kinds = sys.modules.get("torch._dynamo.exc")  # slow to import, and imported by torch.compile anyway
    if kinds is None or not isinstance(error, kinds.TorchDynamoException):
        return ""
    return _reason(error)


def require_compiler(device: torch.device) -> None:
    """Try whether anything can be compiled for a device, before a run is begun.

    Raises:
        InputError: It cannot; the message has the reason and the workaround.
    """
    problem = _problem(device, BACKEND)
    if problem:
        raise InputError(
            f"--compile cannot be used on {device}: {problem} It needs a C++ compiler (g++ or clang++) for a CPU, and "
            "Triton with a C compiler for an accelerator. Leave out --compile."
        )


@functools.cache
def _problem(device: torch.device, backend: str) -> str:
    """Return why a small function cannot be compiled and run, or nothing."""
    try:
        torch.compile(_doubled, backend=backend, dynamic=False)(torch.ones(64, device=device))
    except Exception as error:
        return _reason(error)
    return ""


def _doubled(values: Tensor) -> Tensor:
    return torch.sin(values) * 2


def _reason(error: BaseException) -> str:
    """Return the line of a compiler's message that states the cause; the first may only name the exception."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = next((line for line in lines if not line.endswith(":")), type(error).__name__)
    return line if line.endswith(".") else f"{line}."
