"""The in-process engine, which computes runs sequentially in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gridbench.config import RunConfig
from gridbench.engines.base import Event
from gridbench.errors import GridbenchError
from gridbench.records.runner import Execution, NoRoom, RunBusy, run

__all__ = ["InProcess"]


class InProcess:
    """Computes one run at a time, here.

    Args:
        execution: Where records go and on which device.
    """

    def __init__(self, execution: Execution) -> None:
        self._execution = replace(execution)

    def compute(self, configs: Sequence[RunConfig]) -> Iterator[Event]:
        """Compute every run in the order given."""
        for index, config in enumerate(configs):
            yield Event(index, "started")
            try:
                run(config, self._execution)
            except RunBusy as error:
                yield Event(index, "busy", str(error))
            except NoRoom as error:
                yield Event(index, "full", str(error))
            except GridbenchError as error:
                yield Event(index, "failed", str(error))
            else:
                yield Event(index, "done")
