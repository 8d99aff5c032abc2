"""Puts together the index of a packed archive: hashes of its files, band statistics, fingerprint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.archive import SCHEMA, content_fingerprint, index_checksum
from gridbench.datasets.archive.arrayfile import file_sha256
from gridbench.datasets.archive.layout import Layout
from gridbench.datasets.archive.statistics import band_statistics

__all__ = ["group_file", "make_index"]


def group_file(name: str) -> str:
    """Return the file name of a resolution group's pixels."""
    return f"images_{name}.npy"


def make_index(
    folder: Path,
    layout: Layout,
    files: Sequence[str],
    count: int,
    train: NDArray[np.int64],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Read every file of a complete archive once and describe it.

    Args:
        folder: Where the files are.
        layout: What every sample looks like.
        files: Names of all files.
        count: Number of images N.
        train: (n,) rows of the train split, at least one.
        facts: What else belongs into the index: name, kind, plan, report.
    """
    mean: list[float] = []
    std: list[float] = []
    groups = []
    for group in layout.groups:
        file = group_file(group.name)
        shape = (count, len(group.bands), group.height, group.width)
        group_mean, group_std = band_statistics(folder / file, shape, group.dtype, train)
        mean += group_mean.tolist()
        std += group_std.tolist()
        groups.append({**dataclasses.asdict(group), "file": file, "bands": list(group.bands)})
    hashes = {
        file: {"bytes": (folder / file).stat().st_size, "sha256": file_sha256(folder / file)}
        for file in files
    }
    index: dict[str, Any] = {
        "schema": SCHEMA,
        "class_names": list(layout.class_names),
        "groups": groups,
        "files": hashes,
        "mean": mean,
        "std": std,
        **facts,
    }
    index["fingerprint"] = content_fingerprint(index)
    index["checksum"] = index_checksum(index)
    return index
