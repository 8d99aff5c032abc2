"""Learning-rate schedules as closed forms of the update, so that resuming needs no state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Schedule"]

# He et al. (2016), Section 4.2: a tenth after 32k and after 48k of 64k iterations.
STEPS = (0.5, 0.75)
STEP_FACTOR = 0.1

# The defaults of torch's OneCycleLR, after Smith and Topin (2017).
RISE = 0.3
FIRST_PART, LAST_PART = 1 / 25, 1 / 25 / 1e4


@dataclass(frozen=True)
class Schedule:
    """A factor on the learning rate for each update of a run.

    Attributes:
        name: `constant`; `cosine` (half a cosine down to `lowest`); `step` (a tenth after half and after three
            quarters); `onecycle` (from 1/25 up in three tenths of the run, then down to `lowest`, along half cosines).
        updates: Number of updates of the run.
        warmup: Number of updates in which the factor rises in equal steps, the last of them being 1; the schedule runs
            over the updates that are left.
        lowest: Factor at which `cosine` and `onecycle` end (`onecycle` without one: 4e-6), and below which `step` does
            not go.

    Example:
        >>> [round(Schedule("cosine", 5, warmup=2).factor(update), 3) for update in range(5)]
        [0.5, 1.0, 1.0, 0.75, 0.25]
    """

    name: Literal["constant", "cosine", "step", "onecycle"] = "constant"
    updates: int = 1
    warmup: int = 0
    lowest: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether the factor is ever another than 1."""
        return self.name != "constant" or self.warmup > 0

    def factor(self, update: int) -> float:
        """Return the factor of an update, counted from 0."""
        if update < self.warmup:
            return (update + 1) / self.warmup
        done, length = update - self.warmup, max(1, self.updates - self.warmup)
        if self.name == "cosine":
            return _along_cosine(1.0, self.lowest, done / length)
        if self.name == "step":
            passed = sum(done >= share * length for share in STEPS)
            return max(self.lowest, STEP_FACTOR**passed)
        if self.name == "onecycle":
            return self._onecycle(done, length)
        return 1.0

    def _onecycle(self, done: int, length: int) -> float:
        top, last = RISE * length - 1, length - 1
        end = self.lowest or LAST_PART
        if done <= top:
            return _along_cosine(FIRST_PART, 1.0, done / top if top > 0 else 1.0)
        return _along_cosine(1.0, end, min(1.0, (done - top) / (last - top)) if last > top else 1.0)


def _along_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
