"""Which samples of an archive belong together: tiles of one image, images of one group, tiles of one square."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gridbench.datasets.archive import Archive
from gridbench.errors import InputError
from gridbench.registry import DATASETS

__all__ = ["groups_of"]

_TILE = re.compile(r"_r\d{3}_c\d{3}$")


def groups_of(archive: Archive, pattern: str | None = None) -> tuple[list[str] | None, str]:
    """Name the group of each sample, as far as the archive tells.

    Args:
        archive: The archive.
        pattern: Regular expression whose first group (or whole match) in a sample's name names its group; None takes
            what the archive knows: the squares of a built-in one, the group pattern that it was prepared with, else
            the image that each tile was cut from.

    Returns:
        (N,) names of groups, or None when every sample stands for itself, and what they are, in words.

    Raises:
        InputError: The pattern is no regular expression, or does not fit a sample.
    """
    names = archive.names
    if pattern is not None:
        return _matches(pattern, names), f"what {pattern!r} finds in their names"
    if archive.name in DATASETS:
        known = getattr(DATASETS.get(archive.name), "groups", None)
        return (known(names), "squares of the map") if known else (None, "")
    settings = archive.report.get("settings") or {}
    stored = settings.get("group_pattern")
    if stored:
        return _matches(stored, [_TILE.sub("", name) for name in names] if settings.get("tile") else names), (
            f"the groups that they were split by ({stored!r})"
        )
    if settings.get("tile"):
        return [_TILE.sub("", name) for name in names], "the images that they were cut from"
    return None, ""


def _matches(pattern: str, names: Sequence[str]) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f"The group pattern {pattern!r} is no regular expression: {error}.") from None
    groups = []
    for name in names:
        found = compiled.search(name)
        if found is None:
            raise InputError(f"The group pattern {pattern!r} does not fit the image {name!r}.")
        groups.append(found.group(1) if compiled.groups else found.group(0))
    return groups
