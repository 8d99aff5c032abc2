"""The run record: one folder per run, trusted only when its last file says that all the others are whole.

This module reads and writes records without torch, so that listing and tabulating stays quick.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gridbench.atomic import file_hash, read_json, write_arrays, write_json

__all__ = ["SCHEMA", "RunRecord", "State", "StoredRun", "finish_record", "iter_records", "read_record"]

SCHEMA = 1
DONE = "done"
FAILED = "failed.json"
LOCK = "lock"

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
    """

    folder: Path
    state: State
    reason: str
    config: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The run's identity."""
        return str(self.config.get("id", ""))

    def history(self) -> list[dict[str, Any]]:
        """Return one dictionary per epoch."""
        history: list[dict[str, Any]] = read_json(self.folder / "history.json")
        return history

    def environment(self) -> dict[str, Any]:
        """Return versions, device and seconds per phase."""
        environment: dict[str, Any] = read_json(self.folder / "environment.json")
        return environment

    def noise(self) -> dict[str, Any]:
        """Return the summary of the noise manifest."""
        noise: dict[str, Any] = read_json(self.folder / "noise.json")
        return noise

    def retrieval(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return per-query scores, top-k indices and thumbnails."""
        with np.load(self.folder / "retrieval.npz", allow_pickle=False) as arrays:
            return dict(arrays)


@dataclass(frozen=True)
class RunRecord(StoredRun):
    """A finished run."""

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Metric name -> value, rates as fractions."""
        metrics: Mapping[str, float] = self.result["metrics"]
        return metrics


def read_record(folder: Path, verify: bool = False) -> StoredRun:
    """Read one run folder and tell its state.

    Args:
        folder: A run folder.
        verify: Compare the hash of every file with the one noted when the run finished; without it only their
            presence and the JSON are checked.

    Returns:
        The stored run; a damaged one has the state `corrupt` and a reason that names the file.
    """
    try:
        config = _mapping(folder / "config.json")
    except (OSError, ValueError) as error:
        whole = (folder / DONE).exists()
        return StoredRun(folder, "corrupt" if whole else "incomplete", f"config.json: {error}", {}, {})
    if not (folder / DONE).exists():
        if (folder / FAILED).exists():
            return StoredRun(folder, "failed", _failure(folder), config, {})
        return StoredRun(folder, "incomplete", "it was not finished", config, {})
    try:
        files = _mapping(folder / DONE)["files"]
        for name, expected in files.items():
            if not (folder / name).is_file():
                raise ValueError(f"{name} is missing")
            if verify and file_hash(folder / name) != expected:
                raise ValueError(f"{name} was changed after the run finished")
        result = _mapping(folder / "result.json")
        if result.get("id") != config.get("id") or "metrics" not in result:
            raise ValueError("result.json belongs to another run")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        return StoredRun(folder, "corrupt", str(error), config, {})
    return RunRecord(folder, "done", "", config, result)


def iter_records(runs: Path, verify: bool = False) -> Iterator[StoredRun]:
    """Yield every run folder below `runs` in the order of their names; anything else there is passed over."""
    if not runs.is_dir():
        return
    for folder in sorted(runs.iterdir()):
        if folder.is_dir() and not folder.name.startswith(".") and (folder / "config.json").exists():
            yield read_record(folder, verify)


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
    return path.is_file() and not passing


def _mapping(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ValueError(f"{path.name} is of another format than {SCHEMA}")
    return value


def _failure(folder: Path) -> str:
    try:
        return str(json.loads((folder / FAILED).read_text(encoding="utf-8")).get("message", ""))
    except (OSError, ValueError, AttributeError):
        return "it failed; failed.json cannot be read"
