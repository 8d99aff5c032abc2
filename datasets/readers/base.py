"""The plan of a reader: the samples of an archive, and units of work that read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

from gridbench.datasets.archive.layout import Georeference, Layout, Sample
from gridbench.errors import counted

__all__ = ["LazyUnits", "Outcome", "Plan", "Unit", "first_lines", "listed"]

_MOST_LINES = 20
_WIDEST = 160


@dataclass(frozen=True)
class Unit:
    """A piece of work that another process can do.

    Attributes:
        positions: Positions of its samples in the plan's names.
        argument: Argument of the plan's `read`; small, since it is sent between processes. Its attribute
            `files`, if it has one, lists the files that `read` reads, in the order that its samples' `source` hashes.
    """

    positions: tuple[int, ...]
    argument: Any

    @property
    def files(self) -> tuple[Path | str, ...]:
        """The source files, none where the reader does not list them."""
        return tuple(getattr(self.argument, "files", ()))


class LazyUnits(Sequence[Unit]):
    """Lazy sequence of units of one sample each, which keeps the plan of a large archive small.

    Args:
        count: Number of units.
        argument: Returns the argument of the unit at a position; deterministic.
    """

    def __init__(self, count: int, argument: Callable[[int], Any]) -> None:
        self._count = count
        self._argument = argument

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Unit: ...

    @overload
    def __getitem__(self, index: slice) -> list[Unit]: ...

    def __getitem__(self, index: int | slice) -> Unit | list[Unit]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        position = index % self._count
        return Unit((position,), self._argument(position))


@dataclass(frozen=True)
class Outcome:
    """Result of reading a unit.

    Attributes:
        samples: One sample for each position of the unit; None for one that does not belong in the archive.
        findings: Statement about the sources -> how often it holds, for the report.
    """

    samples: tuple[Sample | None, ...]
    findings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """Everything that is known about an archive before a pixel is read.

    Attributes:
        kind: Name of the reader.
        layout: Layout of the samples.
        names: Unique name of each sample.
        split: Split of each sample.
        units: The work, which covers each position once.
        read: Function at the top level of a module that reads a unit's argument; raises `Unreadable`.
        settings: What the user decided, as JSON values; another setting is another archive.
        groups: Group of each sample, which folds and splits keep together; None when nothing is known of groups.
        georeferences: Where each sample lies; None when no source says so.
        report: What the reader found out already, as JSON values; `notes` in it is a list of sentences.
    """

    kind: str
    layout: Layout
    names: Sequence[str]
    split: Sequence[str]
    units: Sequence[Unit]
    read: Callable[[Any], Outcome]
    settings: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    groups: Sequence[str] | None = None
    georeferences: Sequence[Georeference | None] | None = None


def first_lines(lines: Sequence[str], what: str, most: int = _MOST_LINES) -> list[str]:
    """Return the first lines of a list for a report, each cut where it is long, and how many follow.

    Args:
        lines: The list.
        what: What the lines are, for the count.
        most: Lines that are shown.
    """
    shown = [line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..." for line in lines[:most]]
    return shown if len(lines) <= most else [*shown, f"  and {len(lines) - most} more {what}"]


def listed(noun: str, what: str, names: Sequence[str], plural: str = "", shown: int = 5) -> list[str]:
    """Return a list with one sentence that counts names and shows the first ones; empty without names."""
    if not names:
        return []
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    words = [name if len(name) <= _WIDEST else f"{name[: _WIDEST - 3]}..." for name in names[:shown]]
    return [f"{counted(len(names), noun, plural)} {what}: {', '.join(words)}{more}"]
