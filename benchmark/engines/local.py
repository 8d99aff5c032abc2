"""The local engine, which computes runs in worker processes, each pinned to its share of the cores."""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gridbench.config import RunConfig
from gridbench.core.cores import (
    cores_here,
    end_with_parent,
    shares_of_cores,
    start_process,
    training_processes,
)
from gridbench.core.environment import all_devices, memory_of, ran_out_of_memory
from gridbench.core.plugins import load_plugin, loaded_plugins
from gridbench.core.progress import BETWEEN_LOOKS, WorkingTime
from gridbench.engines.base import TRIES, Event
from gridbench.engines.placement import Placement
from gridbench.errors import GridbenchError, in_words
from gridbench.records.runner import Execution, NoRoom, RunBusy, run

__all__ = ["LocalPool", "work"]


@dataclass
class _Worker:
    """A process that computes one run after another, and its current run."""

    process: BaseProcess
    pipe: Connection
    slot: int
    device: str
    index: int | None = None
    since: float | None = None


@dataclass
class _Queue:
    """The runs that are left, the workers, and how often each run was started."""

    configs: Sequence[RunConfig]
    waiting: deque[int]
    workers: list[_Worker] = field(default_factory=list)
    tries: dict[int, int] = field(default_factory=dict)
    time: WorkingTime = field(default_factory=WorkingTime)


class LocalPool:
    """Computes several runs side by side; if a worker is killed, its run is tried again.

    Args:
        execution: Where records go. Runs get one thread each unless it says otherwise: two processes of one thread
            were faster than one of two, and stay so when the machine has other work, where threads wait for each other.
        workers: Number of processes at most; None for as many as the cores hold with the threads of each.
        devices: Devices assigned in turn to the workers; none or `auto` for all accelerators, or the CPU.
        time_limit: Longest time for one run in seconds; None for no limit.
        per_device: Runs at once on an accelerator; None starts with one and adds as many as fit, by the most memory
            that a run has held.
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
        limit = workers or max(1, len(cores_here()) // execution.threads)
        self._shares = shares_of_cores(limit)
        self._placement = Placement(
            list(devices) if set(devices) - {"auto"} else all_devices(), limit, per_device
        )
        self._time_limit = time_limit

    def compute(self, configs: Sequence[RunConfig]) -> Iterator[Event]:
        """Compute every run; a run whose worker dies is tried again, up to three times in all."""
        todo = _Queue(configs, deque(range(len(configs))))
        try:
            while todo.waiting or any(worker.index is not None for worker in todo.workers):
                self._fill(todo)
                for worker in todo.workers:
                    if worker.index is None and todo.waiting:
                        index = todo.waiting.popleft()
                        todo.tries[index] = todo.tries.get(index, 0) + 1
                        worker.index, worker.since = index, None
                        # A worker that has died cannot receive it; its closed pipe is noticed later.
                        with suppress(OSError):
                            worker.pipe.send(configs[index].model_dump(mode="json"))
                yield from self._listen(todo)
        finally:
            for worker in todo.workers:
                _end(worker)

    def _fill(self, todo: _Queue) -> None:
        """Start a process for every slot that has none, as long as runs are waiting."""
        taken = {worker.slot for worker in todo.workers}
        idle = sum(worker.index is None for worker in todo.workers)
        for slot, device in enumerate(self._placement.slots()):
            if slot not in taken and idle < len(todo.waiting):
                todo.workers.append(self._start(slot, device))
                idle += 1

    def _listen(self, todo: _Queue) -> Iterator[Event]:
        busy = [worker for worker in todo.workers if worker.index is not None]
        ready = wait([worker.pipe for worker in busy], timeout=BETWEEN_LOOKS)
        now = todo.time.look()
        for worker in busy:
            index = worker.index
            assert index is not None
            if self._over_time(worker, now):
                self._stop(todo, worker)
                yield Event(index, "failed", f"it took longer than {self._time_limit:g} s")
            elif worker.pipe in ready:
                yield from self._poll(todo, worker, index)

    def _poll(self, todo: _Queue, worker: _Worker, index: int) -> Iterator[Event]:
        """Take one message from a worker; the end of its pipe means that it died."""
        try:
            kind, *rest = worker.pipe.recv()
        except (EOFError, OSError):
            self._stop(todo, worker)
            yield self._once_more(todo, index, f"its process died with exit code {worker.process.exitcode}")
            return
        if kind == "started":
            worker.since = todo.time.look()
            yield Event(index, "started")
        elif kind == "epoch":
            yield Event(index, "epoch", epoch=rest[0], epochs=rest[1])
        elif kind == "crowded":
            yield self._make_room(todo, worker, index, rest[0])
        else:
            worker.index = None
            if kind == "done":
                self._placement.observe(rest[1])
            yield Event(index, kind, rest[0])

    def _once_more(self, todo: _Queue, index: int, why: str) -> Event:
        if todo.tries[index] < TRIES:
            todo.waiting.append(index)
            return Event(index, "again", f"{why}; it is tried once more")
        return Event(index, "failed", f"it was tried {TRIES} times, the last time {why}")

    def _make_room(self, todo: _Queue, worker: _Worker, index: int, why: str) -> Event:
        """Return a run that ran out of memory to the queue, or let it fail if it had its device to itself."""
        beside = [other for other in todo.workers if other.device == worker.device and other is not worker]
        if not any(other.index is not None for other in beside):
            worker.index = None
            return Event(index, "failed", why)
        self._placement.out_of_memory(len(beside))
        self._stop(todo, worker)
        todo.waiting.append(index)
        todo.tries[index] -= 1
        return Event(
            index, "again", f"{worker.device} has no memory for so many runs at once; there are fewer now"
        )

    def _over_time(self, worker: _Worker, now: float) -> bool:
        """Return whether a worker's run has taken too long; starting the process does not count."""
        if self._time_limit is None or worker.since is None:
            return False
        return now - worker.since > self._time_limit

    def _stop(self, todo: _Queue, worker: _Worker) -> None:
        todo.workers.remove(worker)
        _end(worker)

    def _start(self, slot: int, device: str) -> _Worker:
        context = training_processes()
        ours, theirs = context.Pipe()
        execution = replace(self._execution, device=device)
        process = context.Process(
            target=work,
            args=(theirs, execution, self._shares[slot], loaded_plugins(), dict(os.environ)),
            daemon=True,
        )
        start_process(process)
        theirs.close()
        return _Worker(process, ours, slot, device)


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.terminate()
    worker.process.join(timeout=10)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()


