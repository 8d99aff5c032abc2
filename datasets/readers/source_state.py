"""Detection of changes in the source files of an archive."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.indexing import SOURCES
from gridbench.datasets.archive.layout import SPLITS
from gridbench.datasets.dataset import Progress
from gridbench.datasets.readers.base import Plan, Unit
from gridbench.datasets.readers.source_files import Unreadable, digest_of
from gridbench.errors import InputError

__all__ = [
    "SourceState",
    "copies_across_splits",
    "copies_with_other_labels",
    "left_out_digest",
    "refuse_changed_sources",
    "state_of",
]

# A sparse file may claim terabytes; it was left out unread.
_MOST_HASHED = 1 << 30


class SourceState(NamedTuple):
    """The files of a plan as the file system describes them.

    Attributes:
        digest: sha256 in hex over path, size, inode and times of each file; the same one means the same content.
        bytes: Their sizes, added up.
    """

    digest: str
    bytes: int


def state_of(units: Iterable[Unit]) -> SourceState:
    """Look at the files of all units without opening them."""
    digest = hashlib.sha256()
    total = 0
    here = f"{Path.cwd()}{os.sep}"
    for unit in units:
        lines = []
        for path in unit.files:
            try:
                state = os.stat(path)  # noqa: PTH116
            except (OSError, ValueError):
                lines.append(f"{path}\0missing\n")
                continue
            total += state.st_size
            facts = (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
            lines.append(f"{path if os.path.isabs(path) else f'{here}{path}'}\0{facts}\n")  # noqa: PTH117
        digest.update("".join(lines).encode(errors="surrogateescape"))
    return SourceState(digest.hexdigest(), total)


def left_out_digest(units: Sequence[Unit], present: NDArray[np.bool_]) -> str:
    """Hash the content of the files of units of which no sample is in the archive.

    Args:
        units: All units of a plan.
        present: (N,) whether the sample at each of the plan's positions was written.

    Returns:
        sha256 in hex over the first position and the content's hash of each such unit; above a gigabyte, its state.
    """
    digest = hashlib.sha256()
    for unit in () if present.all() else units:
        if not present[list(unit.positions)].any():
            state = state_of([unit])
            content = _content(unit) if state.bytes <= _MOST_HASHED else state.digest.encode()
            digest.update(f"{unit.positions[:1]} ".encode() + content)
    return digest.hexdigest()


def copies_across_splits(archive: Archive) -> list[tuple[str, str]]:
    """Return the images of validation and test whose files have the content of those of an image of another split.

    Args:
        archive: An archive whose images are read from files of their own.

    Returns:
        Names of the image in the earlier split and of the one in the later split, in the order of the splits.
    """
    digests = np.load(archive.directory / SOURCES, allow_pickle=False)
    first: dict[bytes, tuple[str, int]] = {}
    pairs = []
    for split in SPLITS:
        for i in archive.indices(split).tolist():
            other, at = first.setdefault(digests[i].tobytes(), (split, i))
            if other != split:
                pairs.append((archive.names[at], archive.names[i]))
    return pairs


def copies_with_other_labels(archive: Archive) -> list[tuple[str, str]]:
    """Return the images whose files have the content of those of another image, and which have other labels than it.

    Args:
        archive: An archive of whole images that are read from files of their own, without label maps.

    Returns:
        Names of the first image with the content, and of each with other labels.
    """
    digests = np.load(archive.directory / SOURCES, allow_pickle=False)
    first: dict[bytes, int] = {}
    pairs = []
    for i, digest in enumerate(digests):
        at = first.setdefault(digest.tobytes(), i)
        if (archive.scene_labels[at] != archive.scene_labels[i]).any():
            pairs.append((archive.names[at], archive.names[i]))
    return pairs


def refuse_changed_sources(plan: Plan, archive: Archive, progress: Progress, again: str) -> None:
    """Compare the files of a plan with those that an archive of the same plan was packed from.

    Args:
        plan: The plan.
        archive: The archive.
        progress: Progress callback, used if contents have to be compared.
        again: Command that packs the archive again, for the message.

    Raises:
        InputError: A file has another content than it had.
    """
    if not any(unit.files for unit in plan.units[:1]):
        return
    known = archive.report.get("sources", {})
    if known.get("state") == state_of(plan.units).digest:
        return
    row_of = {name: row for row, name in enumerate(archive.names)}
    packed = np.load(archive.directory / SOURCES, mmap_mode="r", allow_pickle=False)
    present = np.array([name in row_of for name in plan.names])
    changed = []
    for done, unit in enumerate(plan.units):
        row = next((row_of[plan.names[p]] for p in unit.positions if present[p]), None)
        if row is not None and bytes(packed[row]) != _content(unit):
            changed.append(plan.names[unit.positions[0]])
        progress(done + 1, len(plan.units), "comparing the files with those that were packed")
    left_out = known.get("left_out") != left_out_digest(plan.units, present)
    if changed or left_out:
        what = "files that could not be read then" if not changed else f"those of {', '.join(changed[:3])}"
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise InputError(
            f"The files have changed since {archive.name!r} was packed in {archive.directory}: {what}{more}. "
            f"Take another --name, or pack them anew: {again}"
        )


def _content(unit: Unit) -> bytes:
    try:
        return digest_of(unit.files)
    except Unreadable as error:
        return hashlib.sha256(error.reason.encode()).digest()
