"""Making, reading and validation of the index of a packed archive: file hashes, band statistics, fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.core.files import LARGEST_TABLE
from gridbench.core.json_files import read_json
from gridbench.datasets.archive.arrayfile import file_sha256
from gridbench.datasets.archive.layout import IGNORE, SPLITS, Layout
from gridbench.datasets.archive.statistics import band_statistics
from gridbench.errors import InputError

__all__ = [
    "CLEAN_LABEL_MAPS",
    "CLEAN_SCENE_LABELS",
    "GEOREFERENCES",
    "GROUPS",
    "INDEX",
    "LABEL_MAPS",
    "NAMES",
    "SCENE_LABELS",
    "SCHEMA",
    "SOURCES",
    "SPLIT",
    "check_arrays",
    "content_fingerprint",
    "damaged_archive",
    "group_file",
    "make_index",
    "read_index",
]

INDEX = "index.json"
SCHEMA = 1
SCENE_LABELS = "scene_labels.npy"
CLEAN_SCENE_LABELS = "clean_scene_labels.npy"
LABEL_MAPS = "label_maps.npy"
CLEAN_LABEL_MAPS = "clean_label_maps.npy"
SPLIT = "split.npy"
NAMES = "names.txt"
GROUPS = "sample_groups.json"
SOURCES = "sources.npy"
"""(N, 32) uint8, sha256 over each sample's source files; not part of the fingerprint."""

GEOREFERENCES = "georeferences.json"
"""Georeference of each sample; not part of the fingerprint, since nothing learns from it."""

_BESIDE = (SOURCES, GEOREFERENCES)
_DTYPES = ("uint8", "uint16")


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
        layout: Layout of the samples.
        files: Names of all files.
        count: Number of images N.
        train: (n,) rows of the train split, at least one.
        facts: Further entries of the index: name, kind, plan, report.
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


def read_index(path: Path) -> dict[str, Any]:
    """Read an index, and check its form, its checksum and its fingerprint.

    Raises:
        ValueError: With the reason.
        OSError: It cannot be read.
    """
    index = read_json(path, LARGEST_TABLE)
    if not isinstance(index, dict) or "schema" not in index:
        raise ValueError(f"{path} is not an archive's index")
    if index["schema"] != SCHEMA:
        raise ValueError(
            f"it has schema {index['schema']!r}, and this version of gridbench reads schema {SCHEMA}"
        )
    if index.get("checksum") != index_checksum(index):
        raise ValueError(f"{path} has changed since it was packed")
    try:
        wrong = _wrong_field(index)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        raise ValueError(f"{path} is not an archive's index ({wrong})")
    return index


def _wrong_field(index: Mapping[str, Any]) -> str:
    """Return the name of an invalid field of an index; empty if there is none."""
    classes, groups, files = index["class_names"], index["groups"], index["files"]
    bands = sum(len(group["bands"]) for group in groups)
    plain = [isinstance(file, str) and file == Path(file).name and file not in ("", "..") for file in files]
    numbers = [*index["mean"], *index["std"]]
    checks = {
        "name": all(isinstance(index[key], str) for key in ("name", "kind", "plan", "fingerprint")),
        "report": isinstance(index["report"], dict),
        "class_names": 0 < len(set(classes)) == len(classes) < IGNORE
        and all(isinstance(name, str) for name in classes),
        "files": all(plain)
        and all(
            isinstance(facts["bytes"], int) and isinstance(facts["sha256"], str) for facts in files.values()
        ),
        "groups": bands > 0
        and all(
            group["file"] in files
            and group["dtype"] in _DTYPES
            and group["height"] > 0
            and group["width"] > 0
            and all(isinstance(word, str) for word in (group["name"], *group["bands"]))
            for group in groups
        ),
        "mean": len(index["mean"]) == len(index["std"]) == bands and bool(np.isfinite(numbers).all()),
    }
    wrong = next((name for name, right in checks.items() if not right), "")
    if not wrong and index["fingerprint"] != content_fingerprint(index):
        return "its fingerprint is not that of its content"
    return wrong


def check_arrays(index: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Check that every array of an archive has a row per image, the right type, and valid labels and splits.

    Args:
        index: What `read_index` returned.
        arrays: File -> array.

    Raises:
        ValueError: An array is invalid, or a required one is missing.
    """
    missing = {SCENE_LABELS, SPLIT} - arrays.keys()
    if missing:
        raise ValueError(f"its index lists no {min(missing)}")
    count, flags = len(arrays[SPLIT]), (len(arrays[SPLIT]), len(index["class_names"]))
    expected: dict[str, tuple[str, tuple[int, ...]]] = {
        group["file"]: (group["dtype"], (count, len(group["bands"]), group["height"], group["width"]))
        for group in index["groups"]
    }
    expected |= {SPLIT: ("uint8", (count,)), SOURCES: ("uint8", (count, 32))}
    expected |= {SCENE_LABELS: ("uint8", flags), CLEAN_SCENE_LABELS: ("uint8", flags)}
    for file, array in arrays.items():
        # Maps have a size of their own, one for all of them.
        size = array.shape[1:] if array.ndim == 3 else (1, 1)
        dtype, shape = expected.get(file, ("uint8", (count, *size)))
        if array.shape != shape or array.dtype != np.dtype(dtype):
            raise ValueError(f"{file} is {array.dtype.name} of {array.shape} instead of {dtype} of {shape}")
    for file, most in ((SCENE_LABELS, 1), (CLEAN_SCENE_LABELS, 1), (SPLIT, len(SPLITS) - 1)):
        if file in arrays and int(arrays[file].max(initial=0)) > most:
            raise ValueError(f"{file} holds numbers above {most}")
    if not bool((arrays[SPLIT] == 0).any()):
        raise ValueError("it has no training image")


def content_fingerprint(index: Mapping[str, Any]) -> str:
    """Hash the content of an archive: the hashes of its files, its bands and its class names."""
    content = {
        "schema": index["schema"],
        "class_names": index["class_names"],
        "groups": index["groups"],
        "files": {file: facts["sha256"] for file, facts in index["files"].items() if file not in _BESIDE},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def index_checksum(index: Mapping[str, Any]) -> str:
    """Hash an index without its own checksum."""
    rest = {key: value for key, value in index.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def damaged_archive(directory: Path, what: str) -> InputError:
    """Return the error for an archive that cannot be used.

    Args:
        directory: Folder of the archive.
        what: What is wrong with it.
    """
    return InputError(
        f"The packed archive {directory} cannot be used: {what}. Delete that folder and build it again: "
        f"gridbench data prepare --help"
    )
