"""A process that computes one run after another, and tells what happens through a pipe."""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gridbench.config import RunConfig
from gridbench.core.environment import memory_of, ran_out_of_memory
from gridbench.core.plugins import load_plugin
from gridbench.errors import GridbenchError
from gridbench.records.runner import Execution, NoRoom, RunBusy, run

__all__ = ["work"]


class _Reporter:
    """Sends epochs through a pipe; when nobody listens any more, the run stops like one that is interrupted."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def epoch(self, done: int, total: int, row: Any) -> None:
        try:
            self._pipe.send(("epoch", done, total))
        except OSError:
            raise KeyboardInterrupt from None


def work(pipe: Connection, execution: Execution, cores: list[int], plugins: list[Path]) -> None:
    """Compute runs until the pipe is closed; torch is imported once and not for every run.

    Each set of settings that arrives is answered by ("started",), ("epoch", done, total) after every epoch, and then
    one of ("done", folder, memory), ("busy", why), ("full", why), ("crowded", why) and ("failed", why).

    Args:
        pipe: Where settings come from, as plain JSON values, and answers go.
        execution: Where records go and on which device.
        cores: The cores that this process may use.
        plugins: Files to load first.
    """
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
            answer = _answer(RunConfig(**values), execution)
        except KeyboardInterrupt:
            return
        except Exception as error:
            answer = ("failed", f"{type(error).__name__}: {error}")
        try:
            pipe.send(answer)
        except OSError:
            return
        # Networks, trainer and optimiser refer to each other: left to itself, Python keeps those of many runs.
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
