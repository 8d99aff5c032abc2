"""The Ray engine, which computes runs on a cluster; only the driver reads archives and writes records."""

from __future__ import annotations

import hashlib
import platform
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridbench.config import RunConfig
from gridbench.core.plugins import loaded_plugins
from gridbench.datasets import default_cache
from gridbench.engines.base import TRIES, Event
from gridbench.engines.ray.connection import TaskLost, check_nodes, import_ray, joined, next_bytes
from gridbench.engines.ray.node import Order, carry_out
from gridbench.engines.ray.transport import (
    Message,
    Shipment,
    archive_shipment,
    pack_message,
    plugin_shipment,
    read_message,
    store_folder,
)
from gridbench.errors import GridbenchError, as_sentence
from gridbench.plan import Plan, make_plan
from gridbench.records.record import RunRecord, read_record
from gridbench.records.run_folder import NoRoom, RunBusy, locked, unwritable
from gridbench.records.runner import Execution

__all__ = ["RayCluster"]

SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class _Task:
    """A run that a node computes, and the lock on its folder here."""

    index: int
    plan: Plan
    claim: ExitStack
    since: float | None = None


@dataclass
class _Queue:
    """The runs that are left, those that nodes compute, and what was sent to the nodes."""

    configs: Sequence[RunConfig]
    waiting: deque[int]
    tries: dict[int, int] = field(default_factory=dict)
    running: dict[Any, _Task] = field(default_factory=dict)
    archives: dict[tuple[Path, str], Shipment] = field(default_factory=dict)
    plugins: tuple[Shipment, ...] = ()


