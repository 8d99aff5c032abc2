"""The engine that computes runs in processes of their own on this machine, each pinned to its share of it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from gridbench.config import RunConfig
from gridbench.engines import Event
from gridbench.errors import GridbenchError
from gridbench.plugins import load_plugin, loaded_plugins
from gridbench.runner import Execution, RunBusy, run

__all__ = ["LocalPool", "shares_of_cores"]

TRIES = 3


@dataclass
class _Worker:
    """A process that computes one run after another, and the run that it is at."""

    process: BaseProcess
    pipe: Connection
    slot: int
    index: int | None = None
    since: float | None = None


class LocalPool:
    """Computes several runs side by side; a worker that is killed loses its place, not its run.

    Args:
        execution: Where records go. Runs get one thread each unless it says otherwise: two processes of one thread
            were faster than one of two, and stay so when the machine has other work, where threads wait for each other.
        workers: Number of processes.
        devices: Devices dealt out in turn to the workers.
        time_limit: Longest time for one run in seconds; None for no limit.
    """

    def __init__(
        self,
        execution: Execution,
        workers: int,
        devices: Sequence[str] = ("auto",),
        time_limit: float | None = None,
    ) -> None:
        self._execution = replace(execution, progress=None, building=None)
        self._shares = shares_of_cores(workers)
        self._devices = devices
        self._time_limit = time_limit

    def compute(self, configs: Sequence[RunConfig]) -> Iterator[Event]:
        """Compute every run; a run whose worker dies is tried again, up to three times in all."""
        waiting = deque((index, 1) for index in range(len(configs)))
        tries: dict[int, int] = {}
        workers = [self._start(slot) for slot in range(min(len(self._shares), len(configs)))]
        try:
            while waiting or any(worker.index is not None for worker in workers):
                for worker in workers:
                    if worker.index is None and waiting:
                        index, number = waiting.popleft()
                        tries[index] = number
                        worker.index, worker.since = index, None
                        worker.pipe.send(configs[index].canonical())
                yield from self._listen(workers, waiting, tries)
        finally:
            for worker in workers:
                _end(worker)

    def _listen(
        self, workers: list[_Worker], waiting: deque[tuple[int, int]], tries: dict[int, int]
    ) -> Iterator[Event]:
        busy = [worker for worker in workers if worker.index is not None]
        ready = wait([worker.pipe for worker in busy], timeout=1.0)
        for worker in busy:
            index = worker.index
            assert index is not None
            if self._over_time(worker):
                _end(worker)
                workers[workers.index(worker)] = self._start(worker.slot)
                yield Event(index, "failed", f"it took longer than {self._time_limit:g} s")
            elif worker.pipe in ready:
                yield from self._hear(worker, index, workers, waiting, tries)

    def _hear(
        self,
        worker: _Worker,
        index: int,
        workers: list[_Worker],
        waiting: deque[tuple[int, int]],
        tries: dict[int, int],
    ) -> Iterator[Event]:
        """Take one message from a worker; the end of its pipe means that it died."""
        try:
            kind, *rest = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._replace(workers, worker, waiting, tries)
            return
        if kind == "started":
            worker.since = time.monotonic()
            yield Event(index, "started")
        elif kind == "epoch":
            yield Event(index, "epoch", epoch=rest[0], epochs=rest[1])
        else:
            worker.index = None
            yield Event(index, kind, rest[0])

    def _over_time(self, worker: _Worker) -> bool:
        """Tell whether a worker's run has taken too long; starting the process does not count."""
        if self._time_limit is None or worker.since is None:
            return False
        return time.monotonic() - worker.since > self._time_limit

    def _replace(
        self,
        workers: list[_Worker],
        worker: _Worker,
        waiting: deque[tuple[int, int]],
        tries: dict[int, int],
    ) -> Iterator[Event]:
        """Put a new process in the place of one that died, and its run back into the queue."""
        index = worker.index
        assert index is not None
        _end(worker)
        workers[workers.index(worker)] = self._start(worker.slot)
        if tries[index] < TRIES:
            waiting.append((index, tries[index] + 1))
        else:
            code = worker.process.exitcode
            yield Event(
                index, "failed", f"its process died {TRIES} times, the last time with exit code {code}"
            )

    def _start(self, slot: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        device = self._devices[slot % len(self._devices)]
        execution = replace(self._execution, device=device, threads=self._execution.threads or 1)
        process = context.Process(
            target=_work, args=(theirs, execution, self._shares[slot], loaded_plugins()), daemon=True
        )
        process.start()
        theirs.close()
        return _Worker(process, ours, slot)


def shares_of_cores(workers: int) -> list[list[int]]:
    """Deal the cores that this process may use out to workers; with fewer cores than workers they share."""
    cores = (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )
    if workers >= len(cores):
        return [[cores[slot % len(cores)]] for slot in range(workers)]
    return [cores[slot::workers] for slot in range(workers)]


class _Reporter:
    """Sends epochs through a pipe; when nobody listens any more, the run stops like one that is interrupted."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def epoch(self, done: int, total: int, row: Any) -> None:
        try:
            self._pipe.send(("epoch", done, total))
        except OSError:
            raise KeyboardInterrupt from None


def _work(pipe: Connection, execution: Execution, cores: list[int], plugins: list[Path]) -> None:
    """Compute runs until the pipe is closed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    # Loaded before a run's time starts to count; a run would load it a moment later.
    import timm  # noqa: F401

    for path in plugins:
        load_plugin(path)
    execution = replace(execution, progress=_Reporter(pipe))
    while True:
        try:
            values = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            pipe.send(("started",))
            record = run(RunConfig(**values), execution)
            answer = ("done", str(record.folder))
        except RunBusy as error:
            answer = ("busy", str(error))
        except GridbenchError as error:
            answer = ("failed", str(error))
        except KeyboardInterrupt:
            return
        except Exception as error:
            answer = ("failed", f"{type(error).__name__}: {error}")
        try:
            pipe.send(answer)
        except OSError:
            return


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.terminate()
    worker.process.join(timeout=10)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
