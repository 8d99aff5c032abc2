"""The chi-square distance as one compiled loop on the CPU, used for large work when numba is installed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["backend", "chi2_fill", "pays"]

WORTH_COMPILING = 3_000_000_000
"""Elements (queries x archive x width) from which compiling (1.5 s) costs less than the loop saves."""

ARCHIVE_TILE = 64
"""Archive rows that are reused while they are in the cache, for archives that are larger than it."""

Kernel = Callable[[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]], None]


def backend() -> Literal["numba", "torch"]:
    """Say what computes large chi-square work on the CPU: `"numba"` where it is installed, else `"torch"`."""
    return "numba" if _kernel() is not None else "torch"


def pays(distance: str, device: torch.device, elements: int) -> bool:
    """Decide whether a comparison is done by the compiled loop.

    Args:
        distance: Name of the distance; chi-square alone has a loop.
        device: Where the descriptors are.
        elements: Queries x archive x width.
    """
    return (
        distance == "chi2" and device.type == "cpu" and elements >= WORTH_COMPILING and _kernel() is not None
    )


def chi2_fill(queries: Tensor, archive: Tensor, out: Tensor) -> None:
    """Write chi-square distances into `out`.

    Args:
        queries: (q, d), contiguous, on the CPU.
        archive: (a, d) of the same type.
        out: (q, a) of the same type.

    Raises:
        RuntimeError: numba is not installed.
    """
    kernel = _kernel()
    if kernel is None:
        raise RuntimeError("The compiled loop needs numba; `backend()` tells whether it is there.")
    threads = max(1, min(torch.get_num_threads(), len(queries)))
    bounds = [len(queries) * part // threads for part in range(threads + 1)]
    u, v, distances = queries.numpy(), archive.numpy(), out.numpy()
    with ThreadPoolExecutor(threads) as pool:
        parts = [
            pool.submit(kernel, u[low:high], v, distances[low:high])
            for low, high in itertools.pairwise(bounds)
        ]
        for part in parts:
            part.result()


@functools.cache
def _kernel() -> Kernel | None:
    try:
        import numba
    except ImportError:
        return None

    # Reassociation alone lets the sum run in vector lanes; infinities and NaN keep their meaning.
    @numba.njit(nogil=True, fastmath={"reassoc", "contract"})
    def chi2(queries: Any, archive: Any, out: Any) -> None:
        floor = np.finfo(queries.dtype).tiny
        half = queries.dtype.type(0.5)
        for first in range(0, archive.shape[0], ARCHIVE_TILE):
            last = min(first + ARCHIVE_TILE, archive.shape[0])
            for i in range(queries.shape[0]):
                for j in range(first, last):
                    total = queries.dtype.type(0)
                    for c in range(queries.shape[1]):
                        difference = queries[i, c] - archive[j, c]
                        total += difference * (difference / max(queries[i, c] + archive[j, c], floor))
                    out[i, j] = half * total

    kernel: Kernel = chi2
    return kernel
