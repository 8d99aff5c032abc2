"""Retrieval by the chi-square distance: the k nearest of an archive for each query, exact and in order.

scikit-learn's time is linear in the queries and is taken of an eighth of them. CPUs differ most in how fast they divide
(an AMD core 9.2, an Intel Cascade Lake 4.6 G float32 divisions/s), which decides both scikit-learn's speed and ours, so
the first row is what this CPU divides, by a loop of nothing but divisions on numbers in the first-level cache, and the
goals follow from it. Ours needs one division for two elements.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from helpers.fair import QUICK, Seconds, compare, figure, growth, machine
from helpers.fresh import arguments, extra_peak, in_fresh_process
from helpers.made_up import descriptors
from sklearn.metrics.pairwise import additive_chi2_kernel

from gridbench import metrics
from gridbench.metrics import chi2_numba

Array = np.ndarray[Any, Any]

WIDTH = 64 if QUICK else 1024
LARGE = (600, 400, 30) if QUICK else (7712, 3560, 30)
SMALL = (120, 60, 20) if QUICK else (1470, 420, 20)
GROWTH = (100, 200, 400) if QUICK else (2500, 7000, 20_000)
LONG = (64, 4000, 30) if QUICK else (1000, 60_000, 30)
PEER_SHARE = 1 / 8
TILE = (16, 32)
SLOW_DIVISION = 7.0
"""G float32 divisions/s of one core below which division is what limits a plain chi-square loop."""


def sides(shape: tuple[int, int, int]) -> tuple[Array, Array]:
    """Return queries and archive."""
    return descriptors(shape[0], WIDTH, 0), descriptors(shape[1], WIDTH, 1)


def scikit_learn(queries: Array, archive: Array, k: int) -> tuple[Array, Array]:
    """Find the nearest as one does with scikit-learn: the whole matrix, a partition, a sort of k."""
    distances = -0.5 * additive_chi2_kernel(queries, archive)
    nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(distances, nearest, axis=1)
    order = np.argsort(values, axis=1, kind="stable")
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(nearest, order, axis=1)


def plain_torch(queries: Array, archive: Array, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the nearest with eager operations into preallocated tiles that fit the second-level cache."""
    u, v = torch.from_numpy(queries), torch.from_numpy(archive)
    distances = torch.empty(len(u), len(v))
    first, second = torch.empty(*TILE, WIDTH), torch.empty(*TILE, WIDTH)
    for top in range(0, len(u), TILE[0]):
        rows = u[top : top + TILE[0], None]
        for left in range(0, len(v), TILE[1]):
            columns = v[None, left : left + TILE[1]]
            some = np.s_[: len(rows), : columns.shape[1]]
            torch.add(rows, columns, out=first[some])
            first.clamp_(min=1e-18)
            torch.sub(rows, columns, out=second[some])
            second.square_().div_(first)
            sums = second[some].sum(-1)
            distances[top : top + TILE[0], left : left + TILE[1]] = sums
    values, indices = torch.topk(distances, k, largest=False)
    return values / 2, indices


def dividing() -> Callable[[int], None]:
    """Return a compiled loop that makes so many exact float32 divisions."""
    import numba

    @numba.njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
    def divide(over: Any, under: Any, times: Any) -> Any:
        total = np.float32(0)
        for turn in range(times):
            more = np.float32(turn)
            for i in range(len(over)):
                total += over[i] / (under[i] + more)
        return total

    over, under = (np.random.default_rng(0).random(1024, np.float32) + 1 for _ in range(2))
    divide(over, under, 2)
    return lambda count: divide(over, under, max(1, round(count / len(over))))


def divisions_per_second() -> float:
    """Measure and report what this CPU divides, in G float32 divisions/s."""
    count = 10_000_000 if QUICK else 500_000_000
    divide = dividing()
    rates = []
    for _ in range(7):
        started = time.perf_counter()
        divide(count)
        rates.append(count / (time.perf_counter() - started) / 1e9)
    figure(f"divisions of one core of {machine()['processor']}", rates, "G/s")
    return max(rates)


