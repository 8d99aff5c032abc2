"""Opening an archive for a command, with the progress of building it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridbench.datasets.archive.archive import Archive

__all__ = ["open_with_progress"]


def open_with_progress(name: str, cache: Path | None) -> Archive:
    """Open an archive by name, and show progress where it has to be built first.

    Args:
        name: Name of a built-in or prepared archive.
        cache: Folder of the archives; None: the default one.

    Returns:
        The archive.

    Raises:
        InputError: There is none of this name, or it is damaged.
    """
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets.open import open_archive

    with ProgressReporter() as progress:
        return open_archive(name, cache, progress.build)
