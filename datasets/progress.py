"""The type of progress callbacks for building an archive."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[int, int, str], None]
"""Called with (done, total, message); total is 0 while it is not known."""


def silent(done: int, total: int, message: str) -> None:
    """Report nothing."""
