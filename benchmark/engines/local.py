"""The engine that computes runs in processes of their own on this machine, each pinned to its share of it."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from gridbench.config import RunConfig
from gridbench.core.environment import Memory, all_devices
from gridbench.core.plugins import loaded_plugins
from gridbench.engines.base import Event
from gridbench.engines.places import cores_here, deal, runs_that_fit, shares_of_cores
from gridbench.engines.worker import work
from gridbench.records.runner import Execution

__all__ = ["LocalPool", "shares_of_cores"]

TRIES = 3


@dataclass
class _Worker:
    """A process that computes one run after another, and the run that it is at."""

    process: BaseProcess
    pipe: Connection
    slot: int
    device: str
    index: int | None = None
    since: float | None = None


@dataclass
class _Work:
    """What is left to do, by whom, and how often each run was begun."""

    configs: Sequence[RunConfig]
    waiting: deque[int]
    workers: list[_Worker] = field(default_factory=list)
    tries: dict[int, int] = field(default_factory=dict)


class LocalPool:
    """Computes several runs side by side; a worker that is killed loses its place, not its run.

    Args:
        execution: Where records go. Runs get one thread each unless it says otherwise: two processes of one thread
            were faster than one of two, and stay so when the machine has other work, where threads wait for each other.
        workers: Number of processes at most; None for as many as the cores hold with the threads of each.
        devices: Devices dealt out in turn to the workers; none or `auto` for all accelerators, or the CPU.
        time_limit: Longest time for one run in seconds; None for no limit.
        per_device: Runs at once on an accelerator; None starts with one and adds as many as fit, going by the most
            memory that a run has held.
    """

    def __init__(
        self,
        execution: Execution,
        workers: int | None = None,
        devices: Sequence[str] = (),
        time_limit: float | None = None,
        per_device: int | None = None,
    ) -> None:
        self._execution = replace(execution, progress=None, building=None)
        self._limit = workers or max(1, len(cores_here()) // execution.threads)
        self._shares = shares_of_cores(self._limit)
        self._devices = list(devices) if set(devices) - {"auto"} else all_devices()
        self._time_limit = time_limit
        self._measures = per_device is None and set(self._devices) != {"cpu"}
        self._per_device = 1 if self._measures else per_device or self._limit
        self._largest = 0
        self._overhead: int | None = None

    def compute(self, configs: Sequence[RunConfig]) -> Iterator[Event]:
        """Compute every run; a run whose worker dies is tried again, up to three times in all."""
        todo = _Work(configs, deque(range(len(configs))))
        try:
            while todo.waiting or any(worker.index is not None for worker in todo.workers):
                self._fill(todo)
                for worker in todo.workers:
                    if worker.index is None and todo.waiting:
                        index = todo.waiting.popleft()
                        todo.tries[index] = todo.tries.get(index, 0) + 1
                        worker.index, worker.since = index, None
                        worker.pipe.send(configs[index].canonical())
                yield from self._listen(todo)
        finally:
            for worker in todo.workers:
                _end(worker)

    def _fill(self, todo: _Work) -> None:
        """Start a process for every place that has none, as long as there is something for it to do."""
        taken = {worker.slot for worker in todo.workers}
        idle = sum(worker.index is None for worker in todo.workers)
        for slot, device in enumerate(deal(self._devices, self._per_device, self._limit)):
            if slot not in taken and idle < len(todo.waiting):
                todo.workers.append(self._start(slot, device))
                idle += 1

    def _listen(self, todo: _Work) -> Iterator[Event]:
        busy = [worker for worker in todo.workers if worker.index is not None]
        ready = wait([worker.pipe for worker in busy], timeout=1.0)
        for worker in busy:
            index = worker.index
            assert index is not None
            if self._over_time(worker):
                self._dismiss(todo, worker)
                yield Event(index, "failed", f"it took longer than {self._time_limit:g} s")
            elif worker.pipe in ready:
                yield from self._hear(todo, worker, index)

    def _hear(self, todo: _Work, worker: _Worker, index: int) -> Iterator[Event]:
        """Take one message from a worker; the end of its pipe means that it died."""
        try:
            kind, *rest = worker.pipe.recv()
        except (EOFError, OSError):
            self._dismiss(todo, worker)
            yield self._once_more(todo, index, f"its process died with exit code {worker.process.exitcode}")
            return
        if kind == "started":
            worker.since = time.monotonic()
            yield Event(index, "started")
        elif kind == "epoch":
            yield Event(index, "epoch", epoch=rest[0], epochs=rest[1])
        elif kind == "crowded":
            yield self._make_room(todo, worker, index, rest[0])
        else:
            worker.index = None
            if kind == "done":
                self._measure(rest[1])
            yield Event(index, kind, rest[0])

    def _once_more(self, todo: _Work, index: int, why: str) -> Event:
        if todo.tries[index] < TRIES:
            todo.waiting.append(index)
            return Event(index, "again", f"{why}; it is tried once more")
        return Event(index, "failed", f"it was tried {TRIES} times, the last time {why}")

    def _make_room(self, todo: _Work, worker: _Worker, index: int, why: str) -> Event:
        """Take a run that found no memory off its device, for later if it was not alone there."""
        beside = [other for other in todo.workers if other.device == worker.device and other is not worker]
        if not any(other.index is not None for other in beside):
            worker.index = None
            return Event(index, "failed", why)
        self._measures = False
        self._per_device = max(1, len(beside))
        self._dismiss(todo, worker)
        todo.waiting.append(index)
        todo.tries[index] -= 1
        return Event(
            index, "again", f"{worker.device} has no memory for so many runs at once; there are fewer now"
        )

    def _measure(self, memory: Memory | None) -> None:
        """Allow as many runs on a device as fit, going by the largest so far."""
        if self._measures and memory is not None:
            self._largest = max(self._largest, memory.peak)
            if self._overhead is None:
                # Later there are runs of ours beside it, which are not overhead.
                self._overhead = memory.overhead
            self._per_device = runs_that_fit(memory.total, self._largest, self._overhead)

    def _over_time(self, worker: _Worker) -> bool:
        """Tell whether a worker's run has taken too long; starting the process does not count."""
        if self._time_limit is None or worker.since is None:
            return False
        return time.monotonic() - worker.since > self._time_limit

    def _dismiss(self, todo: _Work, worker: _Worker) -> None:
        todo.workers.remove(worker)
        _end(worker)

    def _start(self, slot: int, device: str) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        execution = replace(self._execution, device=device)
        process = context.Process(
            target=work, args=(theirs, execution, self._shares[slot], loaded_plugins()), daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, slot, device)


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.terminate()
    worker.process.join(timeout=10)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
