"""The CPU cores that this process may use, their division among workers, and how workers start."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING

from gridbench.errors import RunFailed, in_words

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

__all__ = ["cores_here", "end_with_parent", "shares_of_cores", "start_process", "training_processes"]

# A loaded plug-in cannot call it any more (core/plugins.py); this module is imported before any.
_leave = os._exit

# Modules that training processes import; loading them takes longer than computing a short run.
PRELOADED = [
    "timm",
    "gridbench.records.runner",
    "gridbench.evaluation.retrieval",
    "gridbench.metrics.predictions",
]


def cores_here() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def shares_of_cores(workers: int) -> list[list[int]]:
    """Divide the cores that this process may use among workers; with fewer cores than workers they share."""
    cores = cores_here()
    if workers >= len(cores):
        return [[cores[slot % len(cores)]] for slot in range(workers)]
    return [cores[slot::workers] for slot in range(workers)]


def training_processes() -> ForkServerContext | SpawnContext:
    """Return the context in which processes that train start: forked from one that has loaded torch, or spawned.

    That one process is started at the first call, draws nothing and uses no accelerator. The others have its
    environment and not that of their parent.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    # Modules are not looked for in the working folder, which may have a file of the same name.
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        # Ctrl-C reaches that process, too, which ignores it only once it has loaded all that. The tracker, which is
        # started with it, would let Ctrl-C through again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before
    return context


def start_process(process: BaseProcess) -> None:
    """Start a process of `training_processes`.

    Raises:
        RunFailed: The system does not let it start, or has ended the one that it is forked from.
    """
    try:
        process.start()
    except (EOFError, OSError) as error:
        raise RunFailed(
            f"No worker process can be started ({in_words(error)}), perhaps for lack of memory or processor time. "
            "What is done stays done; --workers 0 starts none."
        ) from error


def end_with_parent() -> None:
    """Let this worker end when its parent has ended, however that happened: a killed command leaves none behind."""
    if hasattr(signal, "pthread_sigmask"):
        # Ctrl-C was blocked while this process started (`training_processes`).
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            _leave(1)

    threading.Thread(target=wait, daemon=True).start()
