"""Writes archives: each row goes to its packed place, and the folder gets its name only when complete."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from gridbench.datasets.archive import INDEX, SCHEMA, Archive, content_fingerprint, index_checksum
from gridbench.datasets.arrayfile import RowFile, file_sha256, fsync_directory, write_array, write_atomically
from gridbench.datasets.dataset import Progress, silent
from gridbench.datasets.layout import IGNORE, SPLITS, Layout, Sample
from gridbench.datasets.statistics import band_statistics
from gridbench.errors import InputError

__all__ = ["ArchiveWriter", "build_once", "packed_order"]

_JOURNAL = "journal.npy"
_PLAN = "plan.json"
_COMMIT_SECONDS = 5.0


def packed_order(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the order in which samples are packed: shuffled, and a function of the names alone.

    Any subset keeps its relative order, so a sample that could not be read does not move the others.
    """
    keys = [hashlib.sha256(f"gridbench packing/{name}".encode()).digest() for name in names]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


class ArchiveWriter:
    """Fills the folder of an archive being built; rows may come in any order and over several attempts.

    Args:
        folder: Where the files go; what an earlier attempt with the same plan wrote there is kept.
        layout: What every sample looks like.
        names: Name of each sample, no two alike, in the reader's order.
        split: Split of each sample, one of train, val, test.
    """

    def __init__(self, folder: Path, layout: Layout, names: Sequence[str], split: Sequence[str]) -> None:
        _check(layout, names, split)
        self.folder = folder
        self.layout = layout
        order = packed_order(names)
        self._names = [names[i] for i in order]
        self._split = np.array([SPLITS.index(split[i]) for i in order], dtype=np.uint8)
        self._place = np.empty(len(order), dtype=np.int64)
        self._place[order] = np.arange(len(order))
        self._begin()
        rows, classes = len(names), len(layout.class_names)
        self._groups = [
            RowFile(folder / f"images_{g.name}.npy", rows, (len(g.bands), g.height, g.width), g.dtype)
            for g in layout.groups
        ]
        self._labels = RowFile(folder / "scene_labels.npy", rows, (classes,), "uint8")
        self._maps = layout.map_size and RowFile(folder / "label_maps.npy", rows, layout.map_size, "uint8")
        self._clean = (
            RowFile(folder / "clean_scene_labels.npy", rows, (classes,), "uint8")
            if layout.clean_labels
            else None
        )
        self._journal = RowFile(folder / _JOURNAL, rows, (), "uint8")
        self.done = np.load(folder / _JOURNAL, allow_pickle=False)[self._place].astype(bool)
        self._pending: list[int] = []
        self._committed = time.monotonic()

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
        self._pending.append(row)
        self.done[position] = True
        if time.monotonic() - self._committed > _COMMIT_SECONDS:
            self.commit()

    def commit(self) -> None:
        """Force the rows written so far onto the disk, then note them as done."""
        for file in self._files():
            file.sync()
        one = np.ones((), dtype=np.uint8)
        for row in self._pending:
            self._journal.write(row, one)
        self._journal.sync()
        self._pending.clear()
        self._committed = time.monotonic()

    def finish(self, name: str, kind: str, report: Mapping[str, Any], progress: Progress = silent) -> None:
        """Complete the archive with the rows that were written, leaving out the others.

        Args:
            name: Name of the data set.
            kind: Which reader built it.
            report: What the reader found out, as JSON values.
            progress: Told what is being done.

        Raises:
            InputError: No row was written, or the train split is empty.
        """
        self.commit()
        kept = np.flatnonzero(self.done[np.argsort(self._place)]).astype(np.int64)
        split = self._split[kept]
        if not (split == 0).any():
            raise InputError(
                f"The archive {name!r} would have no training sample: {len(kept)} samples could be read."
            )
        self._journal.close()
        (self.folder / _JOURNAL).unlink()
        (self.folder / _PLAN).unlink()
        for file in self._files():
            if len(kept) < file.rows:
                progress(0, 0, f"closing gaps in {file.path.name}")
                file.keep(kept)
            file.sync()
            file.close()
        write_array(self.folder / "split.npy", split)
        names = "".join(f"{self._names[i]}\n" for i in kept)
        write_atomically(self.folder / "names.txt", names.encode("utf-8"))
        index = self._index(name, kind, report, np.flatnonzero(split == 0).astype(np.int64), progress)
        write_atomically(self.folder / INDEX, json.dumps(index, indent=1, sort_keys=True).encode("utf-8"))
        fsync_directory(self.folder)

    def close(self) -> None:
        """Note what was written as done and close the files, so that another attempt can go on."""
        self.commit()
        for file in [*self._files(), self._journal]:
            file.close()

    def _begin(self) -> None:
        plan = {
            "schema": SCHEMA,
            "layout": dataclasses.asdict(self.layout),
            "names": hashlib.sha256("\n".join(self._names).encode()).hexdigest(),
        }
        text = json.dumps(plan, sort_keys=True).encode()
        path = self.folder / _PLAN
        if self.folder.exists() and not (path.is_file() and path.read_bytes() == text):
            shutil.rmtree(self.folder)
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            write_atomically(path, text)

    def _files(self) -> list[RowFile]:
        return [
            *self._groups,
            self._labels,
            *(file for file in (self._maps, self._clean) if file is not None),
        ]

    def _write(self, row: int, sample: Sample) -> None:
        if len(sample.images) != len(self._groups):
            raise ValueError(f"it has {len(sample.images)} resolution groups instead of {len(self._groups)}")
        for file, images in zip(self._groups, sample.images, strict=True):
            if images.dtype.kind not in "ui":
                raise ValueError(f"its images are {images.dtype.name}, and archives hold whole numbers")
            file.write(row, images)
        self._labels.write(row, _binary(sample.scene_labels))
        if (self._maps is None) != (sample.label_map is None):
            raise ValueError("a label map is missing or was not expected")
        if self._maps is not None and sample.label_map is not None:
            self._maps.write(row, _classes(sample.label_map, len(self.layout.class_names)))
        if (self._clean is None) != (sample.clean_scene_labels is None):
            raise ValueError("its clean labels are missing or were not expected")
        if self._clean is not None and sample.clean_scene_labels is not None:
            self._clean.write(row, _binary(sample.clean_scene_labels))

    def _index(
        self, name: str, kind: str, report: Mapping[str, Any], train: NDArray[np.int64], progress: Progress
    ) -> dict[str, Any]:
        progress(0, 0, "band statistics")
        mean: list[float] = []
        std: list[float] = []
        groups = []
        for group, file in zip(self.layout.groups, self._groups, strict=True):
            pixels = np.load(file.path, mmap_mode="r", allow_pickle=False)
            group_mean, group_std = band_statistics(pixels, train)
            mean += group_mean.tolist()
            std += group_std.tolist()
            groups.append({**dataclasses.asdict(group), "file": file.path.name, "bands": list(group.bands)})
        files = {}
        for path in [*(f.path for f in self._files()), self.folder / "split.npy", self.folder / "names.txt"]:
            progress(0, 0, f"hashing {path.name}")
            files[path.name] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        index: dict[str, Any] = {
            "schema": SCHEMA,
            "name": name,
            "kind": kind,
            "class_names": list(self.layout.class_names),
            "groups": groups,
            "files": files,
            "mean": mean,
            "std": std,
            "report": dict(report),
        }
        index["fingerprint"] = content_fingerprint(index)
        index["checksum"] = index_checksum(index)
        return index


