"""Checks of paths to write to: no links, devices or read-only files, and nothing existing unless requested."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from gridbench.core.files.reading import UnsafeFile, kind_of
from gridbench.errors import InputError

__all__ = [
    "check_folder",
    "check_free",
    "check_target",
    "check_writable",
    "has_files",
    "image_paths",
    "temporary_name",
]

_TEMPORARY = re.compile(r"\..+\.\d+\.part", re.DOTALL)


def check_folder(path: Path) -> None:
    """Refuse a folder to write in that is a link, a device or a named pipe; it need not exist yet.

    Raises:
        UnsafeFile: With the reason.
    """
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(
            f"{path} is {kind_of(found.st_mode)}, not a folder of gridbench's own; nothing was written. Move it away."
        )


def check_target(path: Path) -> None:
    """Refuse to replace anything but a writable regular file.

    Raises:
        UnsafeFile: With the reason.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{path} is {kind_of(found.st_mode)}, which is not replaced; name another file")
    if not found.st_mode & 0o222:
        raise UnsafeFile(
            f"{path} is read-only, so it is not replaced; name another file, or: "
            f"chmod u+w {shlex.quote(str(path))}"
        )


def check_writable(folder: Path) -> None:
    """Refuse a folder in which no file can be made, or in which it cannot be made itself.

    Raises:
        InputError: With the reason.
    """
    # A link that leads nowhere is there, too: no folder can be made in its place.
    there = next((path for path in (folder, *folder.absolute().parents) if os.path.lexists(path)), folder)
    if os.path.lexists(there) and not there.is_dir():
        raise InputError(
            f"{str(there)!r} is not a folder, so nothing can be written below it. Name another folder."
        )
    if not os.access(there, os.W_OK):
        raise InputError(f"Nothing can be written to the folder {str(there)!r}. Name another folder.")


def temporary_name(path: Path) -> Path:
    """Return the hidden name that a file has while this process writes it; a kill leaves it behind."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def has_files(path: Path) -> bool:
    """Return whether something is at a path besides what an attempt that was killed may have left.

    Which is folders without files, and files under their temporary names.
    """
    if path.is_symlink() or not path.is_dir():
        return path.is_symlink() or path.exists()
    return any(not below.is_dir() and not _TEMPORARY.fullmatch(below.name) for below in path.rglob("*"))


def check_free(paths: Collection[Path], force: bool) -> None:
    """Refuse to replace files that are there, unless that was asked for.

    Raises:
        InputError: One of them is there.
    """
    there = [path for path in paths if has_files(path)]
    if there and not force:
        more = f" and {len(there) - 1} more files" if len(there) > 1 else ""
        raise InputError(
            f"{there[0]}{more} would be replaced. Name another folder, or say --force to replace what is there."
        )


def image_paths(folder: Path, names: Sequence[str], suffixes: Sequence[str]) -> list[Path]:
    """Return a file below a folder for each image of an archive; a name that would lead out of it is kept inside.

    Args:
        folder: The folder.
        names: n names of the images.
        suffixes: n suffixes of the files, such as `.png`.

    Raises:
        InputError: Two images would have the same file.
    """
    paths = []
    for name, suffix in zip(names, suffixes, strict=True):
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
        paths.append(folder.joinpath(*parts[:-1], f"{(parts or ['_'])[-1]}{suffix}"))
    if len(set(paths)) < len(paths):
        raise InputError("Two images would have the same file; their names differ only in '..' or '\\'.")
    return paths
