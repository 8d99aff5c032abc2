"""Selection and settings of the engine of a sweep; devices and cores are determined when the engine starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gridbench.errors import InputError

if TYPE_CHECKING:
    from gridbench.core.progress import ProgressReporter
    from gridbench.engines.base import Engine
    from gridbench.plan import Plan
    from gridbench.records.runner import Execution
    from gridbench.training.autotune.precision import Chooser

__all__ = ["EngineChoice"]


@dataclass(frozen=True)
class EngineChoice:
    """Selection and settings of an engine.

    Attributes:
        engine: `local` (processes on this machine) or `ray` (the machines of a Ray cluster).
        workers: Processes of the local engine, 0 for none but this one; None for as many as cores or devices can hold.
        threads: CPU threads of a run, or `auto`, which measures the fastest number.
        devices: Devices of the local workers, assigned in turn; empty for all there are.
        per_device: Runs at once on an accelerator, or `auto`.
        address: The Ray cluster: `auto`, `local` or HOST:PORT.
        gpus: Accelerators that a run asks Ray for.
    """

    engine: str = "local"
    workers: int | None = None
    threads: str = "1"
    devices: tuple[str, ...] = ()
    per_device: str = "auto"
    address: str = "auto"
    gpus: float = 0.0

    def __post_init__(self) -> None:
        _number("--threads", self.threads)
        _number("--per-device", self.per_device)
        if "://" in self.address:
            raise InputError(
                f"--address is {self.address!r}; it must be auto, local or the HOST:PORT of a cluster that this "
                "machine has joined with `ray start --address=HOST:PORT`."
            )
        if self.engine == "ray" and self.threads == "auto":
            raise InputError(
                "--threads auto measures this machine, and Ray's nodes are others; give a number."
            )

    def make(
        self,
        execution: Execution,
        plans: Sequence[Plan],
        time_limit: float | None,
        say: Callable[[str], None],
    ) -> Engine:
        """Return the engine.

        Args:
            execution: Where records go.
            plans: The runs to compute, at least one; --threads auto measures the first.
            time_limit: Longest time for one run in seconds; None for no limit.
            say: Called with a one-line summary of the measurements.

        Raises:
            InputError: A device does not exist, or the engine's package is missing.
        """
        from gridbench.engines.in_process import InProcess

        threads = self._threads(execution, plans, say)
        execution = replace(execution, threads=threads)
        if self.engine == "ray":
            from gridbench.engines.ray.cluster import RayCluster

            return RayCluster(execution, self.address, self.gpus, time_limit)
        if self.workers == 0:
            return InProcess(replace(execution, device=self.devices[0]) if self.devices else execution)
        from gridbench.engines.local import LocalPool

        per_device = _number("--per-device", self.per_device)
        return LocalPool(execution, self.workers, self.devices, time_limit, per_device)

    def require_devices(self) -> None:
        """Refuse a device of the local engine that this machine does not have, before each run fails for it.

        Raises:
            InputError: There is no such device.
        """
        if not set(self.devices) - {"auto", "cpu"}:
            return
        from gridbench.core.environment import all_devices, choose_device

        # Trying a device would take some of its memory from the runs.
        for name in set(self.devices) - {"auto", "cpu", *all_devices()}:
            choose_device(name)

    def require_compiler(self) -> None:
        """Refuse --compile where this process can tell that nothing can be compiled, before each run fails for it.

        Raises:
            InputError: There is no compiler.
        """
        if self.engine != "local":
            return
        from gridbench.core.environment import all_devices, choose_device
        from gridbench.training.compile import require_compiler

        named = [name for name in self.devices if name != "auto"] or all_devices()
        # This process only starts others, and would hold memory of the accelerator.
        for name in named[:1] if self.workers == 0 else set(named) & {"cpu"}:
            require_compiler(choose_device(name))

    def chooser(
        self, execution: Execution, settings: Mapping[str, Any], progress: ProgressReporter
    ) -> Chooser | None:
        """Return what decides settings that are `auto` for this engine; None where none is.

        Raises:
            InputError: They are to be measured, but what will compute is not known in advance.
        """
        from gridbench.config import MEASURABLE

        asked = [name for name in MEASURABLE if settings.get(name) == "auto"]
        if not asked:
            return None
        flag = "--" + asked[0].replace("_", "-")
        threads = _number("--threads", self.threads)
        if self.engine == "ray" or threads is None:
            what = "Ray's nodes are others" if self.engine == "ray" else "--threads auto is decided later"
            raise InputError(f"{flag} auto measures this machine, and {what}; name a value.")
        import torch

        from gridbench.core.environment import all_devices, choose_device
        from gridbench.datasets import default_cache
        from gridbench.training.autotune.precision import Chooser

        torch.set_num_threads(threads)
        device = choose_device((self.devices or tuple(all_devices()))[0])
        cache = execution.cache or default_cache()
        return Chooser(execution.runs, cache, device, progress.say, progress.build)

    def _threads(self, execution: Execution, plans: Sequence[Plan], say: Callable[[str], None]) -> int:
        number = _number("--threads", self.threads)
        if number is not None:
            return number
        from gridbench.datasets import default_cache
        from gridbench.training.autotune.threads import fastest_threads

        return fastest_threads(plans[0], execution.cache or default_cache(), say)


# More cores than any machine has; a million processes would exhaust it.
MOST_THREADS = 1024


def _number(option: str, text: str) -> int | None:
    """Return a positive number, or None for auto."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= MOST_THREADS):
        raise InputError(f"{option} is {text!r:.40}; it must be auto or a number from 1 to {MOST_THREADS}.")
    return int(text)
