"""Execution of one run on a node without shared storage: fetch inputs, compute, and return the run folder."""

from __future__ import annotations

import json
import platform
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridbench.config import RunConfig
from gridbench.core.plugins import load_plugin
from gridbench.datasets import default_cache
from gridbench.engines.ray.transport import Get, Shipment, pack_folder, unpack
from gridbench.errors import GridbenchError, InputError, in_words, reason_of
from gridbench.plan import Plan, make_plan
from gridbench.records.runner import Execution, NoRoom, RunBusy, execute

__all__ = ["Order", "carry_out"]

SECONDS_BETWEEN_EPOCHS = 1.0


@dataclass(frozen=True)
class Order:
    """One run for a node.

    Attributes:
        config: The settings, as plain JSON values.
        id: The identity that the run must have there, too.
        archive: The packed archive.
        plugins: The plug-in files, in the order in which they are loaded.
        sweep: Names the driver's folder of runs, so that runs of two drivers do not meet on a node.
        keep: light, weights or all.
        device: Where to compute.
        threads: Threads of the CPU arithmetic.
    """

    config: Mapping[str, Any]
    id: str
    archive: Shipment
    plugins: tuple[Shipment, ...]
    sweep: str
    keep: str
    device: str
    threads: int

    def packed(self) -> tuple[bytes, list[Any]]:
        """Return the order as JSON, and the handles of the pieces that it names by their places in that list."""
        handles: list[Any] = []

        def described(shipment: Shipment) -> dict[str, Any]:
            files = []
            for path, sha256, pieces in shipment.files:
                files.append([path, sha256, list(range(len(handles), len(handles) + len(pieces)))])
                handles.extend(pieces)
            return {"key": shipment.key, "files": files}

        document = {
            **vars(self),
            "archive": described(self.archive),
            "plugins": [described(plugin) for plugin in self.plugins],
        }
        return json.dumps(document).encode(), handles

    @classmethod
    def unpacked(cls, content: bytes, handles: Sequence[Any]) -> Order:
        """Return an order from what `packed` returned."""

        def shipment(described: Mapping[str, Any]) -> Shipment:
            files = (
                (path, sha, tuple(handles[at] for at in places)) for path, sha, places in described["files"]
            )
            return Shipment(described["key"], tuple(files))

        document = json.loads(content)
        document["archive"] = shipment(document["archive"])
        document["plugins"] = tuple(map(shipment, document["plugins"]))
        return cls(**document)


def carry_out(order: Order, get: Get) -> Iterator[tuple[Any, ...]]:
    """Compute a run on this machine, telling what happens.

    Args:
        order: The run.
        get: Returns the content of a shipped piece by its handle.

    Yields:
        ("started", machine), then any number of ("epoch", done, total), then one of ("done", files),
        ("failed", message, files) and ("trouble", message): this machine could not do it, and another one may.
    """
    home = default_cache() / "cluster"
    try:
        archives = unpack(order.archive, home / "archives", get)
        for plugin in order.plugins:
            load_plugin(unpack(plugin, home / "plugins", get) / plugin.paths[0])
        # Imported before the run's time starts to count; the run would import it anyway.
        import timm  # noqa: F401
    except InputError as error:
        yield "failed", str(error), {}
        return
    except (OSError, ValueError) as error:
        yield "trouble", f"{platform.node()} could not take what the run needs: {reason_of(error)}"
        return
    yield "started", platform.node()
    messages: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    execution = Execution(
        runs=home / "runs" / order.sweep,
        cache=archives,
        device=order.device,
        keep=order.keep,
        threads=order.threads,
        progress=_Reporter(messages.put),
    )
    # A generator can tell of epochs while the run goes on only if the run is beside it.
    threading.Thread(target=_work, args=(order, execution, messages.put), daemon=True).start()
    while True:
        message = messages.get()
        yield message
        if message[0] != "epoch":
            return


class _Reporter:
    """Tells of epochs, of the first and the last in any case and of others now and then."""

    def __init__(self, tell: Callable[[tuple[Any, ...]], None]) -> None:
        self._tell = tell
        self._reported_at = 0.0

    def epoch(self, done: int, total: int, row: Any) -> None:
        now = time.monotonic()
        if done in (1, total) or now - self._reported_at > SECONDS_BETWEEN_EPOCHS:
            self._reported_at = now
            self._tell(("epoch", done, total))


def _work(order: Order, execution: Execution, tell: Callable[[tuple[Any, ...]], None]) -> None:
    try:
        tell(_answer(order, execution))
    except BaseException as error:
        tell(("trouble", f"{platform.node()}: {in_words(error)}"))


def _answer(order: Order, execution: Execution) -> tuple[Any, ...]:
    """Compute the run and return its outcome."""
    assert execution.cache is not None
    try:
        plan = make_plan(RunConfig(**order.config), execution.cache)
    except GridbenchError as error:
        return "failed", f"{error} (on {platform.node()})", {}
    if plan.id != order.id:
        return "failed", _other_identity(plan, order), {}
    folder = execution.runs / plan.folder_name
    try:
        execute(plan, execution)
        answer: tuple[Any, ...] = ("done", pack_folder(folder))
    except (NoRoom, RunBusy) as error:
        return "trouble", f"{platform.node()}: {error}"
    except GridbenchError as error:
        answer = ("failed", str(error), pack_folder(folder))
    shutil.rmtree(folder, ignore_errors=True)
    return answer


def _other_identity(plan: Plan, order: Order) -> str:
    import gridbench

    versions = f"gridbench {gridbench.__version__} with {dict(plan.versions)}"
    return (
        f"{platform.node()} would compute another run than was asked for (id {plan.id[:10]}, not {order.id[:10]}). "
        f"It has {versions}; install there what is installed here, plug-in packages too."
    )
