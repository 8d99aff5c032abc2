"""Run records: one folder per run, valid only if the final `done` file confirms the hashes of all other files.

This module reads and writes records without torch, which keeps listing and tabulating fast.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gridbench.core.files import LARGEST_FILE, file_hash, read_bytes, write_arrays
from gridbench.core.identity import check_identity
from gridbench.core.json_files import LARGEST_JSON, parse_json, read_json, write_json
from gridbench.core.machine import NOT_RECORDED, machine_label
from gridbench.core.zip_files import read_arrays
from gridbench.errors import reason_of

__all__ = [
    "DONE",
    "FOLDER_NAME",
    "IMPORTED",
    "SCHEMA",
    "SELECTIONS",
    "WEIGHTS",
    "RunRecord",
    "State",
    "StoredRun",
    "check_result",
    "finish_record",
    "imported_folders",
    "is_group",
    "iter_records",
    "read_record",
]

SCHEMA = 1
DONE = "done"
# Groups of a result besides its metrics; each maps names to numbers.
GROUPS = ("detection", "loss_detection", "noise", "parameters", "seconds")
FAILED = "failed.json"
LOCK = "lock"
WEIGHTS = "weights.safetensors"
IMPORTED = "imported"
"""Folder below the runs that holds what others made, a folder per origin."""
SELECTIONS = "selections"
"""Folder below the runs that holds what was selected on validation, a file for each method."""
FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@=-]{0,199}")
"""Names that run folders may have; none is a path to another folder."""

State = Literal["done", "running", "failed", "incomplete", "corrupt"]


@dataclass(frozen=True)
class StoredRun:
    """A run folder as found on disk.

    Attributes:
        folder: The run folder.
        state: `done` is the only state whose numbers count.
        reason: Why it is not done, or empty.
        config: The content of config.json; empty when it cannot be read.
        result: The content of result.json; empty unless done.
        hashes: File name -> sha256 noted when the run finished; empty unless done.
    """

    folder: Path
    state: State
    reason: str
    config: Mapping[str, Any]
    result: Mapping[str, Any]
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The run's identity."""
        return str(self.config.get("id", ""))

    def epochs(self) -> list[dict[str, Any]]:
        """Return one dictionary per epoch."""
        rows = parse_json(self.content("history.json"))
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError("history.json is not a list of epochs")
        return rows

    def environment(self) -> dict[str, Any]:
        """Return versions, device and seconds per phase."""
        return self._object("environment.json")

    @cached_property
    def machine(self) -> str:
        """The label of the machine that trained it, by which runs pair; `not recorded` in records without one."""
        try:
            return machine_label(self.environment().get("machine"))
        except (OSError, ValueError, AttributeError):
            return NOT_RECORDED

    def noise(self) -> dict[str, Any]:
        """Return the summary of the noise manifest."""
        return self._object("noise.json")

    def _object(self, name: str) -> dict[str, Any]:
        value = parse_json(self.content(name))
        if not isinstance(value, dict):
            raise ValueError(f"{name} is not an object")
        return value

    def retrieval(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return per-query scores, top-k indices and thumbnails."""
        return read_arrays(self.content("retrieval.npz"))

    def detection(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what the trained model said of each training image and label; empty for a run without a head."""
        return self.arrays("detection.npz")

    def arrays(self, name: str) -> dict[str, np.ndarray[Any, Any]]:
        """Return the arrays of a file, or nothing where there is none.

        Args:
            name: Such as descriptors.npz or predictions.npz, an array for each split, which --keep all keeps.
        """
        if not (self.folder / name).is_file():
            return {}
        return read_arrays(self.content(name))

    def content(self, name: str) -> bytes:
        """Return a file's content, as it was when the run finished."""
        largest = LARGEST_JSON if name.endswith(".json") else LARGEST_FILE
        return _verified(read_bytes(self.folder / name, largest), name, self.hashes)


@dataclass(frozen=True)
class RunRecord(StoredRun):
    """A finished run."""

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Metric name -> value, rates as fractions."""
        metrics: Mapping[str, float] = self.result["metrics"]
        return metrics


def read_record(folder: Path, verify: bool = False) -> StoredRun:
    """Read one run folder and determine its state.

    Args:
        folder: A run folder.
        verify: Compare the hash of every file with the one noted when the run finished; without it only those
            of config.json and result.json, and of other files when they are read.

    Returns:
        The stored run; a damaged one has the state `corrupt` and a reason that names the file.
    """
    try:
        folder.name.encode()
        config = _mapping(folder / "config.json")
    except (OSError, ValueError) as error:
        # It is written atomically, so that an interrupted run leaves no unreadable one.
        settings = folder / "config.json"
        damaged = (folder / DONE).exists() or settings.exists() or settings.is_symlink()
        reason = f"{settings.name}: {reason_of(error, settings)}"
        return StoredRun(folder, "corrupt" if damaged else "incomplete", reason, {}, {})
    if not (folder / DONE).exists():
        if (folder / FAILED).exists():
            return StoredRun(folder, "failed", _failure(folder), config, {})
        return StoredRun(folder, "incomplete", "it was not finished", config, {})
    try:
        files = _mapping(folder / DONE)["files"]
        if not isinstance(files, dict) or "result.json" not in files:
            raise ValueError("done does not list result.json")
        for name, expected in files.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"done lists {name!r}, which is not a name of a file")
            if not (folder / name).is_file():
                raise ValueError(f"{name} is missing")
            if verify and file_hash(folder / name) != expected:
                raise ValueError(_CHANGED.format(name))
        config, result = (_mapping(folder / name, files) for name in ("config.json", "result.json"))
        check_result(config, result)
    except (OSError, ValueError, KeyError) as error:
        return StoredRun(folder, "corrupt", _words(error), config, {})
    return RunRecord(folder, "done", "", config, result, files)


def iter_records(runs: Path, verify: bool = False) -> Iterator[StoredRun]:
    """Yield every run folder below `runs` in the order of their names; anything else there is passed over."""
    if not runs.is_dir():
        return
    for folder in sorted(runs.iterdir()):
        ours = any((folder / name).exists() for name in ("config.json", DONE, FAILED))
        if ours and not folder.name.startswith("."):
            yield read_record(folder, verify)


def imported_folders(runs: Path) -> list[Path]:
    """Return the folders of imported records, one per origin, in the order of their names."""
    home = runs / IMPORTED
    folders = (path for path in (home.iterdir() if home.is_dir() else ()) if path.is_dir())
    return sorted(path for path in folders if not path.name.startswith("."))


def finish_record(
    folder: Path, documents: Mapping[str, Any], arrays: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write the remaining files of a run, then `done` with the hash of every file.

    Args:
        folder: The run folder, already holding config.json.
        documents: File name -> JSON value.
        arrays: File name -> arrays by name.
    """
    for name, value in documents.items():
        write_json(folder / name, value)
    for name, content in arrays.items():
        write_arrays(folder / name, content)
    keep = sorted(path for path in folder.iterdir() if _belongs(path))
    write_json(folder / DONE, {"schema": SCHEMA, "files": {path.name: file_hash(path) for path in keep}})


def _belongs(path: Path) -> bool:
    passing = path.name.startswith((".", "checkpoint")) or path.name in {DONE, FAILED, LOCK}
    ours = path.suffix in (".json", ".npz", ".safetensors") and path.is_file() and not path.is_symlink()
    return ours and not passing


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_CHANGED = "{} was changed after the run finished"


def _verified(content: bytes, name: str, hashes: Mapping[str, str]) -> bytes:
    if name in hashes and hashlib.sha256(content).hexdigest() != hashes[name]:
        raise ValueError(_CHANGED.format(name))
    return content


def check_result(config: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Check that the settings are unedited, that the result belongs to them, and that it has a valid form.

    Code that reads a checked record can rely on its form; any later error is a bug in that code.

    Args:
        config: The content of config.json.
        result: The content of result.json.

    Raises:
        ValueError: With the reason.
    """
    if not isinstance(config.get("config"), dict) or not isinstance(config.get("id"), str):
        raise ValueError("config.json lacks the run's settings or its id")
    if not is_group(config.get("versions"), 1):
        raise ValueError("config.json holds no versions")
    check_identity(config)
    if result.get("id") != config["id"]:
        raise ValueError("result.json belongs to another run")
    metrics = result.get("metrics")
    if not isinstance(metrics, dict) or not metrics:
        raise ValueError("result.json holds no metrics")
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r} in result.json")
    levels = result.get("sample_detection")
    of_samples = (
        {level: levels.get(level) for level in ("image", "label")} if isinstance(levels, dict) else levels
    )
    groups = {name: (result.get(name), 1) for name in GROUPS} | {"sample_detection": (of_samples, 3)}
    for name, (value, depth) in groups.items():
        if not is_group(value, depth):
            raise ValueError(f"{name} is {value!r:.80} in result.json")


def is_group(value: object, depth: int) -> bool:
    """Return whether a value is None or mappings nested to the given depth, whose innermost values may be anything."""
    if value is None or depth == 0:
        return True
    return isinstance(value, dict) and all(is_group(inner, depth - 1) for inner in value.values())


def _words(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else reason_of(error)


def _mapping(path: Path, hashes: Mapping[str, str] | None = None) -> dict[str, Any]:
    value = parse_json(_verified(read_bytes(path, LARGEST_JSON), path.name, hashes or {}))
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        raise ValueError(
            f"{path.name} is of another format than {SCHEMA}"
            + ("; a newer gridbench wrote it" if newer else "")
        )
    assert isinstance(value, dict)
    return value


def _failure(folder: Path) -> str:
    try:
        return str(read_json(folder / FAILED).get("message", ""))
    except (OSError, ValueError, AttributeError):
        return "it failed; failed.json cannot be read"
