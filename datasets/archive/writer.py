"""Writing of archives: rows are written to their final position in any order, and writing can be resumed."""

from __future__ import annotations

import functools
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.core.files import write_bytes
from gridbench.datasets.archive.arrayfile import RowFile, fsync_directory, write_array
from gridbench.datasets.archive.building import SOURCE, build_once
from gridbench.datasets.archive.indexing import (
    CLEAN_LABEL_MAPS,
    CLEAN_SCENE_LABELS,
    GEOREFERENCES,
    GROUPS,
    INDEX,
    LABEL_MAPS,
    NAMES,
    SCENE_LABELS,
    SOURCES,
    SPLIT,
    group_file,
    make_index,
)
from gridbench.datasets.archive.layout import IGNORE, SPLITS, Georeference, Layout, Sample
from gridbench.datasets.archive.packing_plan import check_plan, packed_order, plan_digest
from gridbench.datasets.progress import Progress, silent
from gridbench.errors import InputError

__all__ = ["ArchiveWriter", "build_once", "discard"]

Check = Callable[[NDArray[Any]], NDArray[np.uint8]]

_JOURNAL = "journal.npy"
_PLAN = "plan.json"
# Flushing takes time, so it is done every few seconds; a kill loses at most what was packed since.
_COMMIT_SECONDS = 5.0
_TODO, _WRITTEN, _LEFT_OUT = 0, 1, 2


def discard(folder: Path) -> None:
    """Remove what an earlier attempt left; first the plan, so that a half-removed attempt is never continued."""
    (folder / _PLAN).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


