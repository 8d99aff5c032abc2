"""Compact records: hundreds of finished runs in one small file from which every table and figure can be rebuilt.

A zip file of three text files: the contents with their hashes, a line of JSON per record with its unchanged settings,
result, noise summary and environment, and a line per record with its history as columns of four significant digits.
Rankings, scores of single queries, pictures, weights and the list of corrupted labels are left out; of the list, the
hash is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gridbench.core.files import limited
from gridbench.core.json_files import LARGEST_JSON, parse_json
from gridbench.errors import InputError, counted, reason_of
from gridbench.leaderboard.bundles.bundle import zipped
from gridbench.leaderboard.bundles.checks import CONTENTS, opened, refuse
from gridbench.records.record import FOLDER_NAME, RunRecord, check_result

if TYPE_CHECKING:
    from gridbench.leaderboard.records.run import Run

__all__ = ["CompactRun", "as_columns", "as_rows", "pack_compact", "read_compact"]

SCHEMA = 1
KIND = "compact"
RECORDS, HISTORIES = "records.jsonl", "histories.jsonl"
DIGITS = 4
"""Significant digits of histories; results keep all of theirs."""

LARGEST = 2**29
"""Bytes of a member that are read at most, so that a small file cannot fill the memory."""


class _Histories:
    """The lines of histories, each parsed when it is asked for."""

    def __init__(self, content: bytes) -> None:
        self._lines = content.splitlines()

    def __len__(self) -> int:
        return len(self._lines)

    def rows(self, at: int) -> list[dict[str, Any]]:
        return as_rows(parse_json(self._lines[at]))


@dataclass(frozen=True)
class CompactRun(RunRecord):
    """A finished run that was read from a compact file; `folder` is that file and the run's name."""

    documents: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    histories: _Histories = field(default_factory=lambda: _Histories(b""), repr=False, compare=False)
    place: int = 0
    origin: str = ""

    def epochs(self) -> list[dict[str, Any]]:
        """Return one dictionary per epoch, numbers with four significant digits."""
        return self.histories.rows(self.place)

    def environment(self) -> dict[str, Any]:
        """Return versions, device and seconds per phase."""
        return self._document("environment")

    def noise(self) -> dict[str, Any]:
        """Return the summary of the noise manifest."""
        return self._document("noise")

    def retrieval(self) -> dict[str, np.ndarray[Any, Any]]:
        """Raise FileNotFoundError, since a compact record holds no rankings."""
        raise FileNotFoundError(f"{self.folder} is a compact record, which keeps no rankings and no pictures")

    def _document(self, name: str) -> dict[str, Any]:
        if not isinstance(self.documents.get(name), dict):
            raise FileNotFoundError(f"{self.folder} has no {name}")
        return dict(self.documents[name])


def pack_compact(runs: Iterable[Run], version: str) -> bytes:
    """Pack finished records; the same records give the same bytes, in whatever order they come.

    Args:
        runs: The records.
        version: Version of gridbench, noted in the file.

    Returns:
        The file's content.

    Raises:
        InputError: There is nothing to pack, two records have one name, or one is damaged.
    """
    ordered = sorted(runs, key=lambda run: run.stored.folder.name)
    names = [run.stored.folder.name for run in ordered]
    twice = next((name for at, name in enumerate(names[1:]) if name == names[at]), None)
    if not names or twice:
        raise InputError(
            f"Two records are called {twice!r}." if twice else "There is no finished record to pack."
        )
    records, histories = [], []
    for run in ordered:
        stored = run.stored
        documents = {
            "folder": stored.folder.name,
            "config": dict(stored.config),
            "result": dict(stored.result),
            "environment": _read(run, stored.environment),
            "noise": _read(run, stored.noise),
        }
        if run.origin:
            documents["origin"] = run.origin
        records.append(_line(documents))
        histories.append(_line(as_columns(_read(run, stored.epochs) or [])))
    texts = {RECORDS: b"".join(records), HISTORIES: b"".join(histories)}
    hashes = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    contents = {"schema": SCHEMA, "kind": KIND, "gridbench": version, "records": len(names), "files": hashes}
    return zipped({CONTENTS: _line(contents), **texts}.items(), level=9)


def read_compact(path: Path) -> list[CompactRun]:
    """Read a compact file and validate all of its contents.

    Args:
        path: The file.

    Returns:
        The records in the order of their names; their histories are parsed when they are asked for.

    Raises:
        InputError: With every reason for which the file is refused.
    """
    with opened(path, _check_name) as bundle:
        if bundle.contents.get("kind") != KIND or bundle.files.keys() != {RECORDS, HISTORIES}:
            raise ValueError(f"{CONTENTS} is of another format than {KIND} 1, with its two texts")
        histories = _Histories(bundle.read(HISTORIES, LARGEST))
        lines = bundle.read(RECORDS, LARGEST).splitlines()
        if len(lines) != len(histories):
            raise ValueError(
                f"it has {counted(len(lines), 'record')} and {counted(len(histories), 'history', 'histories')}"
            )
    found, reasons = [], []
    for at, line in enumerate(lines):
        name = f"record {at + 1}"
        try:
            if len(line) > limited(LARGEST_JSON):
                raise ValueError(f"it has {len(line):,} bytes, more than a record can need")
            documents = parse_json(line, strict=True)
            if not isinstance(documents, dict):
                raise ValueError("it is not a record")
            name = str(documents["folder"])
            if not FOLDER_NAME.fullmatch(name):
                raise ValueError("its name is not that of a folder")
            config, result = documents["config"], documents["result"]
            for part in (config, result):
                if not isinstance(part, dict):
                    raise ValueError(f"its settings or result are of the type {type(part).__name__}")
            check_result(config, result)
            origin = str(documents.get("origin", ""))
            if origin and not FOLDER_NAME.fullmatch(origin):
                raise ValueError(f"its origin is {origin!r:.80}")
            run = CompactRun(path / name, "done", "", config, result, {}, documents, histories, at, origin)
            found.append(run)
        except (ValueError, KeyError) as error:
            reasons.append(f"{name}: {f'it lacks {error}' if isinstance(error, KeyError) else error}")
    if reasons:
        refuse(path, reasons)
    return found


def _check_name(name: str) -> None:
    if name.endswith("/config.json"):
        raise ValueError(
            "it is a bundle of whole records; take it in with: gridbench leaderboard import FILE"
        )
    if name not in (RECORDS, HISTORIES):
        raise ValueError("it has no place in a file of compact records")


def _read(run: Run, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"The record {run.stored.folder.name!r} cannot be packed: {reason_of(error)}"
        ) from None


def _line(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def as_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Turn rows into columns, name by name; a member that is itself a mapping becomes columns of its own."""
    columns: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if any(isinstance(value, Mapping) for value in values):
            columns[name] = as_columns([value if isinstance(value, Mapping) else {} for value in values])
        else:
            columns[name] = [_short(value) for value in values]
    return columns


def as_rows(columns: Any) -> list[dict[str, Any]]:
    """Turn columns back into rows."""
    if not isinstance(columns, dict):
        raise ValueError("a history is not a table")
    parts = {name: as_rows(part) if isinstance(part, dict) else part for name, part in columns.items()}
    if not all(isinstance(part, list) for part in parts.values()):
        raise ValueError("a history has a column that is not a list")
    if len(set(map(len, parts.values()))) > 1:
        raise ValueError("the columns of a history differ in length")
    return [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
