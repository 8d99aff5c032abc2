"""Measured choice of the number of CPU threads per run, which maximises the total number of steps per second."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
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
from gridbench.core.machine import describe_machine, machine_label
from gridbench.errors import RunFailed
from gridbench.plan import Plan
from gridbench.training.autotune import machine_cache

__all__ = ["fastest_threads", "fewest_good", "measure_steps", "steps_per_second", "thread_numbers"]

FILE = "threads.json"
SECONDS = 3.0
"""Training time of each measurement."""

PATIENCE = 180.0
"""Seconds after which a process that does not begin or answer is given up."""

# More threads must clearly pay off: runs side by side gain more than threads that wait for each other.
WORTH = 1.05


def thread_numbers(cores: int) -> list[int]:
    """Return the numbers of threads to try: powers of two, and all cores."""
    powers = [2**power for power in range(cores.bit_length()) if 2**power <= cores]
    return sorted({*powers, cores})


def fewest_good(rates: Mapping[int, float]) -> int:
    """Return the number of threads that is worth it: a larger one only where it is clearly faster.

    Args:
        rates: Number of threads -> steps per second of all processes together.
    """
    chosen = min(rates)
    for number in sorted(rates):
        if rates[number] > WORTH * rates[chosen]:
            chosen = number
    return chosen


def fastest_threads(plan: Plan, cache: Path, say: Callable[[str], None]) -> int:
    """Measure, for each number of threads, as many processes side by side as the cores hold; measured once.

    Args:
        plan: The run whose training steps are measured, on few images and the CPU.
        cache: Folder in which the outcome is kept, for this machine and such steps.
        say: Called with one line, the outcome.

    Returns:
        The number of threads.
    """
    if plan.method.labels == "none":
        return 1
    file, key = cache / FILE, _key(plan)
    known = machine_cache.get(file, key)
    measured = "measured before"
    if known is None:
        measured = "measured now"
        cores = len(cores_here())
        rates = {
            number: steps_per_second(plan, cache, number, cores // number) for number in thread_numbers(cores)
        }
        known = {str(number): round(rate, 3) for number, rate in rates.items() if rate > 0}
        if not known:
            say("The threads of a run could not be measured; it is 1.")
            return 1
        machine_cache.put(file, key, known)
    rates = {int(number): rate for number, rate in known.items()}
    chosen = fewest_good(rates)
    by_threads = ", ".join(f"{rate:.1f} steps/s with {number}" for number, rate in sorted(rates.items()))
    say(f"Threads of a run: {chosen} ({measured}, all processes together: {by_threads}).")
    return chosen


def steps_per_second(plan: Plan, cache: Path, threads: int, processes: int) -> float:
    """Return the steps per second of so many processes side by side; 0 if one of them fails."""
    context = training_processes()
    start = context.Barrier(processes)
    config = plan.config
    small = {**config.model_dump(mode="json"), "slnir": "0", "epochs": 1, "train_size": _few(plan)}
    pipes: list[Connection] = []
    children: list[BaseProcess] = []
    try:
        for share in shares_of_cores(processes):
            ours, theirs = context.Pipe()
            child: BaseProcess = context.Process(
                target=measure_steps, args=(theirs, start, small, str(cache), threads, share), daemon=True
            )
            start_process(child)
            children.append(child)
            theirs.close()
            pipes.append(ours)
        return sum(_steps(pipe) for pipe in pipes)
    except (EOFError, OSError, RunFailed):
        return 0.0
    finally:
        for child in children:
            child.terminate()
            child.join()


def _steps(pipe: Connection) -> float:
    if not pipe.poll(PATIENCE):
        raise EOFError
    return float(pipe.recv())


def _few(plan: Plan) -> int:
    """Return the number of images of two mini-batches, or as many as there are."""
    return min(2 * (plan.config.batch_size or 2), len(plan.archive.indices("train")))


def measure_steps(
    pipe: Connection, start: Any, config: dict[str, Any], cache: str, threads: int, cores: list[int]
) -> None:
    """Train for a few seconds, at the same time as the others, and send the steps per second."""
    end_with_parent()
    import torch

    from gridbench.plan import make_plan
    from gridbench.training.experiment import Experiment

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    torch.set_num_threads(threads)
    plan = make_plan(RunConfig(**config), Path(cache))
    trainer = Experiment(plan, torch.device("cpu")).trainer
    assert trainer is not None
    trainer.train_epoch(0)
    start.wait(PATIENCE)
    epochs, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        epochs += 1
        trainer.train_epoch(epochs)
    seconds = time.perf_counter() - began
    images = plan.config.train_size or 1
    pipe.send(epochs * max(1, images // (plan.config.batch_size or images)) / seconds)


def _key(plan: Plan) -> str:
    """Return the cache key: a hash of the machine, torch, the networks and the size of a mini-batch."""
    import torch

    config, machine = plan.config, describe_machine(torch.device("cpu"))
    facts = [
        machine_label({**machine, "threads": 1}),
        len(cores_here()),
        plan.archive.fingerprint,
        *(config.method, config.loss, config.backbone, config.output_stride),
        *(config.batch_size, config.crop, config.precision),
        # Named only if used, so that measurements from before these settings existed remain valid.
        *(value for value in (config.memory_format, config.compile) if value is not None),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
