"""Chi-square retrieval on an accelerator, through the function that users call."""

from __future__ import annotations

import time

import numpy as np
import torch
from helpers.made_up import descriptors
from on_gpu.store import Row, Settings, Store

from gridbench import metrics
from gridbench.training.timing import wait_for

__all__ = ["search"]

WIDTH, DEPTH, CHECKED = 1024, 30, 64
BIGEARTHNET = 300_000 * 125_000


def search(settings: Settings, store: Store) -> None:
    """Measure the nearest 30 of n descriptors for n queries, the first call and the next, and check some of them."""
    for count in settings.pick((20_000, 100_000), (200, 400)):
        store.row(f"{count} x {count} x {WIDTH}", lambda count=count: measure_search(settings, count))


def measure_search(settings: Settings, count: int) -> Row:
    queries, archive = (
        torch.from_numpy(descriptors(count, WIDTH, seed)).to(settings.device) for seed in (0, 1)
    )
    first, _ = _timed(settings.device, queries, archive)
    memory = torch.get_device_module(settings.device)
    tells = hasattr(memory, "max_memory_allocated")
    if tells:
        memory.reset_peak_memory_stats(settings.device)
        before = memory.memory_allocated(settings.device)
    seconds, (distances, indices) = _timed(settings.device, queries, archive)
    chosen = np.random.default_rng(0).permutation(count)[:CHECKED]
    exact, nearest = metrics.chi2_topk(
        queries[chosen].cpu().double().numpy(), archive.cpu().double().numpy(), DEPTH
    )
    ours = distances[chosen].cpu().double().numpy()
    rate = count * count * WIDTH / seconds
    return {
        "seconds": seconds,
        "first call, s": first,
        "G elements/s": rate / 1e9,
        "extra memory, MB": (memory.max_memory_allocated(settings.device) - before) / 2**20
        if tells
        else None,
        "error against float64": float(np.abs(ours - exact).max() / exact.max()),
        "same neighbours": float((indices[chosen].cpu().numpy() == nearest).mean()),
        "300,000 x 125,000 at that rate, s": BIGEARTHNET * WIDTH / rate,
    }


def _timed(device: torch.device, queries: torch.Tensor, archive: torch.Tensor) -> tuple[float, tuple]:
    wait_for(device)
    started = time.perf_counter()
    found = metrics.chi2_topk(queries, archive, DEPTH)
    wait_for(device)
    return time.perf_counter() - started, found