class _Reporter:
    """Sends epochs through a pipe; if its other end is closed, the run stops as if interrupted."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def epoch(self, done: int, total: int, row: Any) -> None:
        try:
            self._pipe.send(("epoch", done, total))
        except OSError:
            raise KeyboardInterrupt from None


def work(
    pipe: Connection,
    execution: Execution,
    cores: list[int],
    plugins: list[Path],
    environment: dict[str, str],
) -> None:
    """Compute runs until the pipe is closed; torch is imported once and not for every run.

    Each set of settings that arrives is answered by ("started",), ("epoch", done, total) after every epoch, and then
    one of ("done", folder, memory), ("busy", why), ("full", why), ("crowded", why) and ("failed", why).

    Args:
        pipe: Where settings come from, as plain JSON values, and answers go.
        execution: Where records go and on which device.
        cores: The cores that this process may use.
        plugins: Files to load first.
        environment: Environment variables of the process that started this one.
    """
    end_with_parent()
    os.environ.clear()
    os.environ.update(environment)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    # Imported before the run's time starts to count; the run would import it anyway.
    import timm  # noqa: F401

    for path in plugins:
        load_plugin(path)
    execution = replace(execution, progress=_Reporter(pipe))
    # Exclude what is loaded from garbage collection, which took a seventh of a short run.
    gc.freeze()
    while True:
        try:
            values = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            pipe.send(("started",))
            answer = _answer(RunConfig(**values), execution)
        except KeyboardInterrupt:
            return
        except Exception as error:
            answer = ("failed", in_words(error))
        try:
            pipe.send(answer)
        except OSError:
            return
        # Networks, trainer and optimiser form reference cycles, which Python would keep for many runs.
        gc.collect()


def _answer(config: RunConfig, execution: Execution) -> tuple[Any, ...]:
    try:
        record = run(config, execution)
    except RunBusy as error:
        return "busy", str(error)
    except NoRoom as error:
        return "full", str(error)
    except GridbenchError as error:
        return "crowded" if ran_out_of_memory(error) else "failed", str(error)
    return "done", str(record.folder), memory_of(execution.device)
