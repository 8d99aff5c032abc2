"""File transfer between the driver and nodes without shared storage: archives, plug-ins and run folders."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock

from gridbench.core.files import file_hash, read_bytes, write_bytes
from gridbench.core.json_files import parse_json
from gridbench.datasets import Archive
from gridbench.datasets.archive.archive import INDEX
from gridbench.datasets.archive.arrayfile import fsync_directory
from gridbench.errors import InputError
from gridbench.leaderboard.bundles.bundle import FILES
from gridbench.leaderboard.bundles.bundle_import import wrong_record
from gridbench.leaderboard.bundles.checks import check_content
from gridbench.plan import Plan
from gridbench.records.record import DONE, FAILED, StoredRun, read_record
from gridbench.records.run_folder import prepare
from gridbench.training.checkpoint import clear_checkpoints

__all__ = [
    "Message",
    "Shipment",
    "archive_shipment",
    "pack_folder",
    "pack_message",
    "plugin_shipment",
    "read_message",
    "store_folder",
    "unpack",
]

# Only one piece at a time is in memory, here and on a node.
PIECE = 32 * 2**20
_COMPLETE = ".complete"
_LAST = (FAILED, DONE)
# Files that a node may send back: those that a bundle may contain, and those that a bundle omits.
_FILES = (*FILES, "descriptors.npz", "predictions.npz", FAILED, DONE)
_LENGTH_BYTES = 8
_KINDS: dict[str, tuple[type, ...]] = {
    "started": (str,),
    "epoch": (int, int),
    "done": (),
    "failed": (str,),
    "trouble": (str,),
}

Put = Callable[[bytes], Any]
Get = Callable[[Any], bytes]


@dataclass(frozen=True)
class Shipment:
    """Files on their way to a node.

    Attributes:
        key: Names the content: the same files have the same key, and a node that has them fetches nothing.
        files: (path below the folder of the shipment, sha256, handles of its pieces) of each file.
    """

    key: str
    files: tuple[tuple[str, str, tuple[Any, ...]], ...]

    @property
    def paths(self) -> list[str]:
        """The files' paths below the folder of the shipment."""
        return [path for path, _, _ in self.files]


def archive_shipment(archive: Archive, cache: Path, put: Put) -> Shipment:
    """Hand over the files of a packed archive, which keep their place below the cache.

    Args:
        archive: An opened archive.
        cache: The cache folder that it lies in.
        put: Stores a piece and returns a handle, by which a node can get it.

    Raises:
        InputError: The archive lies outside the cache, so a node could not find it under its name.
    """
    directory = archive.directory.resolve()
    try:
        place = directory.relative_to(cache.resolve())
    except ValueError:
        raise InputError(
            f"The archive {archive.name!r} lies in {directory}, outside the cache {cache}; only archives in the cache "
            "can be taken to other machines. Use --engine local."
        ) from None
    index = read_bytes(directory / INDEX)
    facts = {INDEX: hashlib.sha256(index).hexdigest()}
    facts.update({name: fact["sha256"] for name, fact in json.loads(index)["files"].items()})
    files = [
        ((place / name).as_posix(), sha256, tuple(put(piece) for piece in _pieces(directory / name)))
        for name, sha256 in facts.items()
    ]
    return Shipment(_key(files), tuple(files))


def plugin_shipment(path: Path, put: Put) -> Shipment:
    """Hand over a plug-in file; it keeps its name, which is the default name of what it registers.

    Args:
        path: The file.
        put: Stores a piece and returns a handle.
    """
    content = read_bytes(path)
    files = [(path.name, hashlib.sha256(content).hexdigest(), (put(content),))]
    return Shipment(_key(files), tuple(files))


def unpack(shipment: Shipment, store: Path, get: Get) -> Path:
    """Return the folder that holds the files of a shipment, fetching them if they are not there yet.

    Processes that ask at once fetch once; a folder has its name only when every file in it was compared with its hash.

    Args:
        shipment: The files to fetch.
        store: Folder of this machine that keeps shipments.
        get: Returns the content of a piece by its handle.

    Raises:
        OSError: There is no room, or the store cannot be written.
        ValueError: What arrived is not what was sent.
    """
    folder = store / shipment.key
    if (folder / _COMPLETE).is_file():
        return folder
    store.mkdir(parents=True, exist_ok=True)
    with FileLock(store / f".{shipment.key}.lock"):
        if (folder / _COMPLETE).is_file():
            return folder
        partial = store / f".{shipment.key}.partial"
        for leftover in (partial, folder):
            if leftover.exists():
                shutil.rmtree(leftover)
        for path, sha256, handles in shipment.files:
            _fetch(partial / _inside(path), sha256, handles, get)
        (partial / _COMPLETE).touch()
        partial.replace(folder)
        fsync_directory(store)
    return folder


