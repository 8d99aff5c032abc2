"""Time two ways of doing one thing so that the machine's mood cancels out.

The two sides take turns within each round, and who goes first alternates; the ratio is formed inside a round,
so that a slow minute slows both. What is reported is the median of those ratios with a bootstrap interval.
Beside ratios there are figures with a unit (seconds, megabytes, an error) and exponents of growth.

A script that is given `--quick` times small work a few times, to show that it runs; its verdicts mean nothing.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from helpers.verdicts import HEADER, Comparison, Figure, row, seconds

QUICK = "--quick" in sys.argv
FOLDER = Path(__file__).resolve().parents[3] / "bench"
OUTPUT = Path(os.environ.get("BENCH_OUTPUT") or (FOLDER / "quick" if QUICK else FOLDER))
RESAMPLES = 5000

__all__ = [
    "HEADER",
    "OUTPUT",
    "QUICK",
    "Comparison",
    "Figure",
    "Seconds",
    "compare",
    "figure",
    "growth",
    "machine",
    "median_interval",
    "row",
    "write",
]


class Seconds(float):
    """What a piece of work returns when only a part of it is timed, and by itself."""


def compare(
    name: str,
    ours: Callable[[], object],
    peer: Callable[[], object],
    rounds: int = 15,
    *,
    warmup: int = 2,
    measure: Literal["time", "speed"] = "time",
    at_most: float | None = None,
    at_least: float | None = None,
    peer_share: float = 1.0,
    clock: Callable[[], float] = time.perf_counter,
    output: Path = OUTPUT,
) -> Comparison:
    """Time two callables in turns, write `<output>/<name>.json`, print one line and return the comparison.

    Args:
        name: What is compared; its file is named after it.
        ours: Does the work once our way; on an accelerator it must wait for the device. It may return `Seconds`.
        peer: Does the same work the other way.
        rounds: How often each side is timed, at least 3; no more than that when quick.
        warmup: Rounds that are run before and not counted.
        measure: Whether the ratio is of times (ours / peer) or of speeds (peer / ours).
        at_most: Largest ratio wanted.
        at_least: Smallest ratio wanted.
        peer_share: Share of the work that the peer does; its seconds are divided by it, and the name says so.
        clock: Seconds from any origin.
        output: Folder for the JSON file.

    Returns:
        Times, median ratio and interval.
    """
    if rounds < 3:
        raise ValueError(f"rounds is {rounds}; a median with an interval needs at least 3")
    if QUICK:
        rounds, warmup = 3, min(warmup, 1)
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    with _only_their_own_garbage():
        for number in range(-warmup, rounds):
            sides = [("ours", ours), ("peer", peer)]
            for side, work in sides if number % 2 == 0 else reversed(sides):
                took = _timed(work, clock)
                if number >= 0:
                    times[side].append(took / (peer_share if side == "peer" else 1.0))
    ratios = np.divide(times["ours"], times["peer"])
    if measure == "speed":
        ratios = 1 / ratios
    ratio, low, high = median_interval(ratios)
    return _report(
        Comparison(name, measure, times["ours"], times["peer"], ratio, low, high, at_most, at_least), output
    )


def figure(
    name: str,
    values: Sequence[float],
    unit: str = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    output: Path = OUTPUT,
) -> Figure:
    """Report a number that was measured once or more, as `compare` reports a ratio."""
    middle, low, high = median_interval(np.asarray(values, dtype=np.float64))
    kept = [float(value) for value in values]
    return _report(Figure(name, unit, kept, middle, low, high, at_most, at_least), output)


def growth(
    name: str,
    work: Callable[[int], Callable[[], object]],
    sizes: Sequence[int],
    amount: Callable[[int], float],
    rounds: Sequence[int],
    *,
    at_most: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
    output: Path = OUTPUT,
) -> Figure:
    """Fit the exponent e of seconds = c * amount^e, by least squares in logarithms of the median times.

    Args:
        name: What grows.
        work: Makes, for a size, what is timed.
        sizes: Three or more of them.
        amount: Work that a size must take, such as the number of elements.
        rounds: How often each size is timed; the sizes take turns.
        at_most: Largest exponent wanted.
        clock: Seconds from any origin.
        output: Folder for the JSON file.

    Returns:
        The exponent; its interval is that of resampled rounds.
    """
    if len(sizes) < 3:
        raise ValueError(f"an exponent with {len(sizes)} sizes fits anything; give three or more")
    counts = [min(count, 2) for count in rounds] if QUICK else list(rounds)
    works = [work(size) for size in sizes]
    times: list[list[float]] = [[] for _ in sizes]
    with _only_their_own_garbage():
        for turn in range(max(counts)):
            for place, call in enumerate(works):
                if turn < counts[place]:
                    times[place].append(_timed(call, clock))
    amounts = np.log([amount(size) for size in sizes])
    rng = np.random.default_rng(0)
    drawn = np.array([np.median(rng.choice(side, (RESAMPLES, len(side))), axis=1) for side in times])
    exponents = np.polyfit(amounts, np.log(drawn), 1)[0]
    fitted = float(np.polyfit(amounts, np.log([np.median(side) for side in times]), 1)[0])
    low, high = np.quantile(exponents, [0.025, 0.975])
    steps = ", ".join(
        f"{size}: {seconds(float(np.median(side)))}" for size, side in zip(sizes, times, strict=True)
    )
    return _report(
        Figure(
            f"{name} ({steps})", "exponent", [float(t) for side in times for t in side],
            fitted, float(low), float(high), at_most, None,
        ),
        output,
    )  # fmt: skip


Result = TypeVar("Result", Comparison, Figure)


def _report(result: Result, output: Path) -> Result:
    write(result, output)
    print(row(result), flush=True)
    return result


def median_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median of values (n,) and its 95 % percentile-bootstrap interval, the same on every call."""
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    medians = np.median(values[draws], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(np.median(values)), float(low), float(high)


def write(result: Comparison | Figure, output: Path) -> None:
    """Write a result with the machine it was made on as `<name>.json`, whole or not at all."""
    output.mkdir(parents=True, exist_ok=True)
    # What is in brackets may be measured, and so differ from time to time.
    plain = re.sub(r"\(.*\)", "", result.name.lower())
    file = output / (re.sub(r"[^a-z0-9]+", "_", plain).strip("_") + ".json")
    content = asdict(result) | {"verdict": result.verdict, "machine": machine()}
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(file)


def machine() -> dict[str, object]:
    """Describe what the times depend on: processor, cores, threads, load, versions, date."""
    cpuinfo = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return {
        "processor": model.group(1) if model else platform.processor(),
        "cores": os.cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "numpy": np.__version__,
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


@contextmanager
def _only_their_own_garbage() -> Iterator[None]:
    """Let a collection between the turns look at what they left alone, so that it is quick."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    # A collection inside one side's turn would be charged to it alone.
    gc.collect()
    gc.disable()
    try:
        started = clock()
        took = work()
        return float(took) if isinstance(took, Seconds) else clock() - started
    finally:
        gc.enable()
