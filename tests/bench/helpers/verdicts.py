"""What is measured, judged by its goal, and as a row of a table."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

PART = Path(sys.argv[0]).stem.removeprefix("bench_")


class Judged:
    """Something with an interval and limits."""

    low: float
    high: float
    at_most: float | None
    at_least: float | None
    middle: float

    @property
    def verdict(self) -> str:
        """Say `met`, `missed` (the whole interval is beyond the limit), `unclear`, or nothing."""
        if self.at_most is None and self.at_least is None:
            return ""
        over = [self._beyond(value) for value in (self.low, self.middle, self.high)]
        return "missed" if all(over) else "unclear" if over[1] else "met"

    @property
    def goal(self) -> str:
        """Say what is wanted."""
        limit = f"<= {self.at_most:g}" if self.at_most is not None else ""
        return limit + (f">= {self.at_least:g}" if self.at_least is not None else "")

    def _beyond(self, value: float) -> bool:
        # What is not a number at all is within no limit.
        low_enough = self.at_most is None or value <= self.at_most
        return not (low_enough and (self.at_least is None or value >= self.at_least))


@dataclass(frozen=True)
class Figure(Judged):
    """A number that was measured several times.

    Attributes:
        name: What it is.
        unit: What it counts, `s`, `MB` or `exponent` for example; empty for an error.
        values: One per round; for an exponent, the seconds that it was fitted to.
        value: Their median, or the exponent.
        low: Lower end of its 95 % interval.
        high: Upper end.
        at_most: Largest value wanted, or None.
        at_least: Smallest value wanted, or None.
        part: The script that measured it.
    """

    name: str
    unit: str
    values: list[float]
    value: float
    low: float
    high: float
    at_most: float | None
    at_least: float | None
    part: str = PART

    @property
    def middle(self) -> float:
        """The value that is judged."""
        return self.value

    @property
    def rounds(self) -> int:
        """How often it was measured."""
        return len(self.values)


@dataclass(frozen=True)
class Comparison(Judged):
    """What two sides took, and their ratio.

    Attributes:
        name: What was compared.
        measure: "time" for ours / peer in seconds, "speed" for peer / ours (ours is this many times as fast).
        ours: Seconds of each round.
        peer: Seconds of each round.
        ratio: Median over the rounds.
        low: Lower end of the 95 % bootstrap interval of that median.
        high: Upper end.
        at_most: Largest ratio wanted, or None.
        at_least: Smallest ratio wanted, or None.
        part: The script that compared.
    """

    name: str
    measure: str
    ours: list[float]
    peer: list[float]
    ratio: float
    low: float
    high: float
    at_most: float | None
    at_least: float | None
    part: str = PART

    @property
    def middle(self) -> float:
        """The median ratio."""
        return self.ratio


def row(result: Comparison | Figure) -> str:
    """Format a result as one row of a markdown table."""
    if isinstance(result, Figure):
        found = f"{result.value:.3g} ({result.low:.3g} to {result.high:.3g}) {result.unit}".strip()
        cells = [result.name, found, "", "", result.goal, result.verdict, str(result.rounds)]
        return "| " + " | ".join(cells) + " |"
    ours, peer = (seconds(statistics.median(side)) for side in (result.ours, result.peer))
    ratio = f"{result.measure} {result.ratio:.3f} ({result.low:.3f} to {result.high:.3f})"
    cells = [result.name, ours, peer, ratio, result.goal, result.verdict, str(len(result.ours))]
    return "| " + " | ".join(cells) + " |"


def seconds(value: float) -> str:
    """Format seconds."""
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"


COLUMNS = ("what", "ours", "peer", "ratio (95 % interval)", "goal", "verdict", "rounds")
HEADER = "| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|"
