"""Import of bundles: all contents are validated first, and records are kept separate by origin."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gridbench.core.files import check_folder, read_bytes
from gridbench.core.json_files import read_json
from gridbench.errors import InputError
from gridbench.leaderboard.bundles.bundle import FILES
from gridbench.leaderboard.bundles.checks import Bundle, check_content, opened, refuse
from gridbench.leaderboard.bundles.compact import RECORDS as COMPACT
from gridbench.leaderboard.records.runs import LeftOut, as_run
from gridbench.records.recompute import wrong_numbers
from gridbench.records.record import DONE, FOLDER_NAME, IMPORTED, read_record

__all__ = ["Imported", "import_bundle", "wrong_record"]

_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
NEEDED = ("config.json", "result.json", DONE)
"""Files that every record has."""


@dataclass(frozen=True)
class Imported:
    """Result of an import: folder of the records, number of new ones, and number of existing ones."""

    folder: Path
    new: int
    known: int


def import_bundle(bundle: Path, runs: Path, origin: str) -> Imported:
    """Check a bundle and unpack its records below `runs/imported/ORIGIN`.

    Nothing is written unless everything in the bundle is right: names, hashes, identities, and every score, which is
    recomputed from the data in the record.

    Args:
        bundle: The zip file.
        runs: Folder of the user's own run records.
        origin: Name of the author or source of the records, by which tables keep them separate.

    Raises:
        InputError: With every reason for which the bundle is refused.
    """
    if not _ORIGIN.fullmatch(origin):
        raise InputError(
            f"The origin {origin!r} must be 1 to 60 letters, digits, dots, dashes or underscores; name --origin."
        )
    home = runs / IMPORTED / origin
    for folder in (home.parent, home):
        check_folder(folder)
    with opened(bundle, _check_name) as content:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".import-") as temporary:
            _unpack(content, Path(temporary))
            return _move(bundle, Path(temporary), home)


def _check_name(name: str) -> None:
    if name == COMPACT:
        raise ValueError(
            "its records are compact; read them where they are: gridbench leaderboard --runs FILE"
        )
    folder, _, file = name.partition("/")
    if ".." in name or "\\" in name or name.startswith("/") or ":" in name:
        raise ValueError("its path leads outside")
    if not FOLDER_NAME.fullmatch(folder) or file not in (*FILES, DONE):
        raise ValueError("no record has a file of that name")


def _unpack(bundle: Bundle, target: Path) -> None:
    """Unpack into an empty folder, checking every byte on the way."""
    records = dict.fromkeys(name.partition("/")[0] for name in bundle.files)
    reasons = [
        f"{folder} is incomplete: it has no {file}"
        for folder in records
        for file in NEEDED
        if f"{folder}/{file}" not in bundle.files
    ]
    if reasons:
        refuse(bundle.path, reasons)
    for name in bundle.files:
        file = target / name
        file.parent.mkdir(exist_ok=True)
        try:
            bundle.extract(name, file)
            check_content(name, file)
        except ValueError as error:
            text = str(error)
            reasons.append(text if text.startswith(repr(name)) else f"{name!r}: {text}")
    reasons = reasons or [r for folder in sorted(target.iterdir()) for r in wrong_record(folder)]
    if reasons:
        refuse(bundle.path, reasons)


def wrong_record(folder: Path) -> Iterator[str]:
    """Yield the errors in the hashes, numbers and identity of a finished record made by others.

    Args:
        folder: Its folder, each file of which was checked by `check_content`.
    """
    stored = read_record(folder, verify=True)
    run = as_run(stored, origin="")
    if isinstance(run, LeftOut):
        yield f"{folder.name}: {run.reason or run.state}"
        return
    present = {path.name for path in folder.iterdir()} - {DONE}
    unlisted = present - read_json(folder / DONE)["files"].keys()
    if unlisted:
        yield f"{folder.name}: {', '.join(sorted(unlisted))} has no hash in the record itself"
    yield from (f"{folder.name}: {reason}" for reason in wrong_numbers(stored, needed=True))


def _move(bundle: Path, source: Path, home: Path) -> Imported:
    """Move checked records to their folder; existing ones must be identical."""
    folders = sorted(path for path in source.iterdir() if path.is_dir())
    known = [folder for folder in folders if os.path.lexists(home / folder.name)]
    _require_same(bundle, known, home)
    home.mkdir(parents=True, exist_ok=True)
    late = []
    for folder in folders:
        if folder in known:
            continue
        try:
            # Not `shutil.move`, which would move it into a folder that another import has made since.
            folder.rename(home / folder.name)
        except OSError:
            if not os.path.lexists(home / folder.name):
                raise
            late.append(folder)
    _require_same(bundle, late, home)
    there = len(known) + len(late)
    return Imported(home, len(folders) - there, there)


def _require_same(bundle: Path, folders: list[Path], home: Path) -> None:
    """Refuse records if a different one of the same name exists."""
    reasons = [
        f"{folder.name}: another record of that name is there; import under another --origin"
        for folder in folders
        if not _same(folder / DONE, home / folder.name / DONE)
    ]
    if reasons:
        refuse(bundle, reasons)


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and read_bytes(other) == read_bytes(one)
