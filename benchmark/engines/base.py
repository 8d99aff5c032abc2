"""The engine interface: engines compute the runs of a sweep in this process, on this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gridbench.config import RunConfig

__all__ = ["TRIES", "Engine", "Event"]

TRIES = 3
"""Times that a run is tried at most when the process or node that computes it dies."""


@dataclass(frozen=True)
class Event:
    """Something that happened to one run of a sweep.

    Attributes:
        index: Position of the run in the list that the engine was given.
        kind: started; epoch; done; failed (its folder says why, or `detail`); busy (another process has it); again
            (where it ran died, and it is tried once more); full (there is no room to write, so nothing can go on).
        detail: A message, or empty.
        epoch: Finished epochs, for the kind `epoch`.
        epochs: Epochs in all, for the kind `epoch`.
    """

    index: int
    kind: Literal["started", "epoch", "done", "failed", "busy", "again", "full"]
    detail: str = ""
    epoch: int = 0
    epochs: int = 0


class Engine(Protocol):
    """Computes runs and yields events; closing the iterator interrupts active runs, which can be resumed."""

    def compute(self, configs: Sequence[RunConfig]) -> Iterator[Event]:
        """Compute every run, in any order."""
