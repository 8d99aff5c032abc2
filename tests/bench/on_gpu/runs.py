"""Whole runs of DLRSD's size on an accelerator: how long one takes, how many side by side pay, what a table costs."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from typing import Any

from on_gpu.archive import cache_of, plan_of
from on_gpu.store import Row, Settings, Store

from gridbench.config import RunConfig
from gridbench.engines.local import LocalPool
from gridbench.records.record import RunRecord, read_record
from gridbench.records.runner import Execution, execute
from gridbench.sweeps.paper import exhibit, settings_of

__all__ = ["one_run", "side_by_side", "table_five"]

EPOCHS = 100
FAST = {"precision": "bfloat16", "memory_format": "channels_last"}
SEEDS = 5


def one_run(settings: Settings, store: Store) -> None:
    """Time a few epochs of one run and everything after them, and say what 100 epochs come to."""
    for method in ("bce", "grid", "jocor"):
        for name, how in (("float32", {}), ("bfloat16 channels_last", FAST)):
            store.row(
                f"{method} {name}", lambda method=method, how=how: _projected(settings, method, "bce", how)
            )


def side_by_side(settings: Settings, store: Store) -> None:
    """Measure epochs a second of several runs at once on the one device."""
    for count in settings.pick((1, 2, 4, 8), (1, 2)):
        store.row(f"{count} at once", lambda count=count: _together(settings, count))
    alone = store.rows["1 at once"].get("epochs/s in all")
    for row in store.rows.values():
        if alone and "epochs/s in all" in row:
            row["gain"] = row["epochs/s in all"] / alone
    store.save()


def table_five(settings: Settings, store: Store) -> None:
    """Project Table V of the paper: 7 noise rates, 6 methods, 5 seeds; one run of each method is timed."""
    asked = list(settings_of(exhibit("table-5"), "dlrsd", [str(seed) for seed in range(SEEDS)], {}))
    kinds = Counter((each["method"], each.get("loss")) for each in asked)
    for name, how in (("float32", {}), ("bfloat16 channels_last", FAST)):
        for method, loss in kinds:
            store.row(
                f"{method} {name}",
                lambda method=method, loss=loss, how=how: _projected(settings, method, loss, how),
            )
        timed = [(store.rows[f"{method} {name}"], count) for (method, _), count in kinds.items()]
        store.row(f"Table V, {len(asked)} runs, {name}", lambda timed=timed: _in_all(timed))


def _in_all(timed: list[tuple[Row, int]]) -> Row:
    """Add up what so many runs of each kind take."""
    if any("error" in row for row, _ in timed):
        raise RuntimeError("a method that it needs could not be timed")
    hours = sum(count * row["100 epochs, s"] for row, count in timed) / 3600
    return {"runs": sum(count for _, count in timed), "hours, one at a time": hours}


def _projected(settings: Settings, method: str, loss: str | None, how: dict[str, Any]) -> Row:
    """Run a few epochs and their scoring; the first epoch, which warms up, is not what the others take."""
    epochs = settings.pick(4, 2)
    plan = plan_of(settings, method=method, loss=loss, epochs=epochs, **how)
    ends: list[float] = []
    record = execute(plan, _execution(settings, "one", _Clock(ends)))
    seconds = record.environment()["seconds"]
    each = (ends[-1] - ends[0]) / (len(ends) - 1)
    after = seconds["retrieval"] + seconds["sample_detection"]
    return {
        "epochs measured": epochs,
        "s an epoch": each,
        "scoring, s": after,
        "100 epochs, s": EPOCHS * each + after,
        "peak memory, GB": (record.environment()["peak_memory"] or 0) / 2**30,
    }


class _Clock:
    """Notes when epochs end."""

    def __init__(self, ends: list[float]) -> None:
        self._ends = ends

    def epoch(self, done: int, total: int, row: Any) -> None:
        self._ends.append(time.perf_counter())


def _together(settings: Settings, count: int) -> Row:
    """Compute so many runs at once; each tells its own seconds, in which the others were at work, too."""
    epochs = settings.pick(6, 2)
    configs: list[RunConfig] = [
        plan_of(settings, method="grid", loss="bce", epochs=epochs, seed=seed, **FAST).config
        for seed in range(count)
    ]
    execution = _execution(settings, f"together-{count}")
    pool = LocalPool(execution, workers=count, devices=(str(settings.device),), per_device=count)
    records = []
    for event in pool.compute(configs):
        if event.kind == "done":
            records.append(read_record(execution.runs / event.detail))
        elif event.kind in ("failed", "full"):
            raise RuntimeError(event.detail)
    rates = [
        epochs / record.environment()["seconds"]["training"]
        for record in records
        if isinstance(record, RunRecord)
    ]
    return {"epochs/s in all": sum(rates), "epochs/s of each": sum(rates) / max(len(rates), 1)}


def _execution(settings: Settings, name: str, progress: Any = None) -> Execution:
    runs = settings.scratch / "runs" / name
    shutil.rmtree(runs, ignore_errors=True)
    return Execution(runs, cache_of(settings), str(settings.device), "light", threads=1, progress=progress)
