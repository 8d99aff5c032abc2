"""Groups of samples that must stay together: tiles of an image, images of a group, tiles of a square."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gridbench.datasets.archive.archive import Archive
from gridbench.errors import InputError
from gridbench.registry import DATASETS

__all__ = ["Grouping", "groupings_of", "match_groups"]

SECONDS, LONGEST_SECONDS = 1.0, 60.0
"""Seconds that a group pattern may take, beside a tenth for each name, and at most: the time of some patterns grows
exponentially with the length of a name."""

_TILE = re.compile(r"_r\d{3}_c\d{3}$")


@dataclass(frozen=True)
class Grouping:
    """A division of an archive's samples.

    Attributes:
        groups: (N,) name of each sample's group.
        words: Description of the groups.
    """

    groups: list[str]
    words: str


def groupings_of(archive: Archive, pattern: str | None = None) -> list[Grouping]:
    """Return the known groupings of an archive's samples, the coarsest first.

    Args:
        archive: The archive.
        pattern: Regular expression whose first group (or whole match) in a sample's name names its group; None takes
            what the archive knows: the squares of a built-in one; else the groups that it was prepared with,
            and the image that each tile was cut from.

    Returns:
        None, one or several; none where every sample is a group of its own.

    Raises:
        InputError: The pattern is not a regular expression, or does not fit a sample.
    """
    names = archive.names
    if pattern is not None:
        return [Grouping(match_groups(pattern, names), f"what {pattern!r} finds in their names")]
    if archive.name in DATASETS:
        known = getattr(DATASETS.get(archive.name), "groups", None)
        return [Grouping(known(names), "squares of the map")] if known else []
    settings = archive.report.get("settings") or {}
    found = []
    images = [_TILE.sub("", name) for name in names] if settings.get("tile") else list(names)
    if archive.sample_groups is not None:
        found.append(Grouping(archive.sample_groups, "the groups that they were split by"))
    elif settings.get("group_pattern"):
        words = f"the groups that they were split by ({settings['group_pattern']!r})"
        found.append(Grouping(match_groups(settings["group_pattern"], images), words))
    if settings.get("tile"):
        found.append(Grouping(images, "the images that they were cut from"))
    return found


def match_groups(pattern: str, names: Sequence[str]) -> list[str]:
    """Return what a regular expression finds in each name: its first group, else the whole match.

    Raises:
        InputError: It is not a regular expression, does not fit a name, or takes longer than a second for ten names.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"The group pattern {pattern!r} is not a regular expression: {error}.") from None
    groups = []
    try:
        with _limited_time(SECONDS + len(names) / 10):
            for name in names:
                found = compiled.search(name)
                if found is None:
                    raise InputError(f"The group pattern {pattern!r} does not fit the image {name!r}.")
                groups.append((found.group(1) or "") if compiled.groups else found.group(0))
    except TimeoutError:
        raise InputError(
            f"The group pattern {pattern!r} takes too long for the image {name!r}: repeated repetitions such as "
            "(a+)+ try every division of a name. Write it without them."
        ) from None
    return groups


@contextmanager
def _limited_time(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after some seconds; only the main thread of a system with timers can be interrupted."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, min(seconds, LONGEST_SECONDS))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
