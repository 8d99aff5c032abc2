"""Bundles: finished records in one zip file, for sharing with others."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gridbench.core.json_files import read_json
from gridbench.errors import InputError, reason_of
from gridbench.leaderboard.bundles.checks import CONTENTS
from gridbench.records.record import DONE, WEIGHTS

if TYPE_CHECKING:
    from gridbench.leaderboard.records.run import Run

__all__ = ["FILES", "SCHEMA", "pack_bundle", "zipped"]

SCHEMA = 1
FILES = (
    "config.json",
    "detection.npz",
    "environment.json",
    "history.json",
    "noise.json",
    "noise.npz",
    "result.json",
    "retrieval.npz",
    WEIGHTS,
)
"""The files of a record that a bundle may hold besides `done`; none of them is code."""

_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip file can hold, given to every member."""


def zipped(members: Iterable[tuple[str, bytes]], level: int | None = None) -> bytes:
    """Return a zip file; the same members give the same bytes whenever it is made.

    Args:
        members: (name, content) of each, in their order.
        level: Compression level, 0 to 9; None for zlib's own default.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name, _EARLIEST), content, zipfile.ZIP_DEFLATED, level)
    return out.getvalue()


def pack_bundle(runs: Iterable[Run], version: str, weights: bool = False) -> bytes:
    """Pack finished records into a zip file; the same records give the same bytes.

    Args:
        runs: The records.
        version: Version of gridbench, noted in the bundle.
        weights: Whether to include the weights.

    Returns:
        The zip file's content.

    Raises:
        InputError: There is nothing to pack, or two records have one folder name.
    """
    hashes: dict[str, str] = {}

    # One file after the other, so that only one is in memory beside the bundle.
    def members() -> Iterator[tuple[str, bytes]]:
        for run in runs:
            for name, content in _files(run, weights):
                path = f"{run.stored.folder.name}/{name}"
                if path in hashes:
                    raise InputError(
                        f"Two records are called {run.stored.folder.name!r}; pack them one at a time."
                    )
                hashes[path] = hashlib.sha256(content).hexdigest()
                yield path, content
        yield CONTENTS, _json({"schema": SCHEMA, "gridbench": version, "files": hashes})

    bundle = zipped(members())
    if not hashes:
        raise InputError("There is no finished record to pack.")
    return bundle


def _files(run: Run, weights: bool) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of a record's files that are packed, and last a `done` that lists only these."""
    folder = run.stored.folder
    document = read_json(folder / DONE)
    listed = {
        name: hashed
        for name, hashed in document["files"].items()
        if name in FILES and (weights or name != WEIGHTS)
    }
    if not {"config.json", "result.json"} <= listed.keys():
        raise InputError(f"The record {folder.name!r} has no hash of its config.json or result.json.")
    for name in sorted(listed):
        try:
            yield name, run.stored.content(name)
        except (OSError, ValueError) as error:
            raise InputError(f"The record {folder.name!r} cannot be packed: {reason_of(error)}") from None
    yield DONE, _json({**document, "files": listed})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
