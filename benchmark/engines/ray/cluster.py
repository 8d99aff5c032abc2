"""The engine that computes runs on many machines with Ray; only the driver reads archives and writes records."""

from __future__ import annotations

import hashlib
import os
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
from gridbench.engines.base import Event
from gridbench.engines.ray.knocking import knock
from gridbench.engines.ray.node import Order, carry_out
from gridbench.engines.ray.shipping import Shipment, archive_shipment, plugin_shipment
from gridbench.engines.ray.transport import store_folder
from gridbench.errors import GridbenchError, InputError
from gridbench.plan import Plan, make_plan
from gridbench.records.record import RunRecord, read_record
from gridbench.records.run_folder import NoRoom, RunBusy, locked, unwritable
from gridbench.records.runner import Execution

__all__ = ["RayCluster"]

TRIES = 3
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass
class _Flight:
    """A run that some node has, and the claim on its folder here."""

    index: int
    plan: Plan
    claim: ExitStack
    since: float | None = None


@dataclass
class _Work:
    """What is left to do, and what was sent."""

    configs: Sequence[RunConfig]
    waiting: deque[int]
    tries: dict[int, int] = field(default_factory=dict)
    flying: dict[Any, _Flight] = field(default_factory=dict)
    archives: dict[tuple[Path, str], Shipment] = field(default_factory=dict)
    plugins: tuple[Shipment, ...] = ()


