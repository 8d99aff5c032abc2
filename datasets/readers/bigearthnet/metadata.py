"""Reads the metadata of BigEarthNet version 2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gridbench.datasets.readers.bigearthnet.classes import UnknownLabel, multi_hot
from gridbench.datasets.readers.splitting import read_split
from gridbench.errors import InputError, reason_of

__all__ = ["Metadata", "PatchRow", "read_metadata"]


@dataclass(frozen=True, slots=True)
class PatchRow:
    """Metadata of one patch.

    Attributes:
        patch: Name in version 2.
        v1_name: Name in version 1, or None when the file does not tell.
        labels: 19 bytes, 0 or 1 for each class.
        split: Split of version 2, or None.
    """

    patch: str
    v1_name: str | None
    labels: bytes
    split: str | None


@dataclass(frozen=True)
class Metadata:
    """The rows of the metadata.

    Attributes:
        rows: Name in version 2 -> row.
        by_v1_name: Name in version 1 -> row; empty when the file does not tell. Versions are joined by it alone:
            names of version 1 have no tile, and times differ for one patch in five.
    """

    rows: dict[str, PatchRow]
    by_v1_name: dict[str, PatchRow]


def read_metadata(path: Path) -> Metadata:
    """Read `metadata.parquet`, or a copy with fewer columns; `patch_id` and `labels` are needed.

    Raises:
        InputError: It is no such file, a label is unknown, or a name is there twice.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"The metadata {path} cannot be read: {reason_of(error, path)}.") from error
    columns = set(table.column_names)
    missing = {"patch_id", "labels"} - columns
    if missing:
        raise InputError(f"The metadata {path} have no column {' and '.join(sorted(missing))}.")
    patches = table["patch_id"].to_pylist()
    labels = table["labels"].to_pylist()
    splits = table["split"].to_pylist() if "split" in columns else [None] * len(patches)
    v1_names = table["s2v1_name"].to_pylist() if "s2v1_name" in columns else [None] * len(patches)
    rows: dict[str, PatchRow] = {}
    by_v1_name: dict[str, PatchRow] = {}
    for number, (patch, names, split, v1_name) in enumerate(
        zip(patches, labels, splits, v1_names, strict=True)
    ):
        for column, cell in (("patch_id", patch), ("labels", names)):
            if cell is None or (column == "labels" and None in cell):
                raise InputError(
                    f"The metadata {path}, row {number + 1} ({patch}): the column {column} is empty."
                )
        if patch in rows or (v1_name is not None and v1_name in by_v1_name):
            raise InputError(f"The metadata {path} hold {patch} twice.")
        try:
            hot = multi_hot(names).tobytes()
        except UnknownLabel as error:
            raise InputError(f"The metadata {path}, patch {patch}: {error}.") from error
        try:
            row = PatchRow(patch, v1_name, hot, None if split is None else read_split(split))
        except InputError as error:
            raise InputError(f"The metadata {path}, patch {patch}: {error}") from error
        rows[patch] = row
        if v1_name is not None:
            by_v1_name[v1_name] = row
    return Metadata(rows, by_v1_name)
