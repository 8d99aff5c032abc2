"""A script that stands in for a small disk where none can be mounted: nothing more is flushed beyond a limit.

QUOTA_FOLDER names the folder that is measured, QUOTA_LIMIT the file that holds the number of bytes allowed in it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_flush = os.fsync


def size_of(folder: Path) -> int:
    """Return the bytes in all files below a folder; files that vanish meanwhile count as nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def limited(descriptor: int) -> None:
    """Flush, unless the folder holds more than it may."""
    if size_of(Path(os.environ["QUOTA_FOLDER"])) > int(Path(os.environ["QUOTA_LIMIT"]).read_text()):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    _flush(descriptor)


os.fsync = limited
