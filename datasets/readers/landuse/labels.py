"""Reads the multi-label files of UC Merced and DLRSD (txt, xlsx, csv, mat) and reports where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.landuse.classes import CLASS_NAMES, canonical_names, class_of, parse_name
from gridbench.datasets.readers.tables.rows import read_raw_table, read_rows
from gridbench.errors import InputError, reason_of

__all__ = ["LabelSource", "disagreements", "find_label_sources", "read_label_source"]

_TABLES = {".txt", ".tsv", ".csv", ".xlsx"}


@dataclass(frozen=True)
class LabelSource:
    """One file of multi-labels.

    Attributes:
        path: The file.
        labels: Name of an image -> its (17,) labels.
    """

    path: Path
    labels: dict[str, NDArray[np.uint8]]


def find_label_sources(
    roots: Sequence[Path], images: Sequence[str], preference: Sequence[str]
) -> tuple[list[LabelSource], list[str]]:
    """Find every file of multi-labels below some folders.

    Args:
        roots: Folders to look in.
        images: Names of the images, sorted; a `.mat` that has as many columns belongs to them.
        preference: Suffixes of file names, the most trusted first, such as `("multi-labels.xlsx", ".txt")`.

    Returns:
        The sources, the most trusted first, and sentences on files that could not be used.
    """
    found: list[LabelSource] = []
    matrices: list[Path] = []
    notes: list[str] = []
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.name.startswith((".", "~")) or not path.is_file():
                continue
            if path.suffix.lower() == ".mat":
                matrices.append(path)
            elif path.suffix.lower() in _TABLES and _is_label_file(path):
                found.append(read_label_source(path, []))
    for path in matrices:
        order = next((list(s.labels) for s in found if s.path.parent == path.parent), None)
        try:
            found.append(_read_mat(path, order, images))
        except InputError as error:
            notes.append(str(error))

    def rank(source: LabelSource) -> tuple[int, int, str]:
        name = source.path.name.lower()
        place = next((i for i, end in enumerate(preference) if name.endswith(end)), len(preference))
        return place, len(name), str(source.path)

    return sorted(found, key=rank), notes


def read_label_source(path: Path, images: Sequence[str]) -> LabelSource:
    """Read one file of multi-labels.

    Args:
        path: A `.txt`, `.tsv`, `.csv`, `.xlsx` or `.mat` file.
        images: Names of the images, sorted, for a `.mat`, which has no names.

    Raises:
        InputError: It is not such a file, lacks a class, or holds something but 0 and 1.
    """
    if path.suffix.lower() == ".mat":
        return _read_mat(path, None, images)
    table = read_raw_table(path)
    place = {class_of(cell): column for column, cell in enumerate(table.header) if class_of(cell) is not None}
    missing = [name for index, name in enumerate(CLASS_NAMES) if index not in place]
    if missing:
        raise InputError(f"{path} has no column for {', '.join(missing)}.")
    labels: dict[str, NDArray[np.uint8]] = {}
    for row in table.rows:
        name = PurePosixPath(row[0].strip().replace("\\", "/")).name.split(".")[0].lower()
        if parse_name(name) is None:
            raise InputError(f"{path}: {row[0]!r} is not an image of UC Merced.")
        if name in labels:
            raise InputError(f"{path} names {name} twice.")
        labels[name] = _zeros_and_ones(path, name, [row[place[i]] for i in range(len(CLASS_NAMES))])
    return LabelSource(path, labels)


def disagreements(chosen: LabelSource, other: LabelSource) -> list[dict[str, Any]]:
    """List every label in which another file differs from the chosen one, for the images that both know."""
    differences = []
    for name in sorted(set(chosen.labels) & set(other.labels)):
        for index in np.flatnonzero(chosen.labels[name] != other.labels[name]).tolist():
            differences.append(
                {
                    "image": name,
                    "class": CLASS_NAMES[index],
                    "chosen": int(chosen.labels[name][index]),
                    "other": int(other.labels[name][index]),
                }
            )
    return differences


def _is_label_file(path: Path) -> bool:
    try:
        rows = read_rows(path)
    except InputError:
        return False
    return bool(rows) and len({class_of(cell) for cell in rows[0]} - {None}) > len(CLASS_NAMES) // 2


def _zeros_and_ones(path: Path, name: str, cells: Sequence[str]) -> NDArray[np.uint8]:
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
    try:
        return np.array([known[cell.strip()] for cell in cells], dtype=np.uint8)
    except KeyError as error:
        raise InputError(f"{path}: a label of {name} is {error}, not 0 or 1.") from error


def _read_mat(path: Path, order: list[str] | None, images: Sequence[str]) -> LabelSource:
    import scipy.io

    try:
        content = scipy.io.loadmat(path)
    except (ValueError, OSError, RuntimeError, TypeError) as error:
        # scipy raises a RuntimeError for MATLAB 7.3 files, which are HDF5.
        raise InputError(f"{path} cannot be read as a MATLAB file: {reason_of(error, path)}.") from error
    classes = len(CLASS_NAMES)
    matrices = [
        value
        for key, value in content.items()
        if not key.startswith("__") and getattr(value, "ndim", 0) == 2 and classes in value.shape
    ]
    if len(matrices) != 1:
        raise InputError(f"{path} holds no matrix of {classes} classes.")
    matrix = matrices[0] if matrices[0].shape[0] == classes else matrices[0].T
    if not np.isin(matrix, (0, 1)).all():
        raise InputError(f"{path} holds labels other than 0 and 1.")
    count = matrix.shape[1]
    # The file has no names: its columns are in the order of the table beside it.
    candidates = [order or [], canonical_names(), list(images)]
    names = next((names for names in candidates if len(names) == count), None)
    if names is None:
        raise InputError(
            f"{path} has {count} columns and no names, and no table or set of images has as many."
        )
    return LabelSource(path, {name: matrix[:, i].astype(np.uint8) for i, name in enumerate(names)})
