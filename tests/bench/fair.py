"""Time two ways of doing one thing so that the machine's mood cancels out.

The two sides take turns within each round, and who goes first alternates; the ratio is formed inside a round,
so that a slow minute slows both. What is reported is the median of those ratios with a bootstrap interval.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

OUTPUT = Path(__file__).resolve().parents[2] / "bench"
RESAMPLES = 5000


@dataclass(frozen=True)
class Comparison:
    """What two sides took, and their ratio.

    Attributes:
        name: What was compared.
        measure: "time" for ours / peer in seconds, "speed" for peer / ours (ours is this many times as fast).
        ours: Seconds of each round.
        peer: Seconds of each round.
        ratio: Median over the rounds.
        low: Lower end of the 95 % bootstrap interval of that median.
        high: Upper end.
        at_most: Largest ratio wanted, or None.
        at_least: Smallest ratio wanted, or None.
    """

    name: str
    measure: str
    ours: list[float]
    peer: list[float]
    ratio: float
    low: float
    high: float
    at_most: float | None
    at_least: float | None

    @property
    def verdict(self) -> str:
        """Say `met`, `missed` (the whole interval is beyond the limit), `unclear`, or nothing."""
        if self.at_most is None and self.at_least is None:
            return ""
        over = [self._beyond(value) for value in (self.low, self.ratio, self.high)]
        return "missed" if all(over) else "unclear" if over[1] else "met"

    def _beyond(self, ratio: float) -> bool:
        too_high = self.at_most is not None and ratio > self.at_most
        return too_high or (self.at_least is not None and ratio < self.at_least)


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
    clock: Callable[[], float] = time.perf_counter,
    output: Path = OUTPUT,
) -> Comparison:
    """Time two callables in turns, write `<output>/<name>.json`, print one line and return the comparison.

    Args:
        name: What is compared; its file is named after it.
        ours: Does the work once our way; on an accelerator it must wait for the device.
        peer: Does the same work the other way.
        rounds: How often each side is timed, at least 3.
        warmup: Rounds that are run before and not counted.
        measure: Whether the ratio is of times (ours / peer) or of speeds (peer / ours).
        at_most: Largest ratio wanted.
        at_least: Smallest ratio wanted.
        clock: Seconds from any origin.
        output: Folder for the JSON file.

    Returns:
        Times, median ratio and interval.
    """
    if rounds < 3:
        raise ValueError(f"rounds is {rounds}; a median with an interval needs at least 3")
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    gc.freeze()  # so that collecting between the turns looks at their own garbage only, and is quick
    try:
        for number in range(-warmup, rounds):
            sides = [("ours", ours), ("peer", peer)]
            for side, work in sides if number % 2 == 0 else reversed(sides):
                seconds = _timed(work, clock)
                if number >= 0:
                    times[side].append(seconds)
    finally:
        gc.unfreeze()
    ratios = np.divide(times["ours"], times["peer"])
    if measure == "speed":
        ratios = 1 / ratios
    ratio, low, high = median_interval(ratios)
    result = Comparison(name, measure, times["ours"], times["peer"], ratio, low, high, at_most, at_least)
    write(result, output)
    print(row(result), flush=True)
    return result


def median_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the median of values (n,) and its 95 % percentile-bootstrap interval, the same on every call."""
    draws = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    medians = np.median(values[draws], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(np.median(values)), float(low), float(high)


def row(result: Comparison) -> str:
    """Format a comparison as one row of a markdown table."""
    limit = f"<= {result.at_most}" if result.at_most is not None else ""
    limit += f">= {result.at_least}" if result.at_least is not None else ""
    ours, peer = (1000 * statistics.median(side) for side in (result.ours, result.peer))
    ratio = f"{result.ratio:.3f} ({result.low:.3f} to {result.high:.3f})"
    cells = [result.name, f"{ours:.1f}", f"{peer:.1f}", f"{result.measure} {ratio}", limit, result.verdict]
    return "| " + " | ".join([*cells, str(len(result.ours))]) + " |"


COLUMNS = ("what", "ours, ms", "peer, ms", "ratio (95 % interval)", "wanted", "verdict", "rounds")
HEADER = "| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|"


def write(result: Comparison, output: Path) -> None:
    """Write a comparison with the machine it was made on as `<name>.json`, whole or not at all."""
    output.mkdir(parents=True, exist_ok=True)
    file = output / (re.sub(r"[^a-z0-9]+", "_", result.name.lower()).strip("_") + ".json")
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


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    # A collection inside one side's turn would be charged to it alone.
    gc.collect()
    gc.disable()
    try:
        started = clock()
        work()
        return clock() - started
    finally:
        gc.enable()
