"""A run folder as bytes: packed where it was computed, checked and written where records are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gridbench.core.files import parse_json, read_bytes, write_bytes
from gridbench.plan import Plan
from gridbench.records.record import DONE, FAILED, StoredRun, read_record
from gridbench.records.run_folder import prepare
from gridbench.training.checkpoint import clear_checkpoints

__all__ = ["pack_folder", "store_folder"]

_LAST = (FAILED, DONE)


def pack_folder(folder: Path) -> dict[str, bytes]:
    """Return the files of a run folder, checkpoints and hidden files left out; nothing if there is no folder."""
    if not folder.is_dir():
        return {}
    return {
        path.name: read_bytes(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith((".", "checkpoint"))
    }


def store_folder(files: Mapping[str, bytes], plan: Plan, runs: Path) -> StoredRun:
    """Check a run folder that came from elsewhere and write it, the file that says what became of it last.

    The caller holds the run folder against other processes.

    Args:
        files: File name -> content, as `pack_folder` returned them.
        plan: The run that was asked for.
        runs: Folder of run records.

    Returns:
        The record as it is now on disk.

    Raises:
        ValueError: It is of another run, or a file of it is not what it was when the run finished.
        OSError: It cannot be written.
    """
    _check(files, plan)
    folder = runs / plan.folder_name
    prepare(folder, read_record(folder) if folder.exists() else None, plan, False, lambda line: None)
    for name in sorted(files, key=lambda name: (name in _LAST, name)):
        write_bytes(folder / name, files[name])
    if DONE in files:
        clear_checkpoints(folder)
    return read_record(folder, verify=True)


def _check(files: Mapping[str, bytes], plan: Plan) -> None:
    odd = [name for name in files if not name or "/" in name or "\\" in name or name.startswith(".")]
    if odd:
        raise ValueError(f"it holds a file of the name {odd[0]!r}")
    if not ("config.json" in files and (DONE in files or FAILED in files)):
        raise ValueError("it is not complete")
    found = parse_json(files["config.json"])
    if not isinstance(found, dict) or found.get("id") != plan.id:
        raise ValueError("it belongs to another run")
    if DONE in files:
        for name, expected in parse_json(files[DONE])["files"].items():
            if hashlib.sha256(files.get(name, b"")).hexdigest() != expected:
                raise ValueError(f"{name} was damaged on its way")