def _fetch(path: Path, sha256: str, handles: tuple[Any, ...], get: Get) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for handle in handles:
            file.write(get(handle))
        file.flush()
        os.fsync(file.fileno())
    if file_hash(path) != sha256:
        raise ValueError(f"{path.name} was damaged on its way")


def _inside(path: str) -> PurePosixPath:
    inside = PurePosixPath(path)
    if inside.is_absolute() or ".." in inside.parts:
        raise ValueError(f"{path!r} leads out of the folder")
    return inside


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _key(files: list[tuple[str, str, tuple[Any, ...]]]) -> str:
    """Name a content by the paths and hashes of its files."""
    text = json.dumps(sorted((path, sha256) for path, sha256, _ in files))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def pack_folder(folder: Path) -> dict[str, bytes]:
    """Return the files of a run folder, checkpoints and hidden files left out; nothing if there is no folder."""
    if not folder.is_dir():
        return {}
    return {
        path.name: read_bytes(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.startswith((".", "checkpoint"))
    }


@dataclass(frozen=True)
class Message:
    """A message of a node about a run.

    Attributes:
        kind: started, epoch, done, failed or trouble (this machine could not do it, and another one may).
        values: The machine's name; the finished epochs and those in all; nothing; a reason.
        files: File name -> content of the run folder, for done and failed.
    """

    kind: str
    values: tuple[Any, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)


def pack_message(kind: str, values: Sequence[Any], files: Mapping[str, bytes]) -> bytes:
    """Return a message as bytes: the length of its JSON, the JSON, and the files one after the other."""
    sizes = [[name, len(content)] for name, content in files.items()]
    header = json.dumps({"kind": kind, "values": list(values), "files": sizes}).encode()
    return b"".join([len(header).to_bytes(_LENGTH_BYTES, "little"), header, *files.values()])


def read_message(content: bytes) -> Message:
    """Read what `pack_message` returned.

    Raises:
        ValueError: It is none.
    """
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not _LENGTH_BYTES < start <= len(content):
        raise ValueError("it sent no message")
    header = parse_json(content[_LENGTH_BYTES:start], strict=True)
    try:
        kind, values, sizes = header["kind"], header["values"], dict(header["files"])
        right = [type(value) for value in values] == list(_KINDS[kind]) and sum(sizes.values()) == len(
            content
        ) - start
        right = right and all(type(size) is int and size >= 0 for size in sizes.values())
    except (LookupError, TypeError, ValueError):
        right = False
    if not right:
        raise ValueError("it sent a message of another form")
    files = {}
    for name, size in sizes.items():
        files[str(name)] = content[start : start + size]
        start += size
    return Message(kind, tuple(values), files)


def store_folder(files: Mapping[str, bytes], plan: Plan, runs: Path) -> StoredRun:
    """Check a run folder that came from elsewhere and write it, its outcome last.

    The caller has locked the run folder.

    Args:
        files: File name -> content, as `pack_folder` returned them.
        plan: Plan of the run.
        runs: Folder of run records.

    Returns:
        The record as it is now on disk.

    Raises:
        ValueError: It is of another run, or a file of it is not what it was when the run finished.
        OSError: It cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix=".gridbench-") as temporary:
        _check(files, plan, Path(temporary) / plan.folder_name)
    folder = runs / plan.folder_name
    prepare(folder, read_record(folder) if folder.exists() else None, plan, False, lambda line: None)
    for name in sorted(files, key=lambda name: (name in _LAST, name)):
        write_bytes(folder / name, files[name])
    if DONE in files:
        clear_checkpoints(folder)
    return read_record(folder, verify=True)


def _check(files: Mapping[str, bytes], plan: Plan, folder: Path) -> None:
    """Check a record in its own folder as records of bundles are checked: every file, hash and score."""
    odd = sorted(files.keys() - set(_FILES))
    if odd:
        raise ValueError(f"it holds a file of the name {odd[0]!r}")
    if not ("config.json" in files and (DONE in files or FAILED in files)):
        raise ValueError("it is not complete")
    found = parse_json(files["config.json"])
    if not isinstance(found, dict) or found.get("id") != plan.id:
        raise ValueError("it belongs to another run")
    if found != json.loads(json.dumps(plan.document())):
        raise ValueError("its config.json is not that of the run")
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
        check_content(name, folder / name)
    if DONE in files:
        reasons = list(wrong_record(folder))
        if reasons:
            raise ValueError("; ".join(reasons))
