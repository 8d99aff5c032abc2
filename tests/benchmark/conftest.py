from __future__ import annotations

import errno
import os
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

QUOTA = Path(__file__).with_name("quota.py")


class Mounted:
    """A file system in memory, whose size changes while it is used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self, options: str) -> bool:
        program = shutil.which("mount")
        command = [program, "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        return (
            program is not None and not subprocess.run(command, capture_output=True, check=False).returncode
        )

    def leave(self, free: int) -> None:
        """Let so many bytes be written, and no more."""
        assert self.mount(f"remount,size={shutil.disk_usage(self.folder).used + free}")

    def protect(self) -> None:
        assert self.mount("remount,ro")


class Quota:
    """A folder in which nothing is flushed any more once it holds too much; other processes run the file QUOTA."""

    def __init__(self, folder: Path, limit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.limit, self.monkeypatch = folder, limit, monkeypatch
        monkeypatch.setenv("QUOTA", str(QUOTA))
        monkeypatch.setenv("QUOTA_FOLDER", str(folder))
        monkeypatch.setenv("QUOTA_LIMIT", str(limit))
        monkeypatch.setattr(os, "fsync", os.fsync)
        self.size_of = runpy.run_path(str(QUOTA))["size_of"]

    def leave(self, free: int) -> None:
        """Let so many bytes be written, and no more."""
        self.limit.write_text(str(self.size_of(self.folder) + free))

    def protect(self) -> None:
        def refuse(path: str | Path, *_: object, **__: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

        self.monkeypatch.setattr(os, "mkdir", refuse)


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mounted | Quota]:
    """A disk of 24 MB: a real one where the machine lets us mount it, which needs root, or one that needs nothing."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = Mounted(folder)
    if mounted.mount("size=24m"):
        yield mounted
        subprocess.run(["umount", str(folder)], check=True)
        return
    quota = Quota(folder, tmp_path / "limit", monkeypatch)
    quota.leave(24 << 20)
    yield quota
