"""Taking in somebody else's bundle: everything is checked first, and kept apart by its origin."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbench.errors import InputError
from gridbench.leaderboard.bundles.bundle import CONTENTS, DONE, SCHEMA
from gridbench.leaderboard.bundles.checks import check_content, check_entry, is_hash, parse_json
from gridbench.leaderboard.bundles.compact import RECORDS as COMPACT
from gridbench.leaderboard.records.plausible import implausible
from gridbench.leaderboard.records.runs import IMPORTED, LeftOut, as_run
from gridbench.leaderboard.tables.text import clean
from gridbench.records.record import read_record

__all__ = ["Imported", "import_bundle"]

MOST_REASONS = 10
LARGEST_BUNDLE = 64 * 2**30
_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True)
class Imported:
    """What an import did: where the records lie, how many are new, how many were there already."""

    folder: Path
    new: int
    known: int


def import_bundle(bundle: Path, runs: Path, origin: str) -> Imported:
    """Check a bundle and unpack its records below `runs/imported/ORIGIN`.

    Nothing is written unless everything in the bundle is right.

    Args:
        bundle: The zip file.
        runs: The folder that one's own runs are in.
        origin: Whose records they are; tables keep them apart by it.

    Raises:
        InputError: With every reason for which the bundle is refused.
    """
    if not _ORIGIN.fullmatch(origin):
        raise InputError(
            f"The origin {origin!r} must be 1 to 60 letters, digits, dots, dashes or underscores."
        )
    home = runs / IMPORTED / origin
    try:
        with zipfile.ZipFile(bundle) as archive:
            if COMPACT in archive.namelist():
                _refuse(bundle, [f"its records are compact; read them where they are: --runs {bundle}"])
            _refuse(bundle, list(_wrong_entries(archive)))
            home.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home.parent, prefix=".import-") as temporary:
                _unpack(bundle, archive, Path(temporary))
                return _move(bundle, Path(temporary), home)
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"The bundle {str(bundle)!r} cannot be read: {error}") from None


def _refuse(bundle: Path, reasons: list[str]) -> None:
    if reasons:
        shown = [clean(reason, 300) for reason in reasons[:MOST_REASONS]]
        more = [f"and {len(reasons) - MOST_REASONS} more"] if len(reasons) > MOST_REASONS else []
        raise InputError(
            f"The bundle {str(bundle)!r} is refused:\n" + "\n".join(f"  {r}" for r in [*shown, *more])
        )


def _wrong_entries(archive: zipfile.ZipFile) -> Iterator[str]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if CONTENTS not in names:
        yield f"{CONTENTS} is missing, so it is no bundle of gridbench"
    if len(set(names)) < len(names):
        yield "it holds a file twice"
    if sum(entry.file_size for entry in entries) > LARGEST_BUNDLE:
        yield "it would unpack to more than 64 GiB"
    for entry in entries:
        try:
            check_entry(entry)
        except ValueError as error:
            yield f"{entry.filename!r}: {error}"


def _unpack(bundle: Path, archive: zipfile.ZipFile, target: Path) -> None:
    """Unpack into an empty folder, checking every byte on the way."""
    try:
        listed = _listed(parse_json(archive.read(CONTENTS)))
    except ValueError as error:
        _refuse(bundle, [f"{CONTENTS}: {error}"])
        return
    names = {name for name in archive.namelist() if name != CONTENTS}
    reasons = [f"{name!r} is not listed in {CONTENTS}" for name in sorted(names - listed.keys())]
    reasons += [f"{name!r} is listed but missing" for name in sorted(listed.keys() - names)]
    _refuse(bundle, reasons)
    for name, expected in listed.items():
        content = archive.read(name)
        try:
            if hashlib.sha256(content).hexdigest() != expected:
                raise ValueError("its hash is wrong, so it was changed or damaged")
            check_content(name, content)
        except ValueError as error:
            reasons.append(f"{name!r}: {error}")
            continue
        file = target / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    _refuse(bundle, reasons)
    _refuse(bundle, [reason for folder in sorted(target.iterdir()) for reason in _wrong_record(folder)])


def _listed(contents: Any) -> dict[str, str]:
    files = contents.get("files") if isinstance(contents, dict) else None
    if not isinstance(files, dict) or contents.get("schema") != SCHEMA:
        raise ValueError(f"it is of another format than {SCHEMA}")
    if not all(is_hash(value) for value in files.values()):
        raise ValueError("it holds something that is no hash")
    return files


def _wrong_record(folder: Path) -> Iterator[str]:
    """Yield what is wrong with an unpacked record: its own hashes, its numbers, its identity."""
    stored = read_record(folder, verify=True)
    run = as_run(stored, origin="")
    if isinstance(run, LeftOut):
        yield f"{folder.name}: {run.reason or run.state}"
        return
    present = {path.name for path in folder.iterdir()} - {DONE}
    unlisted = present - parse_json((folder / DONE).read_bytes())["files"].keys()
    if unlisted:
        yield f"{folder.name}: {', '.join(sorted(unlisted))} has no hash in the record itself"
    yield from implausible(run)


def _move(bundle: Path, source: Path, home: Path) -> Imported:
    """Move checked records to their home; one that is there already must be the same."""
    new, known, reasons = [], 0, []
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        there = home / folder.name
        if not there.exists():
            new.append(folder)
        elif (there / DONE).is_file() and (there / DONE).read_bytes() == (folder / DONE).read_bytes():
            known += 1
        else:
            reasons.append(
                f"{folder.name}: another record of that name is there; import under another --origin"
            )
    _refuse(bundle, reasons)
    home.mkdir(parents=True, exist_ok=True)
    for folder in new:
        shutil.move(folder, home / folder.name)
    return Imported(home, len(new), known)