class ArchiveWriter:
    """Fills the folder of an archive being built; what an earlier attempt with the same plan wrote is kept.

    Args:
        folder: Where the files go.
        layout: Layout of the samples.
        names: Unique name of each sample, in the reader's order.
        split: Split of each sample, one of train, val, test.
        settings: JSON values of whatever else decides the content; an attempt with other settings starts afresh.
        groups: Group of each sample, or None.
        georeferences: Georeference of each sample, None for a sample without; or None if no sample has one. They
            belong to neither the plan nor the fingerprint.

    Attributes:
        plan: sha256 in hex over everything that was decided before a pixel was read.
    """

    def __init__(
        self,
        folder: Path,
        layout: Layout,
        names: Sequence[str],
        split: Sequence[str],
        settings: Mapping[str, Any] | None = None,
        groups: Sequence[str] | None = None,
        georeferences: Sequence[Georeference | None] | None = None,
    ) -> None:
        check_plan(layout, names, split)
        self.folder = folder
        self.layout = layout
        order = packed_order(names)
        self._names: list[str] = [names[i] for i in order]
        self._sample_groups = None if groups is None else [groups[i] for i in order]
        self._georeferences = None if georeferences is None else [georeferences[i] for i in order]
        self._split = np.array([SPLITS.index(split[i]) for i in order], dtype=np.uint8)
        self._place = np.empty(len(order), dtype=np.int64)
        self._place[order] = np.arange(len(order))
        self.plan = plan_digest(layout, names, split, settings or {})
        self._source = SOURCE.get()
        self._begin()
        rows, classes = len(names), len(layout.class_names)

        def rows_of(file: str, shape: tuple[int, ...], dtype: str = "uint8") -> RowFile:
            return RowFile(folder / file, rows, shape, dtype)

        self._groups = [
            rows_of(group_file(g.name), (len(g.bands), g.height, g.width), g.dtype) for g in layout.groups
        ]
        self._labels = rows_of(SCENE_LABELS, (classes,))
        self._maps = rows_of(LABEL_MAPS, layout.map_size) if layout.map_size else None
        self._clean = rows_of(CLEAN_SCENE_LABELS, (classes,)) if layout.clean_labels else None
        self._clean_maps = (
            rows_of(CLEAN_LABEL_MAPS, layout.map_size) if layout.map_size and layout.clean_maps else None
        )
        self._sources = rows_of(SOURCES, (32,)) if layout.sources else None
        self._journal = rows_of(_JOURNAL, ())
        if not (folder / _PLAN).exists():
            # Written last, so that packing never continues with files whose beginning a full disk or a kill prevented.
            write_bytes(folder / _PLAN, self._attempt())
        self._state = np.array(np.load(folder / _JOURNAL, allow_pickle=False))
        self._pending: list[int] = []
        self._committed = time.monotonic()

    @property
    def done(self) -> NDArray[np.bool_]:
        """Which samples have been written or finally left out, in the reader's order."""
        return np.asarray(self._state[self._place] != _TODO)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which samples have been written, in the reader's order."""
        return np.asarray(self._state[self._place] == _WRITTEN)

    @property
    def written(self) -> int:
        """Number of samples that have been written."""
        return int((self._state == _WRITTEN).sum())

    def write(self, position: int, sample: Sample) -> None:
        """Store a sample.

        Args:
            position: Its position in the names that the writer was given.
            sample: Arrays of the layout's shapes; integers that fit the stored types.

        Raises:
            InputError: The sample does not fit the layout; nothing of it counts as written.
        """
        row = int(self._place[position])
        try:
            self._write(row, sample)
        except ValueError as error:
            raise InputError(f"The sample {self._names[row]!r} cannot be packed: {error}.") from error
        self._note(row, _WRITTEN)

    def leave_out(self, position: int) -> None:
        """Mark a sample as left out of the archive."""
        self._note(int(self._place[position]), _LEFT_OUT)

    def name_of(self, position: int) -> str:
        """Return the name of a sample."""
        return self._names[int(self._place[position])]

    @property
    def commit_is_due(self) -> bool:
        """Whether the last commit is more than some seconds ago."""
        return time.monotonic() - self._committed > _COMMIT_SECONDS

    def commit(self) -> None:
        """Flush the rows written so far to the disk, then mark them as done."""
        for file in self._files():
            file.sync()
        for row in self._pending:
            self._journal.write(row, self._state[row : row + 1].reshape(()))
        self._journal.sync()
        self._pending.clear()
        self._committed = time.monotonic()

    def finish(self, name: str, kind: str, report: Mapping[str, Any], progress: Progress = silent) -> None:
        """Complete the archive with the rows that were written, leaving out the others.

        Args:
            name: Name of the data set.
            kind: Which reader built it.
            report: Findings of the reader, as JSON values.
            progress: Progress callback.

        Raises:
            InputError: No sample of the train split was written.
        """
        self.commit()
        kept = np.flatnonzero(self._state == _WRITTEN).astype(np.int64)
        split = self._split[kept]
        train = np.flatnonzero(split == 0).astype(np.int64)
        if len(train) == 0:
            raise InputError(
                f"The archive {name!r} would have no training sample: {len(kept)} of {len(self._state)} samples "
                "could be read, and none of them is in the train split."
            )
        self._journal.close()
        (self.folder / _PLAN).unlink()
        (self.folder / _JOURNAL).unlink()
        for file in self._files():
            if len(kept) < file.rows:
                progress(0, 0, f"closing gaps in {file.path.name}")
                file.keep(kept)
                file.sync()
            file.close()
        write_array(self.folder / SPLIT, split)
        names = "".join(f"{self._names[i]}\n" for i in kept)
        write_bytes(self.folder / NAMES, names.encode("utf-8"))
        files = [*(file.path.name for file in self._files()), SPLIT, NAMES]
        optional: dict[str, Sequence[Any] | None] = {
            GROUPS: self._sample_groups,
            GEOREFERENCES: self._georeferences,
        }
        for file_name, values in optional.items():
            if values is not None:
                text = json.dumps([values[i] for i in kept.tolist()], ensure_ascii=False)
                write_bytes(self.folder / file_name, text.encode("utf-8"))
                files.append(file_name)
        progress(0, 0, "computing statistics and hashes")
        facts = {"name": name, "kind": kind, "plan": self.plan, "report": dict(report)}
        facts |= {"source": self._source} if self._source else {}
        index = make_index(self.folder, self.layout, files, len(kept), train, facts)
        write_bytes(self.folder / INDEX, json.dumps(index, indent=1, sort_keys=True).encode("utf-8"))
        fsync_directory(self.folder)

    def close(self, commit: bool = True) -> None:
        """Close the files, so that another attempt can continue after the last commit.

        Args:
            commit: Whether to commit first.
        """
        if commit:
            self.commit()
        for file in [*self._files(), self._journal]:
            file.close()

    def _note(self, row: int, state: int) -> None:
        self._state[row] = state
        self._pending.append(row)

    def _begin(self) -> None:
        """Make the folder, or keep that of an earlier attempt with the same plan."""
        path = self.folder / _PLAN
        if not (path.is_file() and path.read_bytes() == self._attempt()):
            discard(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def _attempt(self) -> bytes:
        """Return what must be equal for an attempt to continue an earlier one."""
        return f"{self.plan}{self._source or ''}".encode()

    def _files(self) -> list[RowFile]:
        optional = (self._maps, self._clean, self._clean_maps, self._sources)
        return [*self._groups, self._labels, *(file for file in optional if file is not None)]

    def _write(self, row: int, sample: Sample) -> None:
        if len(sample.images) != len(self._groups):
            raise ValueError(f"it has {len(sample.images)} resolution groups instead of {len(self._groups)}")
        for file, images in zip(self._groups, sample.images, strict=True):
            if images.dtype.kind not in "ui":
                raise ValueError(f"its images are {images.dtype.name}, and archives hold whole numbers")
            file.write(row, images)
        self._labels.write(row, _binary(sample.scene_labels))
        classes = functools.partial(_classes, count=len(self.layout.class_names))
        optional: tuple[tuple[str, RowFile | None, NDArray[Any] | None, Check], ...] = (
            ("label map", self._maps, sample.label_map, classes),
            ("clean labels", self._clean, sample.clean_scene_labels, _binary),
            ("clean label map", self._clean_maps, sample.clean_label_map, classes),
        )
        for what, target, values, checked in optional:
            if (target is None) != (values is None):
                raise ValueError(f"{what} missing or not expected")
            if target is not None and values is not None:
                target.write(row, checked(values))
        if self._sources is not None:
            self._sources.write(row, np.frombuffer(sample.source, dtype=np.uint8))


def _binary(labels: NDArray[np.generic]) -> NDArray[np.uint8]:
    stored = labels.astype(np.uint8)
    if not np.array_equal(stored, labels) or stored.max(initial=0) > 1:
        raise ValueError("scene labels other than 0 and 1")
    return stored


def _classes(label_map: NDArray[np.generic], count: int) -> NDArray[np.uint8]:
    stored = label_map.astype(np.uint8)
    if not np.array_equal(stored, label_map) or ((stored >= count) & (stored != IGNORE)).any():
        raise ValueError(f"a label map with values other than 0 to {count - 1} and {IGNORE}")
    return stored