class RayCluster:
    """Computes each run as one task of a Ray cluster; a node that dies loses its runs, which go to others.

    Args:
        execution: Where records go here. Runs get one thread each unless it says otherwise.
        address: auto for the cluster that this machine is a node of; HOST:PORT of a cluster's head; local for one that
            is started on this machine and ends with the sweep.
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
        self._ray = _import_ray()

    def compute(self, configs: Sequence[RunConfig]) -> Iterator[Event]:
        """Compute every run; a run whose node or process dies is tried again, up to three times in all.

        Raises:
            InputError: There is no such cluster, or none of its nodes can hold a run.
        """
        started = self._connect()
        try:
            self._check_nodes()
            work = _Work(configs, deque(range(len(configs))))
            work.plugins = tuple(plugin_shipment(path, self._ray.put) for path in loaded_plugins())
            try:
                while work.waiting or work.flying:
                    while work.waiting and len(work.flying) < self._places():
                        yield from self._send(work, work.waiting.popleft())
                    yield from self._listen(work)
            finally:
                for task, flight in work.flying.items():
                    self._ray.cancel(task, force=True)
                    flight.claim.close()
        finally:
            if started:
                self._ray.shutdown()

    def _send(self, work: _Work, index: int) -> Iterator[Event]:
        """Claim a run's folder and hand the run to the cluster, unless it is done or somebody else has it."""
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
            task = self._task().remote(self._order(work, plan, cache))
            work.flying[task] = _Flight(index, plan, claim.pop_all())
        work.tries[index] = work.tries.get(index, 0) + 1

    def _order(self, work: _Work, plan: Plan, cache: Path) -> Order:
        key = (plan.archive.directory, plan.archive.fingerprint)
        if key not in work.archives:
            work.archives[key] = archive_shipment(plan.archive, cache, self._ray.put)
        here = f"{platform.node()}:{self._execution.runs.resolve()}"
        device = self._execution.device
        return Order(
            config=plan.config.canonical(),
            id=plan.id,
            archive=work.archives[key],
            plugins=work.plugins,
            sweep=hashlib.sha256(here.encode()).hexdigest()[:16],
            keep=self._execution.keep,
            device="cpu" if device == "auto" and not self._gpus else device,
            threads=self._cpus,
        )

    def _listen(self, work: _Work) -> Iterator[Event]:
        """Take a message from every task that has one."""
        if not work.flying:
            return
        ready, _ = self._ray.wait(list(work.flying), timeout=SECONDS_BETWEEN_LOOKS, fetch_local=False)
        for task in ready:
            yield from self._hear(work, task)
        for task, flight in list(work.flying.items()):
            if self._over_time(flight):
                self._ray.cancel(task, force=True)
                self._land(work, task)
                yield Event(flight.index, "failed", f"it took longer than {self._time_limit:g} s")

    def _hear(self, work: _Work, task: Any) -> Iterator[Event]:
        flight = work.flying[task]
        try:
            kind, *rest = self._ray.get(next(task))
        except StopIteration:
            kind, rest = "trouble", ["its task ended without an answer"]
        except self._ray.exceptions.RayError as error:
            kind, rest = "trouble", [_in_short(error)]
        if kind == "started":
            flight.since = time.monotonic()
            yield Event(flight.index, "started", rest[0])
        elif kind == "epoch":
            yield Event(flight.index, "epoch", epoch=rest[0], epochs=rest[1])
        else:
            yield self._ending(work, flight, kind, rest)
            self._land(work, task)

    def _ending(self, work: _Work, flight: _Flight, kind: str, rest: list[Any]) -> Event:
        """Write what came back, or put the run back into the queue."""
        index = flight.index
        if kind in ("done", "failed") and rest[-1]:
            try:
                stored = store_folder(rest[-1], flight.plan, self._execution.runs)
            except ValueError as error:
                kind, rest = "trouble", [f"the record that came back cannot be trusted: {error}"]
            except OSError as error:
                kind = "full" if isinstance(unwritable(self._execution.runs, error), NoRoom) else "failed"
                return Event(index, kind, str(unwritable(self._execution.runs, error)))  # type: ignore[arg-type]
            else:
                if stored.state == "done":
                    return Event(index, "done", str(stored.folder))
                return Event(index, "failed", f"{stored.reason} The traceback is in {stored.folder}.")
        if kind == "failed":
            return Event(index, "failed", str(rest[0]))
        if work.tries[index] < TRIES:
            work.waiting.append(index)
            return Event(index, "again", f"{rest[0]}; it is tried elsewhere")
        return Event(index, "failed", f"it was tried {TRIES} times, the last time: {rest[0]}")

    def _land(self, work: _Work, task: Any) -> None:
        work.flying.pop(task).claim.close()

    def _over_time(self, flight: _Flight) -> bool:
        if self._time_limit is None or flight.since is None:
            return False
        return time.monotonic() - flight.since > self._time_limit

    def _task(self) -> Any:
        # A run that dies is tried again here and not by Ray, so that tries are counted and told.
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

    def _check_nodes(self) -> None:
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        sizes = [(node.get("CPU", 0), node.get("GPU", 0)) for node in alive]
        if not any(cpus >= self._cpus and gpus >= self._gpus for cpus, gpus in sizes):
            have = "; ".join(f"{cpus:g} CPUs and {gpus:g} GPUs" for cpus, gpus in sizes)
            raise InputError(
                f"A run asks for {self._cpus} CPUs and {self._gpus:g} GPUs, and no node of the Ray cluster has that. "
                f"The nodes have: {have}. Give other --threads or --gpus."
            )

    def _connect(self) -> bool:
        """Join the cluster; tell whether that has to be undone."""
        if self._ray.is_initialized():
            return False
        settings: dict[str, Any] = {
            "address": self._address,
            "log_to_driver": False,
            "logging_level": "ERROR",
        }
        if self._address == "local":
            settings["include_dashboard"] = False
            # A cluster of our own reports to nobody.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            if self._address != "local":
                knock(self._address)
            self._ray.init(**settings)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"There is no Ray cluster to join at {self._address!r}: {reason}. Start one with `ray start --head`, "
                "join more machines with `ray start --address=HOST:PORT`, this one too, or use --address local."
            ) from None
        return True


def _on_node(order: Order) -> Iterator[tuple[Any, ...]]:
    """Run on a node: compute a run, fetching what it lacks from Ray's object store."""
    ray = _import_ray()
    yield from carry_out(order, ray.get)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise InputError("The engine ray needs the package ray: pip install 'gridbench[ray]'") from None
    return ray


def _in_short(error: Exception) -> str:
    """Say in a sentence what Ray says in many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = (lines or [""])[-1 if "Traceback" in str(error) else 0]
    return f"{type(error).__name__}: {told.partition('. ')[0][:200]}"