class RayCluster:
    """Computes each run as one task of a Ray cluster; the runs of a node that dies are computed by others.

    Args:
        execution: Where records go here. Runs get one thread each unless it says otherwise.
        address: auto for the cluster that RAY_ADDRESS names; HOST:PORT of a cluster's head; local for one that is
            started on this machine, listens only on its loopback interface, and ends with the sweep.
        gpus: Accelerators that a run asks for; 0.5 puts two runs on one.
        time_limit: Longest time for one run in seconds, without the time to fetch the archive; None for no limit.
    """

    def __init__(
        self, execution: Execution, address: str = "auto", gpus: float = 0.0, time_limit: float | None = None
    ) -> None:
        self._execution = execution
        self._address = address
        self._cpus = execution.threads
        self._gpus = gpus
        self._time_limit = time_limit
        self._ray = import_ray(address)

    def compute(self, configs: Sequence[RunConfig]) -> Iterator[Event]:
        """Compute every run; a run whose node or process dies is tried again, up to three times in all.

        Raises:
            InputError: There is no such cluster, or none of its nodes can hold a run.
        """
        with joined(self._ray, self._address):
            check_nodes(self._ray, self._cpus, self._gpus)
            work = _Queue(configs, deque(range(len(configs))))
            work.plugins = tuple(plugin_shipment(path, self._ray.put) for path in loaded_plugins())
            try:
                while work.waiting or work.running:
                    while work.waiting and len(work.running) < self._places():
                        yield from self._send(work, work.waiting.popleft())
                    yield from self._listen(work)
            finally:
                for task, run in work.running.items():
                    self._ray.cancel(task, force=True)
                    run.claim.close()

    def _send(self, work: _Queue, index: int) -> Iterator[Event]:
        """Lock a run's folder and submit the run, unless it is done or another process computes it."""
        execution = self._execution
        cache = execution.cache or default_cache()
        try:
            plan = make_plan(work.configs[index], cache)
            folder = execution.runs / plan.folder_name
            claim = ExitStack()
            claim.enter_context(locked(execution.runs, folder))
        except RunBusy as error:
            yield Event(index, "busy", str(error))
            return
        except NoRoom as error:
            yield Event(index, "full", str(error))
            return
        except GridbenchError as error:
            yield Event(index, "failed", str(error))
            return
        found = read_record(folder, verify=True) if folder.exists() else None
        if isinstance(found, RunRecord) and found.id == plan.id:
            claim.close()
            yield Event(index, "done")
            return
        with claim:
            task = self._remote().remote(*self._order(work, plan, cache).packed())
            work.running[task] = _Task(index, plan, claim.pop_all())
        work.tries[index] = work.tries.get(index, 0) + 1

    def _order(self, work: _Queue, plan: Plan, cache: Path) -> Order:
        key = (plan.archive.directory, plan.archive.fingerprint)
        if key not in work.archives:
            work.archives[key] = archive_shipment(plan.archive, cache, self._ray.put)
        here = f"{platform.node()}:{self._execution.runs.resolve()}"
        device = self._execution.device
        return Order(
            config=plan.config.model_dump(mode="json"),
            id=plan.id,
            archive=work.archives[key],
            plugins=work.plugins,
            sweep=hashlib.sha256(here.encode()).hexdigest()[:16],
            keep=self._execution.keep,
            device="cpu" if device == "auto" and not self._gpus else device,
            threads=self._cpus,
        )

    def _listen(self, work: _Queue) -> Iterator[Event]:
        """Read a message from every task that has one."""
        if not work.running:
            return
        ready, _ = self._ray.wait(list(work.running), timeout=SECONDS_BETWEEN_LOOKS, fetch_local=False)
        for task in ready:
            yield from self._poll(work, task)
        for task, run in list(work.running.items()):
            if self._over_time(run):
                self._ray.cancel(task, force=True)
                self._release(work, task)
                yield Event(run.index, "failed", f"it took longer than {self._time_limit:g} s")

    def _poll(self, work: _Queue, task: Any) -> Iterator[Event]:
        run = work.running[task]
        try:
            content = next_bytes(self._ray, task)
            if not content:
                return
            message = read_message(content)
        except (TaskLost, ValueError) as error:
            message = Message("trouble", (str(error),))
        except self._ray.exceptions.RayError as error:
            message = Message("trouble", (_in_short(error),))
        if message.kind == "started":
            run.since = time.monotonic()
            yield Event(run.index, "started", message.values[0])
        elif message.kind == "epoch":
            yield Event(run.index, "epoch", epoch=message.values[0], epochs=message.values[1])
        else:
            yield self._ending(work, run, message)
            self._release(work, task)

    def _ending(self, work: _Queue, run: _Task, message: Message) -> Event:
        """Write what came back, or put the run back into the queue."""
        index, reason = run.index, str((*message.values, "it sent no record")[0])
        if message.files:
            try:
                stored = store_folder(message.files, run.plan, self._execution.runs)
            except ValueError as error:
                reason = f"the record that came back cannot be trusted: {error}"
            except OSError as error:
                kind = "full" if isinstance(unwritable(self._execution.runs, error), NoRoom) else "failed"
                return Event(index, kind, str(unwritable(self._execution.runs, error)))  # type: ignore[arg-type]
            else:
                if stored.state == "done":
                    return Event(index, "done", str(stored.folder))
                return Event(
                    index, "failed", f"{as_sentence(stored.reason)} The traceback is in {stored.folder}."
                )
        elif message.kind == "failed":
            return Event(index, "failed", reason)
        if work.tries[index] < TRIES:
            work.waiting.append(index)
            return Event(index, "again", f"{reason}; it is tried elsewhere")
        return Event(index, "failed", f"it was tried {TRIES} times, the last time: {reason}")

    def _release(self, work: _Queue, task: Any) -> None:
        work.running.pop(task).claim.close()

    def _over_time(self, run: _Task) -> bool:
        if self._time_limit is None or run.since is None:
            return False
        return time.monotonic() - run.since > self._time_limit

    def _remote(self) -> Any:
        # Runs that die are retried here rather than by Ray, so that attempts are counted and reported.
        return self._ray.remote(_on_node).options(
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            max_retries=0,
            num_returns="streaming",
            scheduling_strategy="SPREAD",
        )

    def _places(self) -> int:
        """Return how many runs to hand out: what the nodes hold now, and a few that wait for a free place."""
        resources = self._ray.cluster_resources()
        places = int(resources.get("CPU", 0) // self._cpus)
        if self._gpus:
            places = min(places, int(resources.get("GPU", 0) // self._gpus))
        return places + max(1, places // 4)


def _on_node(order: bytes, handles: list[Any]) -> Iterator[bytes]:
    """Compute a run on a node: fetch missing files from Ray's object store, and yield messages as plain bytes."""
    ray = import_ray()
    for kind, *values in carry_out(Order.unpacked(order, handles), ray.get):
        files = values.pop() if kind in ("done", "failed") else {}
        yield pack_message(kind, values, files)


def _in_short(error: Exception) -> str:
    """Shorten an error of Ray to one sentence."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    summary = (lines or [""])[-1 if "Traceback" in str(error) else 0]
    return f"{type(error).__name__}: {summary.partition('. ')[0][:200]}"