def build_once(directory: Path, build: Callable[[Path], None], *, force: bool = False) -> Archive:
    """Open an archive, building it first when it is not there; processes that ask at once build it once.

    Args:
        directory: Where the archive belongs.
        build: Fills the folder that it is given completely, or raises; what it leaves there is offered again
            to the next attempt.
        force: Whether to build anew and replace what is there.
    """
    if (directory / INDEX).is_file() and not force:
        return Archive.open(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory.with_name(f".{directory.name}.lock"))
    with lock:
        if (directory / INDEX).is_file() and not force:
            return Archive.open(directory)
        partial = directory.with_name(f".{directory.name}.partial")
        build(partial)
        if directory.exists():
            shutil.rmtree(directory)
        partial.replace(directory)
        fsync_directory(directory.parent)
    return Archive.open(directory)


def _check(layout: Layout, names: Sequence[str], split: Sequence[str]) -> None:
    if not names:
        raise InputError("There is nothing to pack: no sample was found.")
    if len(names) != len(split):
        raise ValueError(f"{len(names)} names and {len(split)} splits")
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})[:3] if len(names) < 10**5 else []
        raise InputError(
            f"Some samples have the same name: {', '.join(twice) or 'there are too many to list'}."
        )
    broken = [name for name in names if "\n" in name or "\r" in name or not name]
    if broken:
        raise InputError(f"A sample's name cannot be empty or hold a line break: {broken[0]!r}.")
    if len(set(layout.class_names)) != len(layout.class_names) or not 0 < len(layout.class_names) < IGNORE:
        raise InputError(
            f"Class names must be distinct, from 1 to {IGNORE - 1}: {', '.join(layout.class_names)}."
        )
    for group in layout.groups:
        if group.dtype not in ("uint8", "uint16"):
            raise InputError(
                f"The images are {group.dtype}; archives hold uint8 or uint16. Convert them to these first."
            )


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
