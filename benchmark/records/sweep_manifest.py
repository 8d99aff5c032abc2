"""Manifests of sweeps, stored in the folder of runs so that other processes can report the progress of a sweep."""

from __future__ import annotations

import ast
import hashlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gridbench.core.files import check_folder
from gridbench.core.json_files import read_json, write_json
from gridbench.records.record import FOLDER_NAME
from gridbench.records.runtime import KIND

__all__ = ["DeclaredRun", "DeclaredSweep", "declare", "declared_sweeps"]

FOLDER = ".sweeps"
SCHEMA = 1
KEPT = (*KIND, "epochs")
MOST_EPOCHS = 100_000
"""A file that declares more epochs for a run was damaged, and would make the estimate of the time absurd."""


@dataclass(frozen=True)
class DeclaredRun:
    """One run of a sweep.

    Attributes:
        folder: Name of its run folder.
        label: Short description of the run.
        config: The settings that determine its computing time.
    """

    folder: str
    label: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class DeclaredSweep:
    """The runs of one sweep command.

    Attributes:
        file: The manifest; removing it removes the sweep from the status.
        command: The command line.
        runs: All runs of the sweep, including finished ones.
    """

    file: Path
    command: str
    runs: tuple[DeclaredRun, ...]


def declare(folder: Path, command: str, runs: Iterable[DeclaredRun]) -> Path:
    """Write the manifest of a sweep, replacing earlier manifests of the same command.

    Args:
        folder: The folder of run records.
        command: The command line.
        runs: All runs of the sweep.

    Returns:
        Path of the manifest.

    Raises:
        OSError: The manifest cannot be written.
    """
    rows: list[dict[str, Any]] = [
        {"folder": run.folder, "label": run.label, "config": {name: run.config.get(name) for name in KEPT}}
        for run in runs
    ]
    name = hashlib.sha256("\n".join(sorted(run["folder"] for run in rows)).encode()).hexdigest()[:12]
    file = folder / FOLDER / f"{name}.json"
    check_folder(file.parent)
    file.parent.mkdir(parents=True, exist_ok=True)
    declared = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(file, {"schema": SCHEMA, "command": command, "declared": declared, "runs": rows})
    for other in declared_sweeps(folder):
        if other.command == command and other.file != file:
            other.file.unlink(missing_ok=True)
    return file


def _name(folder: str) -> str:
    """Return the name of a run folder.

    Raises:
        ValueError: It is a path, or no name that gridbench gives to a run folder.
    """
    if not FOLDER_NAME.fullmatch(folder):
        raise ValueError("it names no folder of a run")
    return folder


def _config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run by which its computing time is estimated.

    Raises:
        ValueError: One of them is not a setting.
    """
    config = dict(given)
    epochs = config.get("epochs")
    if not all(value is None or isinstance(value, str | int | float) for value in config.values()) or not (
        epochs is None or (isinstance(epochs, int) and 0 <= epochs <= MOST_EPOCHS)
    ):
        raise ValueError("a setting of it is none")
    return config


_DECLARING = (["sweep"], ["reproduce"])
"""The commands that write a manifest."""


def _command(text: str) -> str:
    """Return a command line or Python call that only computes a sweep, since users repeat what is shown.

    Raises:
        ValueError: It would do something else.
        SyntaxError: It is not a call.
    """
    if text.startswith("gridbench.sweep("):
        same = f"gridbench.sweep({ast.literal_eval(text[len('gridbench.sweep(') : -1])!r})"
    else:
        words = shlex.split(text)
        same = shlex.join(words) if words[:1] == ["gridbench"] and words[1:2] in _DECLARING else ""
    if text != same or not text.isprintable():
        raise ValueError("it does not repeat a sweep")
    return text


def declared_sweeps(folder: Path) -> list[DeclaredSweep]:
    """Return the sweeps declared in a folder of runs, sorted by file name; unreadable manifests are skipped."""
    found = []
    for file in sorted((folder / FOLDER).glob("*.json")):
        try:
            content = read_json(file)
            if content["schema"] != SCHEMA:
                continue
            runs = tuple(
                DeclaredRun(_name(run["folder"]), str(run["label"]), _config(run["config"]))
                for run in content["runs"]
            )
            found.append(DeclaredSweep(file, _command(content["command"]), runs))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, SyntaxError, RecursionError):
            continue
    return found