def large() -> None:
    """Compare at the size of the BigEarthNet subset, and with the bound of a core."""
    queries, archive = sides(LARGE)
    divides_slowly = metrics.backend() == "numba" and divisions_per_second() < SLOW_DIVISION
    k, elements = LARGE[2], LARGE[0] * LARGE[1] * WIDTH
    what = f"chi-square top-{k}, {LARGE[0]:,} x {LARGE[1]:,} x {WIDTH:,}, 1 thread"
    some = queries[: round(LARGE[0] * PEER_SHARE)]
    metrics.chi2_topk(queries, archive, k)
    compare(
        f"{what}, against scikit-learn on an eighth of the queries, times 8",
        lambda: metrics.chi2_topk(queries, archive, k),
        lambda: scikit_learn(some, archive, k),
        rounds=5,
        warmup=0,
        measure="speed",
        at_least=9 if divides_slowly else 11,
        peer_share=len(some) / len(queries),
    )
    if metrics.backend() == "numba":
        divide = dividing()
        compare(
            f"{what}, against one division per element (a tenth, times 10)",
            lambda: metrics.chi2_topk(queries, archive, k),
            lambda: divide(elements // 10),
            rounds=7,
            warmup=0,
            measure="speed",
            at_least=1.25 if divides_slowly else 0.85,
            peer_share=0.1,
        )
    compare(
        f"{what.replace('1 thread', '2 threads')}, against 1 thread",
        lambda: in_threads(2, lambda: metrics.chi2_topk(queries, archive, k)),
        lambda: metrics.chi2_topk(queries, archive, k),
        rounds=5,
        warmup=0,
        measure="speed",
        at_least=1.7,
    )
    picked = queries[:300]
    values, indices = (found[:300] for found in metrics.chi2_topk(queries, archive, k))
    exact = np.stack(
        [distances_in_float64(one, archive[near]) for one, near in zip(picked, indices, strict=True)]
    )
    figure(
        f"{what}, largest relative error of a distance",
        [float(np.abs(values / exact - 1).max())],
        at_most=1e-6,
    )
    ordered = scikit_learn(picked.astype(np.float64), archive.astype(np.float64), k)[1]
    wrong = float((ordered != indices).mean())
    figure(f"{what}, share of indices that float64 ranks otherwise", [wrong])


def distances_in_float64(one: Array, others: Array) -> Array:
    """Return the distances of one descriptor to others."""
    u, v = one.astype(np.float64), others.astype(np.float64)
    both = u + v
    return 0.5 * np.divide((u - v) ** 2, both, out=np.zeros_like(v), where=both > 0).sum(axis=1)


def in_threads(count: int, work: Callable[[], object]) -> None:
    """Do work with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        work()
    finally:
        torch.set_num_threads(before)


def small() -> None:
    """Compare first calls at the size of DLRSD, and where the compiled loop begins to be used."""
    what = f"chi-square top-{SMALL[2]}, {SMALL[0]:,} x {SMALL[1]:,} x {WIDTH:,}"
    first_calls(f"{what}, first call, against preallocated torch", "ours", "torch", 7)
    side = f"{_threshold()[0]:,}"
    first_calls(
        f"chi-square at the smallest size that is compiled ({side} x {side}), first call, against the same without "
        "numba",
        "threshold",
        "without",
        3,
    )


def first_calls(name: str, ours: str, peer: str, rounds: int) -> None:
    """Compare first calls, each in a fresh process, by what `child` calls them."""
    calls = (
        lambda which=which: Seconds(in_fresh_process(__file__, "first", which)) for which in (ours, peer)
    )
    compare(name, *calls, rounds=rounds, warmup=0, measure="speed", at_least=1)


def _threshold() -> tuple[int, int, int]:
    side = math.ceil(math.sqrt(chi2_numba.WORTH_COMPILING / WIDTH)) if not QUICK else 100
    return side, side, 20


def memory() -> None:
    """Measure the peaks of fresh processes."""
    for name, shape in (("large", LARGE), ("long", LONG)):
        found = in_fresh_process(__file__, "memory", name)
        figure(
            f"chi-square top-{shape[2]}, {shape[0]:,} x {shape[1]:,} x {WIDTH:,}, memory beside the descriptors",
            [found], "MB", at_most=100,
        )  # fmt: skip


def grow() -> None:
    """Fit the exponent of growth."""

    def work(size: int) -> Callable[[], object]:
        queries, archive = sides((size, size, 30))
        return lambda: metrics.chi2_topk(queries, archive, 30)

    growth(
        "chi-square top-30, growth with queries x archive",
        work,
        GROWTH,
        lambda n: n * n * WIDTH,
        (5, 3, 1),
        at_most=1.05,
    )


def child(what: str, which: str) -> float:
    """Measure one thing in this process, which does nothing else."""
    if what == "memory":
        shape = {"large": LARGE, "long": LONG}[which]
        queries, archive = sides(shape)
        if not QUICK and metrics.backend() == "numba":
            block = torch.ones(2, WIDTH)
            nearest = torch.full((2, 1), math.inf), torch.zeros(2, 1, dtype=torch.int64)
            chi2_numba.chi2_keep_nearest(1.0, block, block, 0, *nearest)
        return extra_peak(lambda: metrics.chi2_topk(queries, archive, shape[2]))
    shape = _threshold() if which in {"threshold", "without"} else SMALL
    queries, archive = sides(shape)
    if which == "without":
        chi2_numba.WORTH_COMPILING = sys.maxsize
    search = plain_torch if which == "torch" else metrics.chi2_topk
    started = time.perf_counter()
    search(queries, archive, shape[2])
    return time.perf_counter() - started


def main() -> None:
    """Run the comparisons."""
    print(f"chi-square of large work on this machine: {metrics.backend()}", flush=True)
    large()
    small()
    memory()
    grow()


if __name__ == "__main__":
    torch.set_num_threads(1)
    if arguments():
        print(child(*arguments()))
    else:
        main()
