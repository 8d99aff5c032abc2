"""The chi-square distance by a Triton kernel on accelerators, used for large work where the kernel works.

Every number of a tile of queries and of archive rows is loaded once for all pairs of the tile, and no term is ever
written to memory. Before its first use on a device the kernel is tried on a small block: if it cannot be compiled, or
differs from the eager operations, one line says so and those do the work. The arithmetic is tested in Triton's
interpreter; we have not run the kernel on an accelerator.
"""

from __future__ import annotations

import functools
import importlib.util
import warnings

import torch
from torch import Tensor

from gridbench.metrics.pairwise import DISTANCES, Tile

__all__ = ["agrees", "chi2_fill", "pays", "works"]

WORTH_LAUNCHING = 100_000_000_000
"""Elements (queries x archive x width) that eager operations take about a second for, as compiling the kernel does."""

QUERIES, ARCHIVE, DIMENSIONS, WARPS = 64, 64, 32, 4

TOLERANCE = 4e-6
"""Relative difference between two orders of adding up a thousand float32 terms that is no fault."""


def pays(distance: str, dtype: torch.dtype, device: torch.device, elements: int) -> bool:
    """Decide whether a comparison is done by the kernel.

    Args:
        distance: Name of the distance; chi-square alone has a kernel.
        dtype: Type of the descriptors; float32 alone.
        device: Where they are.
        elements: Queries x archive x width.
    """
    large = elements >= WORTH_LAUNCHING
    return distance == "chi2" and dtype == torch.float32 and large and works(device)


@functools.cache
def works(device: torch.device) -> bool:
    """Try the kernel on a device once; warn where it should work and does not."""
    if device.type == "cpu" or importlib.util.find_spec("triton") is None:
        return False
    try:
        if agrees(device):
            return True
        why = "its distances differ from those of eager operations"
    except Exception as error:  # whatever a compiler for an unknown device may raise
        why = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"
    warnings.warn(
        f"The Triton kernel for chi-square is left aside on {device}, and retrieval is slower: {why}.",
        stacklevel=2,
    )
    return False


def agrees(device: torch.device) -> bool:
    """Tell whether the kernel and the eager operations give the same distances of a small block, zeros included."""
    generator = torch.Generator().manual_seed(0)
    queries = torch.rand((QUERIES + 3, 77), generator=generator).to(device)
    archive = torch.rand((ARCHIVE + 5, 77), generator=generator).to(device)
    queries[:, ::7], archive[::2, ::7] = 0, 0
    archive[0] = queries[0]
    found = torch.full((len(queries), len(archive)), -1.0, device=device)
    expected = torch.empty_like(found)
    chi2_fill(queries, archive, found)
    Tile(77, torch.float32, torch.device(device)).fill(DISTANCES["chi2"], queries, archive, expected)
    return bool(torch.allclose(found, expected, rtol=TOLERANCE, atol=0)) and float(found[0, 0]) == 0


def chi2_fill(queries: Tensor, archive: Tensor, out: Tensor) -> None:
    """Write chi-square distances into `out`.

    Args:
        queries: (q, d) float32.
        archive: (a, d) float32 on the same device.
        out: (q, a) float32, its rows contiguous.

    Raises:
        ImportError: triton is not installed.
    """
    from gridbench.metrics import chi2_triton_kernel

    (count, width), size = queries.shape, len(archive)
    if count == 0 or size == 0:
        return
    grid = (-(-count // QUERIES), -(-size // ARCHIVE))
    chi2_triton_kernel.chi2[grid](
        queries.T.contiguous(),
        archive.T.contiguous(),
        out,
        count,
        size,
        width,
        out.stride(0),
        torch.finfo(torch.float32).tiny,
        QUERIES=QUERIES,
        ARCHIVE=ARCHIVE,
        DIMENSIONS=DIMENSIONS,
        num_warps=WARPS,
    )
